/* SPDX-License-Identifier: MIT */
#include "forecast.h"

#include "base/memory.h"
#include "learn/task.h"
#include "rehearse.h"

#include <string.h>

static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* ---- memory ------------------------------------------------------------------------------- */

static int64_t task_images(const struct nas_experiment *e) {
    int64_t n = 0;
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        const struct mn_episode_spec spec = nas_episode_spec(e, split);
        n = most(n, (int64_t)spec.ways * ((int64_t)spec.support + spec.query));
    }
    return n;
}

/* What the meta learners add to a worker: learned factors, updates that they shape, the trace of a
 * task, and the gradients and displaced points with which it is gone back through. And the start of
 * a task, where a head or a teacher has to do with it, with the gradient that goes through it. */
static int64_t inner_bytes(const struct nas_experiment *e, int64_t point, int64_t state) {
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    const struct mn_where where = {
        .size = sizeof where, .split = MN_TRAIN, .meta_epochs = e->run.meta_epochs};
    int64_t bytes = (e->rates ? 2 * point : 0) + (e->shapes != 0 ? 3 * point : 0);
    const int starts = nas_head_starts(&e->head);
    bytes += (starts || e->teacher ? point : 0) + (starts ? point : 0);
    if (e->traces) {
        bytes += (table->steps(e->task_learner.self, &where) + 2) * state + 8 * point;
    }
    return bytes;
}

void forecast_memory(const struct nas_experiment *e, struct memory_forecast *out) {
    const struct mn_dims *d = nas_model_dims(e->model);
    const int64_t real = sizeof(mn_real), point = (d->n_w + d->n_a) * real;
    const int64_t state = point + e->n_state * real;
    const int64_t image = (int64_t)d->channels * d->height * d->width * real;
    const int64_t own = e->n_own * real;
    /* A worker's copy, gradient and direction, its task and mini-batch; a direction and optimiser
     * state for each task; the meta state, its update and the new one, before and after they are
     * found sound; keep masks of a validation. */
    const int64_t worker = 2 * point + own + state + inner_bytes(e, point, state) +
                           image * (task_images(e) + d->max_batch);
    const int64_t tasks = e->run.tasks_per_batch * (state + own);
    const int64_t outer = state + 3 * (point + own);
    *out = (struct memory_forecast){.workers = nas_experiment_workers(e)};
    out->resident = most(nas_memory_now(), 0) + (int64_t)nas_model_unfilled_bytes(e->model);
    out->workspaces = out->workers * (int64_t)nas_model_workspace_bytes(e->model);
    out->tasks =
        out->workers * worker + tasks + outer + e->evaluation.validation_tasks * d->n_choices;
    out->peak = out->resident + out->workspaces + out->tasks;
}

/* ---- time --------------------------------------------------------------------------------- */

struct forecast {
    const struct nas_experiment *e;
    struct mn_ctx *ctx;
    struct nas_threads *workers;
    struct nas_state state;
    struct time_forecast *out;
};

static int adapts_a(const struct nas_experiment *e, int64_t meta_epoch) {
    const struct mn_where where = nas_experiment_where(e, MN_TRAIN, meta_epoch);
    return (nas_experiment_adapts(e, &where) & MN_ADAPTS_A) != 0;
}

/* The first meta-epoch in which the architecture adapts, by bisection. */
static int64_t find_warm_up(const struct nas_experiment *e) {
    int64_t low = 0, high = e->run.meta_epochs - 1;
    if (high < 1 || nas_model_dims(e->model)->n_a == 0 || adapts_a(e, 0) || !adapts_a(e, high)) {
        return 0;
    }
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (adapts_a(e, middle)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return high;
}

/* Seconds of `tasks` tasks at this place, and of a step. Workers take whole tasks, so the last
 * round may leave some of them idle. */
static int time_tasks(struct forecast *f, const struct mn_where *where, int64_t tasks,
                      int one_by_one, double seconds, double *step, double *all) {
    const int64_t steps = nas_experiment_steps(f->e, where);
    const int workers = nas_threads_count(f->workers);
    const int lanes = one_by_one ? 1 : tasks < workers ? (int)tasks : workers;
    struct pace pace = {0};
    *step = *all = 0;
    if (steps <= 0) {
        return MN_OK;
    }
    const int status = rehearse(f->e, f->ctx, f->workers, lanes, where, &f->state, seconds, &pace);
    const int64_t rounds = (tasks + lanes - 1) / lanes;
    *step = pace.step;
    *all = (double)rounds * (double)steps * pace.step * lanes;
    f->out->steps += pace.steps;
    return status;
}

static int time_training(struct forecast *f, double seconds) {
    const struct nas_experiment *e = f->e;
    struct time_forecast *out = f->out;
    const int64_t places[2] = {0, most(e->run.meta_epochs - 1, 0)};
    const int carry = e->moments == MN_MOMENTS_CARRY;
    out->warm_up = find_warm_up(e);
    for (int i = out->warm_up > 0 ? 0 : 1; i < 2; i++) {
        const struct mn_where where = nas_experiment_where(e, MN_TRAIN, places[i]);
        const int status = time_tasks(f, &where, e->run.tasks_per_batch, carry, seconds,
                                      &out->step[i], &out->meta_epoch[i]);
        if (status != MN_OK) {
            return status;
        }
    }
    if (out->warm_up == 0) {
        out->step[0] = out->step[1];
        out->meta_epoch[0] = out->meta_epoch[1];
    }
    return MN_OK;
}

static int64_t n_validations(const struct nas_run_options *run) {
    const int64_t every = run->eval_every;
    return every > 0 ? most((run->meta_epochs + every - 1) / every, 1) : 1;
}

static int time_all(struct forecast *f, double seconds) {
    const struct nas_experiment *e = f->e;
    struct time_forecast *out = f->out;
    const struct mn_where where = nas_experiment_where(e, MN_VAL, 0);
    double step;
    int status = time_training(f, seconds / 3);
    if (status == MN_OK) {
        status = time_tasks(f, &where, e->evaluation.validation_tasks, 0, seconds / 3, &step,
                            &out->validation);
    }
    const double before = (double)out->warm_up, after = (double)e->run.meta_epochs - before;
    out->run = before * out->meta_epoch[0] + after * out->meta_epoch[1] +
               (double)n_validations(&e->run) * out->validation;
    return status;
}

int forecast_time(const struct nas_experiment *e, struct mn_ctx *ctx, double seconds,
                  struct time_forecast *out) {
    struct forecast f = {.e = e, .ctx = ctx, .out = out};
    memset(out, 0, sizeof *out);
    int status = nas_state_new(e, ctx, &f.state);
    if (status == MN_OK) {
        status = nas_threads_new(ctx, nas_experiment_workers(e), e->model, &f.workers);
    }
    if (status == MN_OK) {
        status = time_all(&f, seconds);
    }
    nas_threads_free(f.workers);
    nas_state_fini(&f.state);
    return status;
}
