/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_MAPS_H
#define NAS_BACKEND_CPU_MAPS_H

/* The linear maps of a stage on one block of images. */

#include "backend/cpu/tensor.h"

/* Pack a stage's weights for the way forward, and for the way back. */
void nas_maps_pack(struct nas_run *run, const struct nas_cpu_path *path, int stage);
void nas_maps_pack_back(struct nas_run *run, const struct nas_cpu_path *path, int stage);

/* Source x to the stored y, and to u where it is stored. */
void nas_maps_forward(struct nas_run *run, const struct nas_path_use *use, int stage,
                      const struct nas_block *block, struct nas_view x);

/* What reaches a linear map backwards, and where it goes. */
struct nas_flow {
    struct nas_view g;      /* gradient of the output; its padding is zero */
    struct nas_view x;      /* the input */
    struct nas_view dx;     /* gradient of the input, at NULL: not wanted */
    ptrdiff_t phase;        /* between the phases of dx */
    int accumulate;         /* add to dx */
    const mn_real *dx_mask; /* NULL: the padding of dx may be written */
};
/* Add to d_w, and to or into dx. */
void nas_maps_backward(struct nas_run *run, const struct nas_path_use *use, int stage,
                       const struct nas_block *block, const struct nas_flow *flow);

/* custom_op.c: an operation of a plugin. A failure goes to run->status, and the rest of the pass
 * computes nothing that counts. */
void nas_custom_op_forward(struct nas_run *run, const struct nas_path_use *use,
                           const struct nas_block *block, struct nas_view x, struct nas_view y);
void nas_custom_op_backward(struct nas_run *run, const struct nas_path_use *use,
                            const struct nas_block *block, const struct nas_flow *flow);

#endif
