/* SPDX-License-Identifier: MIT */
#include "learn/replay.h"

#include "learn/meta_prune.h"
#include "store/checkpoint_store.h"
#include "store/provenance.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- where to begin ----------------------------------------------------------------------- */

static int check_range(const struct nas_experiment *e, struct mn_ctx *ctx, const char *dir,
                       int64_t meta_epoch, int64_t task) {
    if (task >= e->run.tasks_per_batch || task < 0) {
        return mn_fail(ctx, MN_CONFIG, "%s: task %" PRId64 "; there are tasks 0 to %" PRId64, dir,
                       task, e->run.tasks_per_batch - 1);
    }
    if (meta_epoch >= e->run.meta_epochs || meta_epoch < 0) {
        return mn_fail(ctx, MN_CONFIG, "%s: meta-epoch %" PRId64 "; there are 0 to %" PRId64, dir,
                       meta_epoch, e->run.meta_epochs - 1);
    }
    return MN_OK;
}

static int check_origin(const struct nas_experiment *e, struct mn_ctx *ctx, const char *path,
                        int accept) {
    struct nas_safetensors file;
    int status = nas_safetensors_read(ctx, path, &file);
    if (status == MN_OK) {
        status = nas_provenance_check(e, ctx, path, &file, accept);
        nas_safetensors_fini(&file);
    }
    return status;
}

/* From the beginning tasks can be drawn again only as they were before any rollback. */
static int begin_new(const struct nas_experiment *e, struct mn_ctx *ctx, const char *dir,
                     int64_t meta_epoch, struct nas_state *out) {
    struct nas_state last = {0};
    int found;
    const int status = nas_state_load_newest(e, ctx, dir, INT64_MAX, 0, &last, &found);
    const int64_t rollbacks = last.rollbacks;
    nas_state_fini(&last);
    if (status != MN_OK) {
        return status;
    }
    if (rollbacks > 0) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: no checkpoint of meta-epoch %" PRId64
                       " or before is left, and the run was rolled back since",
                       dir, meta_epoch);
    }
    return nas_state_new(e, ctx, out);
}

static int begin(const struct nas_experiment *e, struct mn_ctx *ctx, const char *dir,
                 int64_t meta_epoch, int accept, struct nas_state *state, struct nas_replay *out) {
    int found;
    int status = nas_state_load_newest(e, ctx, dir, meta_epoch, 0, state, &found);
    if (status == MN_OK && !found) {
        status = begin_new(e, ctx, dir, meta_epoch, state);
    } else if (status == MN_OK) {
        snprintf(out->source, sizeof out->source, "%s", state->source);
        status = check_origin(e, ctx, state->source, accept);
    }
    out->from = state->meta_epoch;
    return status;
}

/* ---- the way there ------------------------------------------------------------------------ */

/* A validation changes nothing but what is cut after it. */
static int validate(const struct nas_experiment *e, struct mn_ctx *ctx, struct nas_state *state) {
    const int64_t every = e->run.eval_every, now = state->meta_epoch;
    if (now == 0 || every == 0 || now % every != 0 || state->evaluated == now) {
        return MN_OK;
    }
    state->evaluated = now;
    return nas_meta_prune(e, ctx, state);
}

static int run(struct nas_meta_batch *batch, struct mn_ctx *ctx, struct nas_state *state,
               int64_t meta_epoch, int64_t task) {
    for (;;) {
        int status = validate(batch->e, ctx, state);
        if (status != MN_OK) {
            return status;
        }
        if (state->meta_epoch == meta_epoch) {
            return nas_meta_batch_task(batch, ctx, state, task);
        }
        status = nas_meta_batch_run(batch, ctx, state);
        if (status != MN_OK) {
            return status;
        }
    }
}

static int take_steps(struct mn_ctx *ctx, const struct nas_task_slot *slot,
                      struct nas_replay *out) {
    out->steps = malloc(((size_t)slot->n_steps + 1) * sizeof *out->steps);
    if (out->steps == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for %" PRId64 " steps", slot->n_steps);
    }
    for (int64_t i = 0; i < slot->n_steps; i++) {
        out->steps[i] = slot->steps[i];
    }
    out->n_steps = slot->n_steps;
    return MN_OK;
}

int nas_replay(const struct nas_experiment *e, struct mn_ctx *ctx, const char *dir,
               int64_t meta_epoch, int64_t task, int accept, struct nas_replay *out) {
    struct nas_state state = {0};
    struct nas_meta_batch batch = {0};
    memset(out, 0, sizeof *out);
    int status = check_range(e, ctx, dir, meta_epoch, task);
    if (status == MN_OK) {
        status = begin(e, ctx, dir, meta_epoch, accept, &state, out);
    }
    if (status == MN_OK) {
        status = nas_meta_batch_new(e, ctx, &batch);
    }
    if (status == MN_OK) {
        status = run(&batch, ctx, &state, meta_epoch, task);
        out->seed = nas_meta_batch_where(e, &state).seed;
        const struct nas_task_slot slot = nas_meta_batch_slot(&batch, task);
        if (state.meta_epoch == meta_epoch && take_steps(ctx, &slot, out) != MN_OK) {
            status = MN_NOMEM;
        }
    }
    nas_meta_batch_fini(&batch);
    nas_state_fini(&state);
    return status;
}

void nas_replay_fini(struct nas_replay *replay) {
    free(replay->steps);
    memset(replay, 0, sizeof *replay);
}
