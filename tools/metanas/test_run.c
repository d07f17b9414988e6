/* SPDX-License-Identifier: MIT */
#include "test_run.h"

#include "run/progress.h"

#include <pthread.h>

/* Counts the tasks that workers finish. */
struct watch {
    pthread_mutex_t lock;
    struct mn__progress progress;
    int64_t last_step; /* of a task; 0 where unknown: then tasks count when they begin */
    int64_t done;
};

static int watch_step(void *data, struct mn_cx *cx, int64_t step, double loss, double accuracy,
                      double skip_share, const struct mn_point *now) {
    struct watch *watch = data;
    if (step == watch->last_step) {
        pthread_mutex_lock(&watch->lock);
        mn__progress_show(&watch->progress, ++watch->done);
        pthread_mutex_unlock(&watch->lock);
    }
    return MN_OK;
}

static int64_t steps_of(const struct mn__experiment *experiment, int split) {
    const struct mn_task_learner *table = &experiment->task_learner.table.task_learner;
    const struct mn_where where = {
        .size = sizeof where, .split = split, .meta_epochs = experiment->run.meta_epochs};
    return table->steps != NULL ? table->steps(experiment->task_learner.self, &where) : -1;
}

/* Known before the first task where the task learner tells its steps. */
static int check_steps(struct mn_cx *cx, const struct mn__experiment *experiment,
                       const struct mn__evaluation_plan *what) {
    const int64_t steps = steps_of(experiment, what->split);
    const int64_t last = what->n_steps > 0 ? what->steps[what->n_steps - 1] : 0;
    return steps < 0 || last <= steps
               ? MN_OK
               : mn_fail(cx, MN_CONFIG,
                         "--steps: step %lld is to be looked at, but a task ends after %lld steps; "
                         "--set task_learner.test_steps=%lld goes on",
                         (long long)last, (long long)steps, (long long)last);
}

static int evaluate(struct mn_cx *cx, const struct mn__experiment *experiment,
                    const struct mn__evaluation_plan *what, const struct mn__state *state,
                    struct mn__evaluation *out) {
    struct mn__workers *workers = NULL;
    struct mn__cx *c = mn__cx_of(cx);
    const int64_t steps = steps_of(experiment, what->split);
    struct watch watch = {.lock = PTHREAD_MUTEX_INITIALIZER,
                          .last_step = steps > 0 ? steps - 1 : 0};
    int status =
        mn__workers_new(cx, mn__experiment_workers(experiment), experiment->model, &workers);
    if (status == MN_OK) {
        mn__progress_begin(&watch.progress, "task", 0, what->tasks, c->quiet < MN_LOG_INFO);
        c->on_step = watch_step;
        c->on_step_data = &watch;
        status =
            mn__evaluate_plan(experiment, workers, cx, &state->meta, state->learner, what, out);
        c->on_step = NULL;
        mn__progress_end(&watch.progress);
    }
    mn__workers_free(workers);
    return status;
}

int test_run(struct mn_cx *cx, const struct mn__experiment *experiment, const char *dir,
             const struct test_plan *plan) {
    struct mn__state state = {0};
    struct test_report report = {.experiment = experiment, .plan = plan};
    int status = check_steps(cx, experiment, &plan->what);
    if (status == MN_OK) {
        status = mn__state_load(experiment, cx, plan->state, &state);
    }
    if (status == MN_OK) {
        report.meta_epoch = state.meta_epoch;
        status = evaluate(cx, experiment, &plan->what, &state, &report.evaluation);
    }
    if (status == MN_OK) {
        status = genotypes_count(cx, &report.evaluation, &report.genotypes);
    }
    if (status == MN_OK) {
        status = test_write(cx, &report, dir);
    }
    if (status == MN_OK && !plan->json && !plan->mute) {
        test_print(&report, dir);
    }
    mn__arena_fini(&report.genotypes.arena);
    mn__evaluation_fini(&report.evaluation);
    mn__state_fini(&state);
    return status;
}
