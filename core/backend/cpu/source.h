/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_SOURCE_H
#define NAS_BACKEND_CPU_SOURCE_H

/* Gradients of what paths read: written by whoever comes first, added to by the others. */

#include "backend/cpu/tensor.h"

/* Whether a path can only add to its source's gradient: better after one that can write it. */
int nas_gradient_adds(const struct nas_path *path);
/* Before a path goes backwards: must it add to its source's gradient (1), or write it (0)? */
int nas_gradient_begin(struct nas_run *run, const struct nas_path_use *use);
/* Clear what is not written yet of n channels, which then is. */
void nas_gradient_complete(struct nas_run *run, const struct nas_region *gradient, int first,
                           int n);

#endif
