/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_CHECKPOINT_H
#define NAS_STORE_CHECKPOINT_H

/* A checkpoint of a run: where the run stands, and tensors and metadata of whoever learns. */

#include "store/safetensors.h"

struct nas_checkpoint {
    int64_t meta_epoch; /* done so far */
    int64_t evaluated;  /* meta-epoch of the last validation */
    double best;        /* highest validation accuracy so far, -1 = none */
    int64_t best_epoch;
    int64_t rollbacks;
    double log[4]; /* sums since the last line of metrics */
    int n;
    const struct nas_safetensor *tensors; /* [n] */
    int n_meta;
    const struct nas_metadata *metadata; /* [n_meta]; of a file that was read, all of it */
};

/* Write a file, with `extra` behind the metadata. MN_IO, MN_NOMEM. */
int nas_checkpoint_write(struct mn_ctx *ctx, const char *path, const struct nas_checkpoint *from,
                         int n_extra, const struct nas_metadata *extra);

/* Read a file; `out` points into it. Refused as nas_safetensors_read does; MN_CONFIG where it is no
 * checkpoint, MN_IO where it is a damaged one. `file` is for nas_safetensors_fini after a success.
 */
int nas_checkpoint_read(struct mn_ctx *ctx, const char *path, struct nas_safetensors *file,
                        struct nas_checkpoint *out);

#endif
