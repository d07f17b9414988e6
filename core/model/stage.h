/* SPDX-License-Identifier: MIT */
#ifndef MN__MODEL_STAGE_H
#define MN__MODEL_STAGE_H

/* What the forward and the backward pass through a stage share. */

#include "model/graph.h"

/* A run of whole images that is worked on at once. */
struct mn__block {
    int n0, n;
    ptrdiff_t len;
};

/* Block i of the pass's images; 0 = there is none. */
int mn__block_at(const struct mn__run *run, const struct mn__size *size, int i,
                 struct mn__block *out);

/* A block of a tensor: pointer and channel stride. */
struct mn__view {
    mn_real *at;
    ptrdiff_t stride;
};
struct mn__view mn__tensor_view(const struct mn__run *run, const struct mn__size *size,
                                size_t offset, const struct mn__block *block);
/* The same of a tensor that paths of a node share, as one path sees it. */
struct mn__view mn__node_view(const struct mn__size *size, const struct mn__path *path,
                              const mn_real *base, const struct mn__block *block);
struct mn__view mn__temp_view(const struct mn__run *run, const struct mn__size *size, int i);
struct mn__view mn__source_view(const struct mn__source *source, const struct mn__block *block);

/* Batch norm of a stage as y * scale[c] + shift[c], times weight. */
void mn__norm_affine(const struct mn__run *run, const struct mn__path *path,
                     const struct mn__stage *stage, double weight, mn_real *scale, mn_real *shift);

/* z = ReLU(batch norm(y)) of the first stage, into temporary 2. */
void mn__stage_hidden(struct mn__run *run, const struct mn__path *path,
                      const struct mn__block *block, const mn_real *scale, const mn_real *shift);

/* Factor of image n on this path under drop path. */
double mn__drop_factor(const struct mn__run *run, const struct mn__path *path, int n);
int mn__path_drops(const struct mn__run *run, const struct mn__path *path);

#endif
