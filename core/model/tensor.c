/* SPDX-License-Identifier: MIT */
/* Tensors in the slots of a workspace. */
#include "model/graph.h"

#include <math.h>
#include <string.h>

mn_real *mn__slot(const struct mn__run *run, int slot) {
    if (slot == MN__NOWHERE) {
        return NULL;
    }
    const struct mn__slot *s = &run->model->slots[slot];
    return run->ws->reals + s->at[run->plan] + s->base;
}

void mn__edges_clear(const struct mn__run *run, const struct mn__grid *g, int channels,
                     mn_real *x) {
    const size_t guard = (size_t)g->guard, rows = (size_t)(g->image - g->span);
    for (int c = 0; c < channels; c++) {
        mn_real *channel = x + c * g->channel;
        memset(channel - guard, 0, guard * sizeof *x);
        for (int n = 0; n < run->n; n++) {
            memset(channel + n * g->image + g->span, 0, rows * sizeof *x);
        }
        memset(channel + run->n * g->image, 0, (guard + MN__LANES) * sizeof *x);
    }
}

void mn__slot_begin(const struct mn__run *run, int slot, const struct mn__grid *g, int channels) {
    struct mn__workspace *ws = run->ws;
    if (slot == MN__NOWHERE || ws->clean[slot] >= run->n) {
        return;
    }
    mn__edges_clear(run, g, channels, mn__slot(run, slot));
    if (run->model->slots[slot].alone[run->plan] && !run->poison) {
        ws->clean[slot] = run->n;
    }
}

void mn__tensor_clear(const struct mn__run *run, const struct mn__grid *g, int channels,
                      mn_real *x) {
    const ptrdiff_t guard = g->guard, reals = guard + run->n * g->image + guard + MN__LANES;
    for (int c = 0; c < channels; c++) {
        memset(x + c * g->channel - guard, 0, (size_t)reals * sizeof *x);
    }
}

/* ---- checking the plan --------------------------------------------------------------------- */

static void fill(const struct mn__run *run, size_t first, size_t n) {
    for (size_t i = first; i < first + n; i++) {
        run->ws->reals[i] = (mn_real)NAN;
    }
}

static int ended(const struct mn__slot *slot, enum mn__plan plan, int first, int last) {
    for (int i = 0; i < MN__N_HOLDS; i++) {
        if (first <= slot->hold[plan][i].to && slot->hold[plan][i].to <= last) {
            return !mn__slot_held(slot, plan, last + 1);
        }
    }
    return 0;
}

/* Whether a slot that is still held has a part in the memory of this one. */
static int in_use(const struct mn__run *run, const struct mn__slot *slot, int step) {
    const enum mn__plan plan = run->plan;
    for (int i = 0; i < run->model->n_slots; i++) {
        const struct mn__slot *other = &run->model->slots[i];
        if (mn__slot_held(other, plan, step) && other->at[plan] < slot->at[plan] + slot->reals &&
            slot->at[plan] < other->at[plan] + other->reals) {
            return 1;
        }
    }
    return 0;
}

void mn__slots_poison(const struct mn__run *run, int first, int last) {
    const struct mn_model *m = run->model;
    if (!run->poison) {
        return;
    }
    if (first < 0) {
        fill(run, m->n_fixed, m->n_reals - m->n_fixed);
        return;
    }
    for (int i = 0; i < m->n_slots; i++) {
        const struct mn__slot *slot = &m->slots[i];
        if (ended(slot, run->plan, first, last) && !in_use(run, slot, last + 1)) {
            fill(run, slot->at[run->plan], slot->reals);
        }
    }
}
