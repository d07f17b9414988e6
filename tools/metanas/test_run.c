/* SPDX-License-Identifier: MIT */
#include "test_run.h"

#include "learn/fingerprint.h"
#include "learn/progress.h"

static void show(void *data, int64_t n) {
    nas_progress_show(data, n);
}

static int64_t steps_of(const struct nas_experiment *experiment, int split) {
    const struct mn_task_learner *table = &experiment->task_learner.table.task_learner;
    const struct mn_where where = {
        .size = sizeof where, .split = split, .meta_epochs = experiment->run.meta_epochs};
    return table->steps != NULL ? table->steps(experiment->task_learner.self, &where) : -1;
}

/* Known before the first task where the task learner tells its steps. */
static int check_steps(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                       const struct nas_evaluation_plan *what) {
    const int64_t steps = steps_of(experiment, what->split);
    const int64_t last = what->n_steps > 0 ? what->steps[what->n_steps - 1] : 0;
    return steps < 0 || last <= steps
               ? MN_OK
               : mn_fail(ctx, MN_CONFIG,
                         "--steps: step %lld is to be looked at, but a task ends after %lld steps; "
                         "--set task_learner.test_steps=%lld goes on",
                         (long long)last, (long long)steps, (long long)last);
}

static int evaluate(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                    const struct nas_evaluation_plan *what, const struct nas_state *state,
                    struct nas_evaluation *out) {
    struct nas_executor *executor = NULL;
    struct nas_progress progress;
    struct nas_evaluation_plan plan = *what;
    plan.both_norms = 1;
    plan.finished = show;
    plan.finished_data = &progress;
    int status = nas_executor_new(ctx, experiment, &executor);
    if (status == MN_OK) {
        nas_progress_begin(&progress, "task", 0, what->tasks, nas_ctx_of(ctx)->quiet < MN_LOG_INFO);
        status = nas_evaluate_plan(experiment, executor, ctx, state, &plan, out);
        nas_progress_end(&progress);
    }
    nas_executor_free(executor);
    return status;
}

int test_run(struct mn_ctx *ctx, struct nas_experiment *experiment, const char *dir,
             const struct test_plan *plan) {
    struct nas_state state = {0};
    struct test_report report = {.experiment = experiment, .plan = plan};
    int status = check_steps(ctx, experiment, &plan->what);
    if (status == MN_OK) { /* the support set passes through the network whole */
        status =
            nas_experiment_widen(experiment, ctx, experiment->task.ways * experiment->task.shots);
    }
    if (status == MN_OK) {
        status = nas_state_load(experiment, ctx, plan->state, &state);
    }
    if (status == MN_OK) {
        status =
            nas_fingerprint_check(experiment, ctx, plan->state, state.data, plan->accept_changes);
    }
    if (status == MN_OK) {
        report.meta_epoch = state.meta_epoch;
        status = evaluate(ctx, experiment, &plan->what, &state, &report.evaluation);
    }
    if (status == MN_OK) {
        status = genotypes_count(ctx, &report.evaluation, &report.genotypes);
    }
    if (status == MN_OK) {
        status = test_write(ctx, &report, dir);
        if (plan->json) {
            test_print_json(ctx, &report);
        } else if (!plan->mute) {
            test_print(&report, dir, status == MN_OK);
        }
    }
    nas_arena_fini(&report.genotypes.arena);
    nas_evaluation_fini(&report.evaluation);
    nas_state_fini(&state);
    return status;
}
