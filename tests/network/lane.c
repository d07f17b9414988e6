/* SPDX-License-Identifier: MIT */
#include "lane.h"

#include "backend/cpu/pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void spoil(struct nas_lane *lane, size_t first, size_t n) {
    for (size_t i = first; i < first + n; i++) {
        lane->reals[i] = (mn_real)NAN;
    }
}

void lane_spoil(struct nas_workspace *ws) {
    struct nas_lane *lane = ws->lane;
    if (ws->model->backend != &nas_backend_cpu) {
        return; /* nothing is shared there */
    }
    spoil(lane, lane->plan->n_fixed, lane->plan->n_reals - lane->plan->n_fixed);
    lane->extent = -1;
}

/* ---- operation by operation --------------------------------------------------------------- */

enum { MOST_OPS = 4096 };
static void (*originals[MOST_OPS])(struct nas_run *run, const struct nas_cpu_op *op);

/* Whether a tensor that lives at an operation has a part in the memory of this one. */
static int in_use(const struct nas_schedule *s, const struct nas_tensor *t, enum nas_extent extent,
                  int op) {
    for (int i = 0; i < s->n_tensors; i++) {
        const struct nas_tensor *other = &s->tensors[i];
        if (nas_tensor_lives(other, extent, op) && other->at[extent] < t->at[extent] + t->reals &&
            t->at[extent] < other->at[extent] + other->reals) {
            return 1;
        }
    }
    return 0;
}

static void guarded(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_schedule *s = &run->plan->schedule;
    const int at = (int)(op - s->ops);
    originals[at](run, op);
    for (int i = 0; i < s->n_tensors; i++) {
        const struct nas_tensor *t = &s->tensors[i];
        if (nas_tensor_lives(t, run->extent, at) && !nas_tensor_lives(t, run->extent, at + 1) &&
            !in_use(s, t, run->extent, at + 1)) {
            spoil(run->lane, t->at[run->extent], t->reals);
        }
    }
    /* No padding is zero still that was so in the pass before. */
    memset(run->lane->clean, 0, (size_t)s->n_tensors * sizeof *run->lane->clean);
}

void lane_guard(const struct mn_model *model) {
    struct nas_schedule *s = &((struct nas_cpu_plan *)model->plan)->schedule;
    for (int i = 0; i < s->n_ops; i++) {
        originals[i] = s->ops[i].run;
        s->ops[i].run = guarded;
    }
}

/* ---- pages -------------------------------------------------------------------------------- */

int64_t lane_touched_bytes(const struct nas_workspace *ws) {
    const struct nas_lane *lane = ws->lane;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (lane->mapped + page - 1) / page;
    unsigned char *in = malloc(n);
    int64_t bytes = -1;
    if (in != NULL && mincore(lane->reals, lane->mapped, in) == 0) {
        bytes = 0;
        for (size_t i = 0; i < n; i++) {
            bytes += in[i] & 1 ? (int64_t)page : 0;
        }
    }
    free(in);
    return bytes;
}
