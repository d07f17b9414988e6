/* SPDX-License-Identifier: MIT */
#include "learn/meta_step.h"

#include "learn/jobs.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

int nas_meta_batch_new(const struct nas_experiment *e, struct mn_ctx *ctx,
                       struct nas_meta_batch *out) {
    const int64_t tasks = e->run.tasks_per_batch;
    *out = (struct nas_meta_batch){.e = e, .culprit = -1};
    out->job = (struct nas_job){
        .kind = &nas_train_job, .e = e, .n = tasks, .ordered = e->moments == MN_MOMENTS_CARRY};
    out->used = nas_arena_array(&out->arena, (size_t)tasks, sizeof *out->used);
    out->learners = nas_arena_array(&out->arena, (size_t)tasks, sizeof *out->learners);
    if (out->used == NULL || out->learners == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for %" PRId64 " tasks", tasks);
    }
    TRY(nas_job_allocate(&out->job, ctx, &out->arena));
    return nas_jobs_executor(ctx, e, &out->executor);
}

void nas_meta_batch_fini(struct nas_meta_batch *b) {
    nas_executor_free(b->executor);
    nas_arena_fini(&b->arena);
    memset(b, 0, sizeof *b);
}

struct nas_task_slot nas_meta_batch_slot(const struct nas_meta_batch *b, int64_t i) {
    return nas_task_slot(&b->job, i);
}

struct mn_where nas_meta_batch_where(const struct nas_experiment *e,
                                     const struct nas_state *state) {
    struct mn_where where = nas_experiment_where(e, MN_TRAIN, state->meta_epoch);
    where.seed += (uint64_t)state->rollbacks << 53;
    return where;
}

/* ---- tasks -------------------------------------------------------------------------------- */

/* A task that is not begun leaves nothing. */
static void enter(struct nas_meta_batch *b, const struct nas_state *state) {
    b->job.state = state;
    for (int64_t i = 0; i < b->job.n; i++) {
        memset(nas_job_slot(&b->job, i), 0, sizeof(struct nas_task_outcome));
    }
}

int nas_meta_batch_task(struct nas_meta_batch *b, struct mn_ctx *ctx, const struct nas_state *state,
                        int64_t task) {
    const struct mn_where where = nas_meta_batch_where(b->e, state);
    static const int no_skip = 0;
    enter(b, state);
    struct nas_job before = b->job, single = b->job;
    before.n = task;
    single.first = task;
    single.n = task + 1;
    single.ordered = 1;
    single.what = &no_skip;
    if (b->e->moments == MN_MOMENTS_CARRY && task > 0) {
        TRY(nas_executor_run(b->executor, ctx, &where, &before));
    }
    return nas_executor_run(b->executor, ctx, &where, &single);
}

/* ---- what follows from them --------------------------------------------------------------- */

/* Take those that count, and what they say of the meta-epoch. */
static void choose(struct nas_meta_batch *b, double log[4]) {
    double sums[3] = {0, 0, 0};
    b->n_used = 0;
    b->query = (struct nas_task_step){0};
    for (int64_t i = 0; i < b->job.n; i++) {
        const struct nas_task_slot slot = nas_meta_batch_slot(b, i);
        if (slot.outcome->failed) {
            continue;
        }
        b->learners[b->n_used] = slot.learner;
        b->used[b->n_used++] = slot.direction;
        if (slot.outcome->n_steps > 0) {
            sums[0] += slot.outcome->last.loss;
            sums[1] += slot.outcome->last.accuracy;
            sums[2] += slot.outcome->skip_share;
        } else { /* tasks without steps have no last one */
            sums[0] = sums[1] = NAN;
        }
        b->query.loss += slot.outcome->query.loss;
        b->query.accuracy += slot.outcome->query.accuracy;
    }
    b->query.loss /= (double)b->n_used;
    b->query.accuracy /= (double)b->n_used;
    log[0] = 1;
    for (int k = 0; k < 3; k++) {
        log[k + 1] = sums[k] / (double)b->n_used;
    }
}

int nas_meta_batch_run(struct nas_meta_batch *b, struct mn_ctx *ctx, struct nas_state *state) {
    const struct mn_where where = nas_meta_batch_where(b->e, state);
    const int looks = nas_train_job_looks(b->e, state->meta_epoch);
    double log[4];
    b->culprit = -1;
    enter(b, state);
    const int status = nas_executor_run(b->executor, ctx, &where, &b->job);
    for (int64_t i = b->job.n - 1; status == MN_NUMERIC && i >= 0; i--) {
        b->culprit = nas_meta_batch_slot(b, i).outcome->failed ? i : b->culprit;
    }
    TRY(status);
    choose(b, log);
    if (b->n_used == 0) {
        b->culprit = 0;
        return mn_fail(ctx, MN_NUMERIC, "%.*s; and so is every task of the meta-batch",
                       NAS_MESSAGE - 1, nas_meta_batch_slot(b, 0).outcome->message);
    }
    ctx->where = where;
    if (nas_meta_update(b->e, ctx, &state->meta, b->n_used, b->used, looks ? &b->report : NULL) !=
        MN_OK) {
        return nas_ctx_where(ctx, "meta-epoch %" PRId64, state->meta_epoch);
    }
    for (int64_t i = 0; looks && i < b->job.n; i++) {
        const struct nas_task_outcome *outcome = nas_meta_batch_slot(b, i).outcome;
        if (!outcome->failed) {
            nas_metrics_add(&b->report.metrics, &outcome->metrics, 1 / (double)b->n_used);
        }
    }
    /* the optimiser state after the meta-batch */
    if (b->e->moments == MN_MOMENTS_CARRY) {
        mn_vec_copy(b->e->n_state, nas_meta_batch_slot(b, b->job.n - 1).learner, state->learner);
    } else if (b->e->moments == MN_MOMENTS_AVERAGE) {
        nas_mean(b->n_used, b->learners, b->e->n_state, state->learner);
    }
    for (int k = 0; k < 4; k++) {
        state->log[k] += log[k];
    }
    state->meta_epoch++;
    return MN_OK;
}
