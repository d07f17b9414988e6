/* SPDX-License-Identifier: MIT */
#include "rundir.h"
#include "test_run.h"

#include "base/text.h"

#include <string.h>

/* "0,1,5,10": ascending counts. */
static int parse_steps(struct mn_ctx *ctx, struct nas_arena *arena, const char *text,
                       struct nas_evaluation_plan *out) {
    size_t room = 1;
    for (const char *at = text; *at != '\0'; at++) {
        room += *at == ',';
    }
    int64_t *steps = nas_arena_array(arena, room, sizeof *steps);
    char *copy = nas_arena_text(arena, text);
    if (steps == NULL || copy == NULL) {
        return no_memory(ctx);
    }
    char *at = copy;
    for (size_t i = 0; i < room; i++) {
        char *end = at + strcspn(at, ",");
        *end = '\0';
        if (!nas_text_int(at, &steps[i]) || steps[i] < 0 || (i > 0 && steps[i] <= steps[i - 1])) {
            return mn_fail(ctx, MN_CONFIG,
                           "test: --steps is '%s'; expected ascending numbers of steps, like "
                           "0,1,5,10",
                           text);
        }
        at = end + 1;
    }
    out->steps = steps;
    out->n_steps = (int)room;
    return MN_OK;
}

/* The list decides the split; --tasks may take its first ones. */
static int take_episodes(struct mn_ctx *ctx, const struct arguments *arguments,
                         const struct nas_experiment *experiment,
                         const struct nas_episodes *episodes, struct nas_evaluation_plan *out) {
    if (arguments->split >= 0 && arguments->split != episodes->spec.split) {
        return mn_fail(ctx, MN_CONFIG, "test: --split names another split than that of %s",
                       episodes->path);
    }
    if (arguments->tasks > episodes->tasks) {
        return mn_fail(ctx, MN_CONFIG, "test: --tasks %lld, but %s has only %lld",
                       (long long)arguments->tasks, episodes->path, (long long)episodes->tasks);
    }
    out->split = episodes->spec.split;
    out->tasks = arguments->tasks > 0 ? arguments->tasks : episodes->tasks;
    out->episodes = episodes;
    return nas_episodes_check(episodes, experiment, ctx);
}

static int run_test(struct mn_ctx *ctx, const struct arguments *given) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    CLEANUP(nas_episodes_fini) struct nas_episodes episodes = {0};
    CLEANUP(nas_experiment_close) struct nas_experiment experiment = {0};
    struct arguments arguments = *given;
    struct test_plan plan = {.state_name = given->state != NULL ? given->state : "last",
                             .sets = &given->sets,
                             .out = given->out,
                             .accept_changes = given->accept_changes,
                             .json = given->json};
    const char *config;
    /* What can be wrong on the command line is found before the data is read. */
    TRY(rundir_check(ctx, given->operand));
    TRY(set_batch_norm(ctx, "test", &arguments));
    if (given->steps != NULL) {
        TRY(parse_steps(ctx, &arena, given->steps, &plan.what));
    }
    TRY(rundir_state(ctx, &arena, given->operand, plan.state_name, &plan.state));
    if (given->episodes != NULL) {
        TRY(nas_episodes_read(ctx, given->episodes, &episodes));
    }
    TRY(rundir_file(ctx, &arena, given->operand, "config.resolved.yaml", &config));
    TRY(open_experiment(ctx, &arguments, config, NULL, &experiment));
    plan.what.split = given->split >= 0 ? given->split : MN_TEST;
    plan.what.tasks = given->tasks > 0 ? given->tasks : experiment.evaluation.tasks;
    if (given->episodes != NULL) {
        TRY(take_episodes(ctx, given, &experiment, &episodes, &plan.what));
    }
    return test_run(ctx, &experiment, given->operand, &plan);
}

static const struct flag flags[] = {
    {"tasks", "N", "number of tasks (default: evaluation.tasks)", offsetof(struct arguments, tasks),
     FLAG_POSITIVE, 0},
    {"split", "SPLIT", "classes to draw from: test (default), val or train",
     offsetof(struct arguments, split), FLAG_SPLIT, 0},
    {"episodes", "FILE", "take the tasks from a list that 'metanas episodes' made",
     offsetof(struct arguments, episodes), FLAG_TEXT, 0},
    {"state", "STATE", "last (default), best (of the validations) or a file",
     offsetof(struct arguments, state), FLAG_TEXT, 0},
    {"steps", "N,N,..", "look at the accuracy after these task steps, too",
     offsetof(struct arguments, steps), FLAG_TEXT, 0},
    {"batch-norm", "MODE", "which comes first, transductive or support; both are in the result",
     offsetof(struct arguments, batch_norm), FLAG_TEXT, 0},
    {"out", "FILE", "write the result to FILE and tables beside it, not into RUN",
     offsetof(struct arguments, out), FLAG_TEXT, 'o'},
    {"set", "KEY=VALUE", "override an option: --set task.queries=5 (may repeat)",
     offsetof(struct arguments, sets), FLAG_TEXTS, 0},
    {"accept-changes", NULL, "test although the data are not those of meta-training",
     offsetof(struct arguments, accept_changes), FLAG_SWITCH, 0},
    {"json", NULL, "print the result as JSON instead of the summary",
     offsetof(struct arguments, json), FLAG_SWITCH, 0},
};

const struct command command_test = {
    .name = "test",
    .operand = "RUN",
    .doc = "meta-test a run: adapt, prune and evaluate each of many tasks",
    .more = "The result is written to RUN/test.json as well, that of every task to "
            "RUN/test-tasks.csv,\nwith --steps the curve to RUN/test-steps.csv.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .run = run_test,
    .config = rundir_config,
    .holds = 1,
};
