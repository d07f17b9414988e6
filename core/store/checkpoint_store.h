/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_CHECKPOINT_STORE_H
#define NAS_STORE_CHECKPOINT_STORE_H

/* The checkpoints of a run directory: checkpoint.safetensors, the newest, and some from before it,
 * checkpoint-N.safetensors after meta-epoch N. */

#include "base/ctx.h"

#define NAS_CHECKPOINT_FILE "checkpoint.safetensors"

/* Give the newest, that of `meta_epoch`, its second name, under which it stays when the next one
 * takes its place. */
int nas_checkpoint_store_keep(struct mn_ctx *ctx, const char *dir, int64_t meta_epoch);

/* Of those before meta-epoch `newest` leave the last `most`; remove the rest, and what says that it
 * is no older than the newest. */
int nas_checkpoint_store_trim(struct mn_ctx *ctx, const char *dir, int64_t newest, int64_t most);

/* Loads the checkpoint at `path` in place of the one that it has loaded before. MN_IO = it cannot
 * be read, and the one before it is wanted. */
typedef int (*nas_checkpoint_load_fn)(void *data, struct mn_ctx *ctx, const char *path,
                                      int64_t *meta_epoch);

/* Load the newest checkpoint of at most meta-epoch `last` (INT64_MAX = any); `every` > 0: only
 * those whose meta-epoch is a multiple of it. One that cannot be read is warned of, and the one
 * before it taken; MN_IO with the first failure where none can. MN_OK and *found = 0: there is none
 * so early. */
int nas_checkpoint_store_load(struct mn_ctx *ctx, const char *dir, int64_t last, int64_t every,
                              nas_checkpoint_load_fn load, void *data, int *found);

/* Remove what processes that died have left of files they were writing, in a locked folder. */
void nas_checkpoint_store_clean(struct mn_ctx *ctx, const char *dir);

/* Make `source`, a checkpoint of `dir`, the newest again. What stood there, damaged, becomes
 * damaged.safetensors. */
int nas_checkpoint_store_restore(struct mn_ctx *ctx, const char *dir, const char *source);

#endif
