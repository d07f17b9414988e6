/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_TENSOR_H
#define NAS_BACKEND_CPU_TENSOR_H

/* Tensors of a pass in the memory of a lane, and parts of them. */

#include "backend/cpu/plan.h"

/* NULL for NAS_NO_TENSOR. */
mn_real *nas_tensor_at(const struct nas_run *run, int tensor);

/* Make zero what kernels leave out of a tensor that is about to be written, but taps may read: the
 * rows after each image and the guards. */
void nas_edges_clear(const struct nas_run *run, const struct nas_grid *grid, int channels,
                     mn_real *x);
/* The same for a whole tensor, where it is not zero still since the pass before. */
void nas_tensor_begin(const struct nas_run *run, int tensor, const struct nas_grid *grid,
                      int channels);
/* Make all of it zero. */
void nas_tensor_clear(const struct nas_run *run, const struct nas_grid *grid, int channels,
                      mn_real *x);

/* What a state covers of one of its tensors: a range of channels, or all channels of each of its
 * four phases. */
struct nas_region {
    mn_real *at; /* NULL for NAS_NO_TENSOR; then the rest means nothing */
    const struct nas_grid *grid;
    int channels, n_phases;
    ptrdiff_t phase;  /* between phases */
    uint8_t *written; /* of a gradient: which channels hold something; phases have one flag */
};
struct nas_region nas_region_of(const struct nas_run *run, int tensor, int state);

/* ---- blocks ------------------------------------------------------------------------------- */

/* A run of whole images that is worked on at once. */
struct nas_block {
    int n0, n;
    ptrdiff_t len;
};
/* Block i of the pass's images; 0 = there is none. */
int nas_block_at(const struct nas_run *run, const struct nas_cpu_size *size, int i,
                 struct nas_block *out);
/* All images at once: whole channels are read and written, so that the processor fetches ahead. */
struct nas_block nas_block_all(const struct nas_run *run, const struct nas_grid *grid);

/* A block of a tensor: pointer and channel stride. */
struct nas_view {
    mn_real *at;
    ptrdiff_t stride;
};
struct nas_view nas_tensor_view(const struct nas_run *run, const struct nas_cpu_size *size,
                                int tensor, const struct nas_block *block);
struct nas_view nas_region_view(const struct nas_region *region, const struct nas_block *block);
/* Temporaries hold one block. */
struct nas_view nas_temp_view(const struct nas_run *run, const struct nas_cpu_size *size,
                              enum nas_temp temp);

#endif
