/* SPDX-License-Identifier: MIT */
#include "learn/meta_step.h"

#include "learn/jobs.h"
#include "learn/meta_prune.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- slots -------------------------------------------------------------------------------- */

/* Steps that are kept; of a task learner that does not tell how many it does, the first ones. */
static int64_t room_for_steps(const struct nas_experiment *e) {
    const struct mn_where where = nas_experiment_where(e, MN_TRAIN, 0);
    const int64_t steps = nas_experiment_steps(e, &where);
    return steps > 0 ? steps : 1024;
}

/* The next array of a slot, at a multiple of 64 bytes. */
static void *next(char *slot, size_t *used, size_t bytes) {
    void *array = slot != NULL ? slot + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return array;
}

/* Where everything lies in a slot (NULL = there is none yet). Returns its size. */
static size_t lay_out(const struct nas_experiment *e, char *slot, struct nas_task_slot *out) {
    const struct mn_dims *d = nas_model_dims(e->model);
    const size_t real = sizeof(mn_real);
    size_t used = 0;
    out->outcome = next(slot, &used, sizeof *out->outcome);
    out->steps = next(slot, &used, (size_t)room_for_steps(e) * sizeof *out->steps);
    out->direction.to.w = next(slot, &used, (size_t)d->n_w * real);
    out->direction.to.a = next(slot, &used, (size_t)d->n_a * real);
    out->direction.own = next(slot, &used, (size_t)e->n_own * real);
    out->learner = next(slot, &used, (size_t)e->n_state * real);
    return used;
}

static size_t slot_bytes(const struct nas_job *job) {
    struct nas_task_slot slot;
    return lay_out(job->e, NULL, &slot);
}

static struct nas_task_slot slot_in(const struct nas_job *job, void *bytes) {
    const int64_t room = room_for_steps(job->e);
    struct nas_task_slot out;
    lay_out(job->e, bytes, &out);
    out.n_steps = out.outcome->n_steps < room ? out.outcome->n_steps : room;
    return out;
}

struct nas_task_slot nas_meta_batch_slot(const struct nas_meta_batch *b, int64_t i) {
    return slot_in(&b->job, nas_job_slot(&b->job, i));
}

/* ---- a task ------------------------------------------------------------------------------- */

static int note_step(void *data, struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                     double skip_share, const struct mn_point *now) {
    const struct nas_task_slot *slot = data;
    struct nas_task_outcome *outcome = slot->outcome;
    outcome->last = (struct nas_task_step){loss, accuracy};
    outcome->skip_share = skip_share;
    if (outcome->n_steps < room_for_steps(nas_ctx_of(ctx)->scope->e)) {
        slot->steps[outcome->n_steps] = outcome->last;
    }
    outcome->n_steps++;
    return MN_OK;
}

/* The optimiser state a task starts from: carried from the task before it, or that of the run. */
static void start_moments(const struct nas_job *job, int64_t task, mn_real *out) {
    const int carries = job->e->moments == MN_MOMENTS_CARRY && task > 0;
    nas_moments_start(
        job->e, carries ? slot_in(job, nas_job_slot(job, task - 1)).learner : job->state->learner,
        out);
}

int nas_meta_batch_looks(const struct nas_experiment *e, int64_t meta_epoch) {
    const int64_t done = meta_epoch + 1, every = e->run.log_every;
    return every > 0 && (done % every == 0 || done == e->run.meta_epochs);
}

/* Algorithm 2, lines 5-12. */
static int solve(const struct nas_job *job, struct mn_ctx *ctx, int64_t index,
                 struct nas_task_slot *slot) {
    const struct nas_experiment *e = job->e;
    const int looks = nas_meta_batch_looks(e, ctx->where.meta_epoch);
    const struct nas_watch watch = {
        .on_step = note_step, .data = slot, .metrics = looks ? &slot->outcome->metrics : NULL};
    struct mn_task task;
    struct mn_point params;
    TRY(nas_point_new(e, ctx, &job->state->meta, &params));
    start_moments(job, index, slot->learner);
    TRY(nas_episode_sample(e, ctx, &task, NULL));
    TRY(nas_task_direction(e, ctx, &task, &watch, &job->state->meta, &params, slot->learner,
                           &slot->direction));
    if (looks) {
        /* As meta learners see the query set: normalised by its own statistics. */
        const struct mn_pass pass = {.size = sizeof pass, .progress = 1, .support = &task.support};
        struct mn_outcome out = {.size = sizeof out};
        TRY(mn_model_pass(ctx, e->model, &params, &task.query, &pass, &out));
        slot->outcome->query = (struct nas_task_step){out.loss, (double)out.hits / task.query.n};
    }
    return MN_OK;
}

/* One that is skipped leaves the optimiser state as it found it. */
static int train_task(const struct nas_job *job, struct mn_ctx *ctx, int64_t index, void *bytes) {
    const int skips =
        job->what != NULL ? *(const int *)job->what : job->e->run.on_nan == NAS_ON_NAN_SKIP_TASK;
    memset(bytes, 0, sizeof(struct nas_task_outcome));
    struct nas_task_slot slot = slot_in(job, bytes);
    const int status = solve(job, ctx, index, &slot);
    if (status == MN_OK) {
        return MN_OK;
    }
    nas_ctx_where(ctx, "meta-epoch %" PRId64 ", task %" PRId64 " (seed %" PRIu64 ")",
                  ctx->where.meta_epoch, index, ctx->where.seed);
    if (status != MN_NUMERIC) {
        return status;
    }
    slot.outcome->failed = 1;
    snprintf(slot.outcome->message, sizeof slot.outcome->message, "%s", nas_ctx_message(ctx));
    if (!skips) {
        return status;
    }
    nas_ctx_clear(ctx);
    start_moments(job, index, slot.learner);
    return MN_OK;
}

const struct nas_job_kind nas_train_job = {
    .name = "train", .slot_bytes = slot_bytes, .run = train_task, .parts = nas_state_parts};

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

struct mn_where nas_meta_batch_where(const struct nas_experiment *e,
                                     const struct nas_state *state) {
    struct mn_where where = nas_experiment_where(e, MN_TRAIN, state->meta_epoch);
    where.seed += (uint64_t)state->rollbacks << 53;
    return where;
}

/* ---- the meta-batch ----------------------------------------------------------------------- */

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
    const int looks = nas_meta_batch_looks(b->e, state->meta_epoch);
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
        nas_mean(b->n_used, b->learners, sizeof *b->learners, b->e->n_state, state->learner);
    }
    for (int k = 0; k < 4; k++) {
        state->log[k] += log[k];
    }
    state->meta_epoch++;
    return nas_meta_shrink(b->e, ctx, state);
}
