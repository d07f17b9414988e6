/* SPDX-License-Identifier: MIT */
#ifndef MN__MODEL_SLOTS_H
#define MN__MODEL_SLOTS_H

/* Parts of a workspace that hold a tensor for a time only. A pass is a sequence of steps (holds.c);
 * slots that are not held at the same step may lie in the same memory. */

#include <stddef.h>

/* What a pass needs: without gradients nothing is kept for the way back. */
enum mn__plan { MN__PLAN_FORWARD, MN__PLAN_FULL, MN__N_PLANS };

/* From the first step to the last one, both included; to < from: never. */
struct mn__hold {
    int from, to;
};

/* A slot is held once, or once on the way forward and once on the way back, where its tensor is
 * made again. */
enum mn__hold_of { MN__HOLD_KEPT, MN__HOLD_AGAIN, MN__N_HOLDS };

struct mn__slot {
    size_t reals;
    size_t base; /* of the tensor in it */
    struct mn__hold hold[MN__N_PLANS][MN__N_HOLDS];
    size_t at[MN__N_PLANS]; /* in the workspace */
    int layout;             /* of what it holds; MN__OWN_LAYOUT: like no other slot's */
    int alone[MN__N_PLANS]; /* its memory is only shared with slots of its layout at its place */
};

enum { MN__OWN_LAYOUT = -1 };

void mn__slot_init(struct mn__slot *slot, size_t reals, size_t base, int layout);
/* Hold it at this step too, and at all steps between. */
void mn__slot_hold(struct mn__slot *slot, enum mn__plan plan, enum mn__hold_of which, int step);
int mn__slot_held(const struct mn__slot *slot, enum mn__plan plan, int step);
/* Whether there is a step at which both are held. */
int mn__slots_meet(const struct mn__slot *a, const struct mn__slot *b, enum mn__plan plan);

/* Give every held slot its place from real `first` on: the largest first, each as low as those that
 * it meets allow. `order` is [n] for its own use. Returns where the last one ends. */
size_t mn__slots_place(struct mn__slot *slots, int n, enum mn__plan plan, size_t first,
                       struct mn__slot **order);

#endif
