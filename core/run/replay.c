/* SPDX-License-Identifier: MIT */
#include "run/replay.h"

#include "run/kept.h"
#include "run/meta_prune.h"
#include "run/origin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- where to begin ----------------------------------------------------------------------- */

static int check_range(const struct mn__experiment *e, struct mn_cx *cx, const char *dir,
                       int64_t meta_epoch, int64_t task) {
    if (task >= e->run.tasks_per_batch || task < 0) {
        return mn_fail(cx, MN_CONFIG, "%s: task %" PRId64 "; there are tasks 0 to %" PRId64, dir,
                       task, e->run.tasks_per_batch - 1);
    }
    if (meta_epoch >= e->run.meta_epochs || meta_epoch < 0) {
        return mn_fail(cx, MN_CONFIG, "%s: meta-epoch %" PRId64 "; there are 0 to %" PRId64, dir,
                       meta_epoch, e->run.meta_epochs - 1);
    }
    return MN_OK;
}

static int check_origin(const struct mn__experiment *e, struct mn_cx *cx, const char *path,
                        int accept) {
    struct mn__tensors file;
    int status = mn__tensors_read(cx, path, &file);
    if (status == MN_OK) {
        status = mn__origin_check(e, cx, path, &file, accept);
        mn__tensors_fini(&file);
    }
    return status;
}

/* From the beginning tasks can be drawn again only as they were before any rollback. */
static int begin_new(const struct mn__experiment *e, struct mn_cx *cx, const char *dir,
                     int64_t meta_epoch, struct mn__state *out) {
    struct mn__state last = {0};
    int found;
    const int status = mn__kept_load(e, cx, dir, INT64_MAX, 0, &last, &found);
    const int64_t rollbacks = last.rollbacks;
    mn__state_fini(&last);
    if (status != MN_OK) {
        return status;
    }
    if (rollbacks > 0) {
        return mn_fail(cx, MN_CONFIG,
                       "%s: no checkpoint of meta-epoch %" PRId64
                       " or before is left, and the run was rolled back since",
                       dir, meta_epoch);
    }
    return mn__state_new(e, cx, out);
}

static int begin(const struct mn__experiment *e, struct mn_cx *cx, const char *dir,
                 int64_t meta_epoch, int accept, struct mn__state *state, struct mn__replay *out) {
    int found;
    int status = mn__kept_load(e, cx, dir, meta_epoch, 0, state, &found);
    if (status == MN_OK && !found) {
        status = begin_new(e, cx, dir, meta_epoch, state);
    } else if (status == MN_OK) {
        snprintf(out->source, sizeof out->source, "%s", state->source);
        status = check_origin(e, cx, state->source, accept);
    }
    out->from = state->meta_epoch;
    return status;
}

/* ---- the way there ------------------------------------------------------------------------ */

/* A validation changes nothing but what is cut after it. */
static int validate(const struct mn__experiment *e, struct mn_cx *cx, struct mn__state *state) {
    const int64_t every = e->run.eval_every, now = state->meta_epoch;
    if (now == 0 || every == 0 || now % every != 0 || state->evaluated == now) {
        return MN_OK;
    }
    state->evaluated = now;
    return mn__meta_prune(e, cx, state);
}

static int run(struct mn__meta_batch *batch, struct mn_cx *cx, struct mn__state *state,
               int64_t meta_epoch, int64_t task) {
    for (;;) {
        int status = validate(batch->e, cx, state);
        if (status != MN_OK) {
            return status;
        }
        if (state->meta_epoch == meta_epoch) {
            return mn__meta_batch_task(batch, cx, state, task);
        }
        status = mn__meta_batch_run(batch, cx, state);
        if (status != MN_OK) {
            return status;
        }
    }
}

static int take_steps(struct mn_cx *cx, const struct mn__task_slot *slot, struct mn__replay *out) {
    out->steps = malloc(((size_t)slot->n_steps + 1) * sizeof *out->steps);
    if (out->steps == NULL) {
        return mn_fail(cx, MN_NOMEM, "no memory for %" PRId64 " steps", slot->n_steps);
    }
    for (int64_t i = 0; i < slot->n_steps; i++) {
        out->steps[i] = slot->steps[i];
    }
    out->n_steps = slot->n_steps;
    return MN_OK;
}

int mn__replay(const struct mn__experiment *e, struct mn_cx *cx, const char *dir,
               int64_t meta_epoch, int64_t task, int accept, struct mn__replay *out) {
    struct mn__state state = {0};
    struct mn__meta_batch batch = {0};
    memset(out, 0, sizeof *out);
    int status = check_range(e, cx, dir, meta_epoch, task);
    if (status == MN_OK) {
        status = begin(e, cx, dir, meta_epoch, accept, &state, out);
    }
    if (status == MN_OK) {
        status = mn__meta_batch_new(e, cx, &batch);
    }
    if (status == MN_OK) {
        status = run(&batch, cx, &state, meta_epoch, task);
        out->seed = mn__meta_batch_where(e, &state).seed;
        const struct mn__task_slot slot = mn__meta_batch_slot(&batch, task);
        if (state.meta_epoch == meta_epoch && take_steps(cx, &slot, out) != MN_OK) {
            status = MN_NOMEM;
        }
    }
    mn__meta_batch_fini(&batch);
    mn__state_fini(&state);
    return status;
}

void mn__replay_fini(struct mn__replay *replay) {
    free(replay->steps);
    memset(replay, 0, sizeof *replay);
}
