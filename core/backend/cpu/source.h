/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_SOURCE_H
#define NAS_BACKEND_CPU_SOURCE_H

/* What paths read, and where their gradients go: written by whoever comes first, added to by the
 * others. */

#include "backend/cpu/tensor.h"

struct nas_source {
    mn_real *x, *dx; /* dx NULL for the images, and on the way forward */
    ptrdiff_t channel, image, phase;
};
struct nas_source nas_source_of(const struct nas_run *run, const struct nas_path_use *use);
struct nas_view nas_source_view(const struct nas_source *source, const struct nas_block *block);

/* Whether a path can only add to its source's gradient: better after one that can write it. */
int nas_gradient_adds(const struct nas_path *path);
/* Before a path goes backwards: must it add to its source's gradient (1), or write it (0)? */
int nas_gradient_begin(struct nas_run *run, const struct nas_path_use *use);
/* For the head, which always adds to the gradient of its state. */
void nas_gradient_clear(struct nas_run *run, int tensor, int state);

#endif
