/* SPDX-License-Identifier: MIT */
/* Tensors in the slots of a workspace. */
#include "network/graph.h"

#include <math.h>
#include <string.h>

mn_real *nas_slot(const struct nas_run *run, int slot) {
    if (slot == NAS_NOWHERE) {
        return NULL;
    }
    const struct nas_slot *s = &run->model->slots[slot];
    return run->ws->reals + s->at[run->plan] + s->base;
}

void nas_edges_clear(const struct nas_run *run, const struct nas_grid *g, int channels,
                     mn_real *x) {
    const size_t guard = (size_t)g->guard, rows = (size_t)(g->image - g->span);
    for (int c = 0; c < channels; c++) {
        mn_real *channel = x + c * g->channel;
        memset(channel - guard, 0, guard * sizeof *x);
        for (int n = 0; n < run->n; n++) {
            memset(channel + n * g->image + g->span, 0, rows * sizeof *x);
        }
        memset(channel + run->n * g->image, 0, (guard + NAS_LANES) * sizeof *x);
    }
}

void nas_slot_begin(const struct nas_run *run, int slot, const struct nas_grid *g, int channels) {
    struct nas_workspace *ws = run->ws;
    if (slot == NAS_NOWHERE || ws->clean[slot] >= run->n) {
        return;
    }
    nas_edges_clear(run, g, channels, nas_slot(run, slot));
    if (run->model->slots[slot].alone[run->plan] && !run->poison) {
        ws->clean[slot] = run->n;
    }
}

void nas_tensor_clear(const struct nas_run *run, const struct nas_grid *g, int channels,
                      mn_real *x) {
    const ptrdiff_t guard = g->guard, reals = guard + run->n * g->image + guard + NAS_LANES;
    for (int c = 0; c < channels; c++) {
        memset(x + c * g->channel - guard, 0, (size_t)reals * sizeof *x);
    }
}

/* ---- checking the plan --------------------------------------------------------------------- */

static void fill(const struct nas_run *run, size_t first, size_t n) {
    for (size_t i = first; i < first + n; i++) {
        run->ws->reals[i] = (mn_real)NAN;
    }
}

static int ended(const struct nas_slot *slot, enum nas_plan plan, int first, int last) {
    for (int i = 0; i < NAS_N_HOLDS; i++) {
        if (first <= slot->hold[plan][i].to && slot->hold[plan][i].to <= last) {
            return !nas_slot_held(slot, plan, last + 1);
        }
    }
    return 0;
}

/* Whether a slot that is still held has a part in the memory of this one. */
static int in_use(const struct nas_run *run, const struct nas_slot *slot, int step) {
    const enum nas_plan plan = run->plan;
    for (int i = 0; i < run->model->n_slots; i++) {
        const struct nas_slot *other = &run->model->slots[i];
        if (nas_slot_held(other, plan, step) && other->at[plan] < slot->at[plan] + slot->reals &&
            slot->at[plan] < other->at[plan] + other->reals) {
            return 1;
        }
    }
    return 0;
}

void nas_slots_poison(const struct nas_run *run, int first, int last) {
    const struct mn_model *m = run->model;
    if (!run->poison) {
        return;
    }
    if (first < 0) {
        fill(run, m->n_fixed, m->n_reals - m->n_fixed);
        return;
    }
    for (int i = 0; i < m->n_slots; i++) {
        const struct nas_slot *slot = &m->slots[i];
        if (ended(slot, run->plan, first, last) && !in_use(run, slot, last + 1)) {
            fill(run, slot->at[run->plan], slot->reals);
        }
    }
}
