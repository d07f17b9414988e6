/* SPDX-License-Identifier: MIT */
#include "test_run.h"

#include "run/fingerprint.h"
#include "run/progress.h"

static void show(void *data, int64_t n) {
    mn__progress_show(data, n);
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
    struct mn__executor *executor = NULL;
    struct mn__progress progress;
    struct mn__evaluation_plan plan = *what;
    plan.both_norms = 1;
    plan.finished = show;
    plan.finished_data = &progress;
    int status = mn__executor_new(cx, experiment, &executor);
    if (status == MN_OK) {
        mn__progress_begin(&progress, "task", 0, what->tasks, mn__cx_of(cx)->quiet < MN_LOG_INFO);
        status = mn__evaluate_plan(experiment, executor, cx, state, &plan, out);
        mn__progress_end(&progress);
    }
    mn__executor_free(executor);
    return status;
}

int test_run(struct mn_cx *cx, struct mn__experiment *experiment, const char *dir,
             const struct test_plan *plan) {
    struct mn__state state = {0};
    struct test_report report = {.experiment = experiment, .plan = plan};
    int status = check_steps(cx, experiment, &plan->what);
    if (status == MN_OK) { /* the support set passes through the network whole */
        status =
            mn__experiment_widen(experiment, cx, experiment->task.ways * experiment->task.shots);
    }
    if (status == MN_OK) {
        status = mn__state_load(experiment, cx, plan->state, &state);
    }
    if (status == MN_OK) {
        status =
            mn__fingerprint_check(experiment, cx, plan->state, state.data, plan->accept_changes);
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
        if (plan->json) {
            test_print_json(cx, &report);
        } else if (!plan->mute) {
            test_print(&report, dir, status == MN_OK);
        }
    }
    mn__arena_fini(&report.genotypes.arena);
    mn__evaluation_fini(&report.evaluation);
    mn__state_fini(&state);
    return status;
}
