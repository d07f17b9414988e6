/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_CHECKPOINT_STORE_H
#define NAS_STORE_CHECKPOINT_STORE_H

/* The checkpoints of a run directory: checkpoint.safetensors, the newest, and some from before it,
 * checkpoint-N.safetensors after meta-epoch N. */

#include "base/folder.h"
#include "learn/state.h"

#include <limits.h>

#define NAS_CHECKPOINT_FILE "checkpoint.safetensors"

/* Give the newest, that of `meta_epoch`, its second name, under which it stays when the next one
 * takes its place. */
int nas_checkpoint_store_keep(struct mn_ctx *ctx, const char *dir, int64_t meta_epoch);

/* Of those before meta-epoch `newest` leave the last `most`; remove the rest, and what says that it
 * is no older than the newest. */
int nas_checkpoint_store_trim(struct mn_ctx *ctx, const char *dir, int64_t newest, int64_t most);

/* Load the newest checkpoint of at most meta-epoch `last` (INT64_MAX = any). One that cannot be
 * read is warned of, and the one before it taken; MN_IO with the first failure where none can. A
 * checkpoint that is whole but of another configuration ends the search: MN_CONFIG.
 * `every` > 0: only those whose meta-epoch is a multiple of it. *out is untouched with MN_OK and
 * *found = 0: there is none so early. */
int nas_state_load_newest(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                          const char *dir, int64_t last, int64_t every, struct nas_state *out,
                          int *found);

/* Remove what processes that died have left of files they were writing. The folder is held. */
void nas_checkpoint_store_clean(struct mn_ctx *ctx, const char *dir);

/* The newest that can be read. Where there is none at all, a run that ended before its first one,
 * the initial state, with a warning. */
int nas_state_resume(const struct nas_experiment *experiment, struct mn_ctx *ctx, const char *dir,
                     struct nas_state *out);

/* Make `source`, a checkpoint of `dir`, the newest again. What stood there, damaged, becomes
 * damaged.safetensors. */
int nas_checkpoint_store_restore(struct mn_ctx *ctx, const char *dir, const char *source);

#endif
