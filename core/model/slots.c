/* SPDX-License-Identifier: MIT */
#include "model/slots.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

void mn__slot_init(struct mn__slot *slot, size_t reals, size_t base, int layout) {
    *slot = (struct mn__slot){.reals = reals, .base = base, .layout = layout};
    for (int i = 0; i < MN__N_PLANS * MN__N_HOLDS; i++) {
        slot->hold[i / MN__N_HOLDS][i % MN__N_HOLDS] = (struct mn__hold){INT_MAX, -1};
    }
}

void mn__slot_hold(struct mn__slot *slot, enum mn__plan plan, enum mn__hold_of which, int step) {
    struct mn__hold *hold = &slot->hold[plan][which];
    hold->from = step < hold->from ? step : hold->from;
    hold->to = step > hold->to ? step : hold->to;
}

int mn__slot_held(const struct mn__slot *slot, enum mn__plan plan, int step) {
    for (int i = 0; i < MN__N_HOLDS; i++) {
        const struct mn__hold *hold = &slot->hold[plan][i];
        if (hold->from <= step && step <= hold->to) {
            return 1;
        }
    }
    return 0;
}

int mn__slots_meet(const struct mn__slot *a, const struct mn__slot *b, enum mn__plan plan) {
    for (int i = 0; i < MN__N_HOLDS * MN__N_HOLDS; i++) {
        const struct mn__hold *x = &a->hold[plan][i / MN__N_HOLDS];
        const struct mn__hold *y = &b->hold[plan][i % MN__N_HOLDS];
        if (x->from <= y->to && y->from <= x->to) {
            return 1;
        }
    }
    return 0;
}

static int larger_first(const void *a, const void *b) {
    const struct mn__slot *x = *(struct mn__slot *const *)a, *y = *(struct mn__slot *const *)b;
    if (x->reals != y->reals) {
        return x->reals > y->reals ? -1 : 1;
    }
    return (x > y) - (x < y); /* as they were added: qsort alone may change the order */
}

static int never_held(const struct mn__slot *slot, enum mn__plan plan) {
    return slot->hold[plan][MN__HOLD_KEPT].to < 0 && slot->hold[plan][MN__HOLD_AGAIN].to < 0;
}

/* Place one more slot beside `n` placed ones, which are sorted by place, and sort it in. */
static void place(struct mn__slot **placed, int n, struct mn__slot *slot, enum mn__plan plan,
                  size_t first) {
    size_t at = first;
    for (int i = 0; i < n && placed[i]->at[plan] < at + slot->reals; i++) {
        const size_t end = placed[i]->at[plan] + placed[i]->reals;
        if (end > at && mn__slots_meet(placed[i], slot, plan)) {
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

static int same_layout(const struct mn__slot *a, const struct mn__slot *b, enum mn__plan plan) {
    return a->layout != MN__OWN_LAYOUT && a->layout == b->layout && a->at[plan] == b->at[plan];
}

/* They are sorted by place. */
static void find_alone(struct mn__slot **placed, int n, enum mn__plan plan) {
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

size_t mn__slots_place(struct mn__slot *slots, int n, enum mn__plan plan, size_t first,
                       struct mn__slot **order) {
    size_t end = first;
    int n_placed = 0;
    for (int i = 0; i < n; i++) {
        order[i] = &slots[i];
    }
    qsort(order, (size_t)n, sizeof(struct mn__slot *), larger_first);
    for (int i = 0; i < n; i++) {
        struct mn__slot *slot = order[i];
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
