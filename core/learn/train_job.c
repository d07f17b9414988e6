/* SPDX-License-Identifier: MIT */
#include "learn/train_job.h"

#include "learn/jobs.h"

#include <inttypes.h>
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

int nas_train_job_looks(const struct nas_experiment *e, int64_t meta_epoch) {
    const int64_t done = meta_epoch + 1, every = e->run.log_every;
    return every > 0 && (done % every == 0 || done == e->run.meta_epochs);
}

/* Algorithm 2, lines 5-12. */
static int solve(const struct nas_job *job, struct mn_ctx *ctx, int64_t index,
                 struct watched *watched) {
    const struct nas_experiment *e = job->e;
    const struct mn_dims *d = nas_model_dims(e->model);
    struct nas_task_slot *slot = &watched->slot;
    const int looks = nas_train_job_looks(e, ctx->where.meta_epoch);
    const struct nas_watch watch = {
        .on_step = note_step, .data = watched, .metrics = looks ? &slot->outcome->metrics : NULL};
    struct mn_task task;
    struct mn_point params = {mn_scratch(ctx, (size_t)d->n_w * sizeof(mn_real)),
                              mn_scratch(ctx, (size_t)d->n_a * sizeof(mn_real))};
    if (params.w == NULL || params.a == NULL) {
        return MN_NOMEM;
    }
    mn_vec_copy(d->n_w, job->state->meta.w, params.w);
    mn_vec_copy(d->n_a, job->state->meta.a, params.a);
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
    struct watched watched = {slot_in(job, bytes), room_for_steps(job->e)};
    struct nas_task_outcome *outcome = watched.slot.outcome;
    const int status = solve(job, ctx, index, &watched);
    if (status == MN_OK) {
        return MN_OK;
    }
    nas_ctx_where(ctx, "meta-epoch %" PRId64 ", task %" PRId64 " (seed %" PRIu64 ")",
                  ctx->where.meta_epoch, index, ctx->where.seed);
    if (status != MN_NUMERIC) {
        return status;
    }
    outcome->failed = 1;
    snprintf(outcome->message, sizeof outcome->message, "%s", nas_ctx_message(ctx));
    if (!skips) {
        return status;
    }
    nas_ctx_clear(ctx);
    start_moments(job, index, watched.slot.learner);
    return MN_OK;
}

const struct nas_job_kind nas_train_job = {
    .name = "train", .slot_bytes = slot_bytes, .run = train_task, .parts = nas_jobs_parts};
