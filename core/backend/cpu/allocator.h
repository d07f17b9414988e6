/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_ALLOCATOR_H
#define NAS_BACKEND_CPU_ALLOCATOR_H

/* Tensors that are not live at the same operation may lie in the same memory. */

#include "backend/cpu/schedule.h"

/* Which part of a schedule is executed: a pass without gradients keeps nothing for the way back. */
enum nas_extent { NAS_FORWARD, NAS_FULL, NAS_EXTENTS };

/* Operations from the first to the last one, both included; to < from: none. */
struct nas_range {
    int from, to;
};

/* A tensor is live once, or once on the way forward and once on the way back, where it is made
 * again. */
enum { NAS_RANGES = 2 };

struct nas_tensor {
    size_t reals;
    size_t base; /* of channel 0, image 0, pixel 0 */
    int size;    /* grid that it lies on; -1: a layout like no other's */
    int phased;  /* the four phases of a state */
    int flag0;   /* a gradient's first flag: which channels are written */
    struct nas_range live[NAS_EXTENTS][NAS_RANGES];
    size_t at[NAS_EXTENTS]; /* in the lane */
    int alone[NAS_EXTENTS]; /* its memory is only shared with tensors of its layout at its place */
};

int nas_tensor_lives(const struct nas_tensor *tensor, enum nas_extent extent, int op);

/* Derive from the schedule's uses when each tensor is live, and give every one its place from real
 * `first` on: the largest first, each as low as those that it meets allow. For the first `extents`
 * of enum nas_extent. Returns where the last one ends; 0 = no memory. */
size_t nas_allocate(struct nas_schedule *schedule, int extents, size_t first);

#endif
