/* SPDX-License-Identifier: MIT */
#include "test_run.h"

#include "learn/jobs.h"
#include "progress.h"

static void show(void *data, int64_t n) {
    progress_show(data, n);
}

/* Known before the first task where the task learner tells its steps. */
static int check_steps(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                       const struct nas_evaluation_plan *what) {
    const struct mn_task_learner *table = &experiment->task_learner.table.task_learner;
    const struct mn_where where = {
        .size = sizeof where, .split = what->split, .meta_epochs = experiment->run.meta_epochs};
    const int64_t steps =
        table->steps != NULL ? table->steps(experiment->task_learner.self, &where) : -1;
    const int64_t last = what->n_steps > 0 ? what->steps[what->n_steps - 1] : 0;
    return steps < 0 || last <= steps
               ? MN_OK
               : mn_fail(ctx, MN_CONFIG,
                         "--steps: step %lld is to be looked at, but a task ends after %lld steps; "
                         "--set task_learner.test_steps=%lld goes on",
                         (long long)last, (long long)steps, (long long)last);
}

/* Tasks that share no image. */
static int draw_disjoint(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                         struct nas_episodes *episodes, struct nas_evaluation_plan *out) {
    TRY(nas_episodes_disjoint(experiment, ctx, out->split, out->tasks, episodes));
    if (episodes->tasks < out->tasks) {
        mn_log(ctx, MN_LOG_WARN,
               "without replacement the split has images for %lld tasks of the %lld",
               (long long)episodes->tasks, (long long)out->tasks);
    }
    out->tasks = episodes->tasks;
    out->episodes = episodes;
    return MN_OK;
}

static void report_fini(struct test_report *report) {
    nas_arena_fini(&report->genotypes.arena);
    nas_evaluation_fini(&report->evaluation);
    nas_arena_fini(&report->swap.arena);
}

static void executor_free(struct nas_executor **executor) {
    nas_executor_free(*executor);
}

int test_run(struct mn_ctx *ctx, struct nas_experiment *experiment, const char *dir,
             const struct test_plan *plan) {
    CLEANUP(nas_state_fini) struct nas_state state = {0};
    CLEANUP(report_fini) struct test_report report = {.experiment = experiment, .plan = plan};
    CLEANUP(executor_free) struct nas_executor *executor = NULL;
    CLEANUP(nas_episodes_fini) struct nas_episodes episodes = {0};
    struct progress progress;
    struct nas_evaluation_plan what = plan->what;
    what.both_norms = 1;
    what.finished = show;
    what.finished_data = &progress;
    if (what.episodes == NULL && experiment->evaluation.sampling == NAS_WITHOUT_REPLACEMENT) {
        TRY(draw_disjoint(ctx, experiment, &episodes, &what));
    }
    TRY(check_steps(ctx, experiment, &what));
    /* The support set passes through the network whole. */
    TRY(nas_experiment_widen(experiment, ctx, experiment->task.ways * experiment->task.shots));
    TRY(nas_state_load(experiment, ctx, plan->state, &state));
    TRY(nas_provenance_check(&experiment->provenance, ctx, NAS_MADE_FROM_DATA, plan->state,
                             state.n_metadata, state.metadata, plan->accept_changes));
    TRY(nas_jobs_executor(ctx, experiment, &executor));
    progress_begin(&progress, "task", 0, what.tasks, nas_ctx_of(ctx)->log_level < MN_LOG_INFO);
    const int evaluated =
        nas_evaluate_plan(experiment, executor, ctx, &state, &what, &report.evaluation);
    progress_end(&progress);
    TRY(evaluated);
    report.evaluation.record.state = plan->state_name;
    TRY(genotypes_count(ctx, &report.evaluation, &report.genotypes));
    if (plan->swap) {
        TRY(test_swap(ctx, &report, executor, &state, &what));
    }
    const int written = test_write(ctx, &report, dir);
    if (plan->json) {
        test_print_json(ctx, &report);
    } else if (!plan->mute) {
        test_print(&report, dir, written == MN_OK);
    }
    return written;
}
