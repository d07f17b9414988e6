/* SPDX-License-Identifier: MIT */
#include "backend/cpu/allocator.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

void nas_slot_init(struct nas_slot *slot, size_t reals, size_t base, int layout) {
    *slot = (struct nas_slot){.reals = reals, .base = base, .layout = layout};
    for (int i = 0; i < NAS_N_PLANS * NAS_N_HOLDS; i++) {
        slot->hold[i / NAS_N_HOLDS][i % NAS_N_HOLDS] = (struct nas_hold){INT_MAX, -1};
    }
}

void nas_slot_hold(struct nas_slot *slot, enum nas_plan plan, enum nas_hold_of which, int step) {
    struct nas_hold *hold = &slot->hold[plan][which];
    hold->from = step < hold->from ? step : hold->from;
    hold->to = step > hold->to ? step : hold->to;
}

int nas_slot_held(const struct nas_slot *slot, enum nas_plan plan, int step) {
    for (int i = 0; i < NAS_N_HOLDS; i++) {
        const struct nas_hold *hold = &slot->hold[plan][i];
        if (hold->from <= step && step <= hold->to) {
            return 1;
        }
    }
    return 0;
}

int nas_slots_meet(const struct nas_slot *a, const struct nas_slot *b, enum nas_plan plan) {
    for (int i = 0; i < NAS_N_HOLDS * NAS_N_HOLDS; i++) {
        const struct nas_hold *x = &a->hold[plan][i / NAS_N_HOLDS];
        const struct nas_hold *y = &b->hold[plan][i % NAS_N_HOLDS];
        if (x->from <= y->to && y->from <= x->to) {
            return 1;
        }
    }
    return 0;
}

static int larger_first(const void *a, const void *b) {
    const struct nas_slot *x = *(struct nas_slot *const *)a, *y = *(struct nas_slot *const *)b;
    if (x->reals != y->reals) {
        return x->reals > y->reals ? -1 : 1;
    }
    return (x > y) - (x < y); /* as they were added: qsort alone may change the order */
}

static int never_held(const struct nas_slot *slot, enum nas_plan plan) {
    return slot->hold[plan][NAS_HOLD_KEPT].to < 0 && slot->hold[plan][NAS_HOLD_AGAIN].to < 0;
}

/* Place one more slot beside `n` placed ones, which are sorted by place, and sort it in. */
static void place(struct nas_slot **placed, int n, struct nas_slot *slot, enum nas_plan plan,
                  size_t first) {
    size_t at = first;
    for (int i = 0; i < n && placed[i]->at[plan] < at + slot->reals; i++) {
        const size_t end = placed[i]->at[plan] + placed[i]->reals;
        if (end > at && nas_slots_meet(placed[i], slot, plan)) {
            at = end;
        }
    }
    slot->at[plan] = at;
    int to = n;
    for (; to > 0 && placed[to - 1]->at[plan] > at; to--) {
        placed[to] = placed[to - 1];
    }
    placed[to] = slot;
}

static int same_layout(const struct nas_slot *a, const struct nas_slot *b, enum nas_plan plan) {
    return a->layout != NAS_OWN_LAYOUT && a->layout == b->layout && a->at[plan] == b->at[plan];
}

/* They are sorted by place. */
static void find_alone(struct nas_slot **placed, int n, enum nas_plan plan) {
    for (int i = 0; i < n; i++) {
        placed[i]->alone[plan] = 1;
    }
    for (int i = 0; i < n; i++) {
        const size_t end = placed[i]->at[plan] + placed[i]->reals;
        for (int j = i + 1; j < n && placed[j]->at[plan] < end; j++) {
            if (!same_layout(placed[i], placed[j], plan)) {
                placed[i]->alone[plan] = placed[j]->alone[plan] = 0;
            }
        }
    }
}

size_t nas_slots_place(struct nas_slot *slots, int n, enum nas_plan plan, size_t first,
                       struct nas_slot **order) {
    size_t end = first;
    int n_placed = 0;
    for (int i = 0; i < n; i++) {
        order[i] = &slots[i];
    }
    qsort(order, (size_t)n, sizeof(struct nas_slot *), larger_first);
    for (int i = 0; i < n; i++) {
        struct nas_slot *slot = order[i];
        slot->at[plan] = first;
        if (never_held(slot, plan)) {
            continue;
        }
        /* The placed ones take the places of those that are done. */
        place(order, n_placed++, slot, plan, first);
        const size_t last = slot->at[plan] + slot->reals;
        end = last > end ? last : end;
    }
    find_alone(order, n_placed, plan);
    return end;
}
