/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_ALLOCATOR_H
#define NAS_BACKEND_CPU_ALLOCATOR_H

/* Parts of a workspace that hold a tensor for a time only. A pass is a sequence of steps
 * (liveness.c); slots that are not held at the same step may lie in the same memory. */

#include <stddef.h>

/* What a pass needs: without gradients nothing is kept for the way back. */
enum nas_plan { NAS_PLAN_FORWARD, NAS_PLAN_FULL, NAS_N_PLANS };

/* From the first step to the last one, both included; to < from: never. */
struct nas_hold {
    int from, to;
};

/* A slot is held once, or once on the way forward and once on the way back, where its tensor is
 * made again. */
enum nas_hold_of { NAS_HOLD_KEPT, NAS_HOLD_AGAIN, NAS_N_HOLDS };

struct nas_slot {
    size_t reals;
    size_t base; /* of the tensor in it */
    struct nas_hold hold[NAS_N_PLANS][NAS_N_HOLDS];
    size_t at[NAS_N_PLANS]; /* in the workspace */
    int layout;             /* of what it holds; NAS_OWN_LAYOUT: like no other slot's */
    int alone[NAS_N_PLANS]; /* its memory is only shared with slots of its layout at its place */
};

enum { NAS_OWN_LAYOUT = -1 };

void nas_slot_init(struct nas_slot *slot, size_t reals, size_t base, int layout);
/* Hold it at this step too, and at all steps between. */
void nas_slot_hold(struct nas_slot *slot, enum nas_plan plan, enum nas_hold_of which, int step);
int nas_slot_held(const struct nas_slot *slot, enum nas_plan plan, int step);
/* Whether there is a step at which both are held. */
int nas_slots_meet(const struct nas_slot *a, const struct nas_slot *b, enum nas_plan plan);

/* Give every held slot its place from real `first` on: the largest first, each as low as those that
 * it meets allow. `order` is [n] for its own use. Returns where the last one ends. */
size_t nas_slots_place(struct nas_slot *slots, int n, enum nas_plan plan, size_t first,
                       struct nas_slot **order);

#endif
