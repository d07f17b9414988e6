/* SPDX-License-Identifier: MIT */
#include "learn/train_job.h"

#include "learn/task.h"

#include <inttypes.h>
#include <string.h>

/* ---- slots -------------------------------------------------------------------------------- */

/* Steps kept of a task whose learner does not tell how many it does. */
enum { MOST_STEPS = 1024 };

static int64_t room_for_steps(const struct nas_experiment *e) {
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    const struct mn_where where = {
        .size = sizeof where, .split = MN_TRAIN, .meta_epochs = e->run.meta_epochs};
    const int64_t steps =
        table->steps != NULL ? table->steps(e->task_learner.self, &where) : MOST_STEPS;
    return steps > 0 ? steps : MOST_STEPS;
}

static size_t padded(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

static size_t reals_bytes(int64_t n) {
    return padded((size_t)n * sizeof(mn_real));
}

static size_t steps_bytes(const struct nas_experiment *e) {
    return padded((size_t)room_for_steps(e) * sizeof(struct nas_task_step));
}

static size_t slot_bytes(const struct nas_job *job) {
    const struct mn_dims *d = nas_model_dims(job->e->model);
    return padded(sizeof(struct nas_task_outcome)) + steps_bytes(job->e) + reals_bytes(d->n_w) +
           reals_bytes(d->n_a) + reals_bytes(job->e->n_own) + reals_bytes(job->e->n_state);
}

static void *next(char **at, size_t bytes) {
    void *array = *at;
    *at += bytes;
    return array;
}

static struct nas_task_slot slot_in(const struct nas_job *job, void *bytes) {
    const struct mn_dims *d = nas_model_dims(job->e->model);
    const int64_t room = room_for_steps(job->e);
    char *at = bytes;
    struct nas_task_slot out = {.outcome = next(&at, padded(sizeof *out.outcome))};
    out.n_steps = out.outcome->n_steps < room ? out.outcome->n_steps : room;
    out.steps = next(&at, steps_bytes(job->e));
    out.direction.to.w = next(&at, reals_bytes(d->n_w));
    out.direction.to.a = next(&at, reals_bytes(d->n_a));
    out.direction.own = next(&at, reals_bytes(job->e->n_own));
    out.learner = next(&at, reals_bytes(job->e->n_state));
    return out;
}

struct nas_task_slot nas_task_slot(const struct nas_job *job, int64_t i) {
    return slot_in(job, nas_job_slot(job, i));
}

/* ---- a task ------------------------------------------------------------------------------- */

struct watched {
    struct nas_task_slot slot;
    int64_t room;
};

static int note_step(void *data, struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                     double skip_share, const struct mn_point *now) {
    const struct watched *watched = data;
    struct nas_task_outcome *outcome = watched->slot.outcome;
    outcome->last = (struct nas_task_step){loss, accuracy};
    outcome->skip_share = skip_share;
    if (outcome->n_steps < watched->room) {
        watched->slot.steps[outcome->n_steps] = outcome->last;
    }
    outcome->n_steps++;
    return MN_OK;
}

/* The optimiser state a task starts from. */
static void start_moments(const struct nas_job *job, int64_t task, mn_real *out) {
    const int64_t n = job->e->n_state;
    if (job->e->moments == MN_MOMENTS_RESET) {
        mn_vec_fill(n, 0, out);
    } else if (job->e->moments == MN_MOMENTS_CARRY && task > 0) {
        mn_vec_copy(n, nas_task_slot(job, task - 1).learner, out);
    } else {
        mn_vec_copy(n, job->state->learner, out);
    }
}

static int solve(const struct nas_job *job, struct mn_ctx *ctx, int64_t index,
                 struct nas_task_slot *slot) {
    const struct nas_experiment *e = job->e;
    const struct mn_dims *d = nas_model_dims(e->model);
    struct mn_task task;
    struct mn_point params = {mn_scratch(ctx, (size_t)d->n_w * sizeof(mn_real)),
                              mn_scratch(ctx, (size_t)d->n_a * sizeof(mn_real))};
    if (params.w == NULL || params.a == NULL) {
        return MN_NOMEM;
    }
    mn_vec_copy(d->n_w, job->state->meta.w, params.w);
    mn_vec_copy(d->n_a, job->state->meta.a, params.a);
    start_moments(job, index, slot->learner);
    const int status = nas_episode_sample(e, ctx, &task, NULL);
    return status != MN_OK ? status
                           : nas_task_direction(e, ctx, &task, &job->state->meta, &params,
                                                slot->learner, &slot->direction);
}

static int skips(const struct nas_job *job) {
    return job->what != NULL ? *(const int *)job->what : job->e->run.on_nan == NAS_ON_NAN_SKIP_TASK;
}

/* One that is skipped leaves the optimiser state as it found it. */
static int train_task(const struct nas_job *job, struct mn_ctx *ctx, int64_t index, void *bytes) {
    memset(bytes, 0, sizeof(struct nas_task_outcome));
    struct watched watched = {slot_in(job, bytes), room_for_steps(job->e)};
    nas_ctx_of(ctx)->on_step = note_step;
    nas_ctx_of(ctx)->on_step_data = &watched;
    const int status = solve(job, ctx, index, &watched.slot);
    nas_ctx_of(ctx)->on_step = NULL;
    if (status == MN_OK) {
        return MN_OK;
    }
    nas_ctx_where(ctx, "meta-epoch %" PRId64 ", task %" PRId64 " (seed %" PRIu64 ")",
                  ctx->where.meta_epoch, index, ctx->where.seed);
    if (status == MN_NUMERIC) {
        struct nas_task_outcome *outcome = watched.slot.outcome;
        outcome->failed = 1;
        snprintf(outcome->message, sizeof outcome->message, "%s", nas_ctx_message(ctx));
    }
    if (status != MN_NUMERIC || !skips(job)) {
        return status;
    }
    nas_ctx_clear(ctx);
    start_moments(job, index, watched.slot.learner);
    return MN_OK;
}

const struct nas_job_kind nas_train_job = {
    .name = "train", .slot_bytes = slot_bytes, .run = train_task};
