/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_TAPS_H
#define NAS_BACKEND_CPU_TAPS_H

#include "backend/cpu/plan.h"

/* Where a path's maps read and how they go back; `n_packed` counts the reals of the packed weights
 * of its edge. */
int nas_taps_plan(struct nas_cpu_plan *plan, struct nas_cpu_path *path, size_t *n_packed);

/* Fill the masks of grids and the planes of pools, once. */
void nas_planes_fill(struct nas_cpu_plan *plan);
/* Bytes that this fills; 0 once it is done. */
size_t nas_planes_unfilled_bytes(const void *plan);

#endif
