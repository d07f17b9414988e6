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
static int take_episodes(struct mn_ctx *ctx, const struct test_flags *flags,
                         const struct nas_experiment *experiment,
                         const struct nas_episodes *episodes, struct nas_evaluation_plan *out) {
    if (flags->split >= 0 && flags->split != episodes->spec.split) {
        return mn_fail(ctx, MN_CONFIG, "test: --split names another split than that of %s",
                       episodes->path);
    }
    if (flags->tasks > episodes->tasks) {
        return mn_fail(ctx, MN_CONFIG, "test: --tasks %lld, but %s has only %lld",
                       (long long)flags->tasks, episodes->path, (long long)episodes->tasks);
    }
    out->split = episodes->spec.split;
    out->tasks = flags->tasks > 0 ? flags->tasks : episodes->tasks;
    out->episodes = episodes;
    return nas_episodes_check(episodes, experiment, ctx);
}

static int run_test(struct mn_ctx *ctx, const struct arguments *given) {
    const struct test_flags *flags = given->flags;
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    CLEANUP(nas_episodes_fini) struct nas_episodes episodes = {0};
    CLEANUP(nas_experiment_close) struct nas_experiment experiment = {0};
    struct arguments arguments = *given;
    struct test_plan plan = {.state_name = flags->state != NULL ? flags->state : "last",
                             .sets = &given->sets,
                             .out = flags->out,
                             .accept_changes = flags->accept_changes,
                             .json = flags->json,
                             .swap = flags->swap,
                             .mute = flags->mute};
    const char *config;
    /* What can be wrong on the command line is found before the data is read. */
    TRY(rundir_check(ctx, given->operand));
    set_batch_norm(flags->batch_norm, &arguments);
    if (flags->steps != NULL) {
        TRY(parse_steps(ctx, &arena, flags->steps, &plan.what));
    }
    TRY(rundir_state(ctx, &arena, given->operand, plan.state_name, &plan.state));
    if (flags->episodes != NULL) {
        TRY(nas_episodes_read(ctx, flags->episodes, &episodes));
    }
    TRY(rundir_file(ctx, &arena, given->operand, "config.resolved.yaml", &config));
    TRY(open_experiment(ctx, &arguments, config, NULL, &experiment));
    plan.what.split = flags->split >= 0 ? flags->split : MN_TEST;
    plan.what.tasks = flags->tasks > 0 ? flags->tasks : experiment.evaluation.tasks;
    if (flags->episodes != NULL) {
        TRY(take_episodes(ctx, flags, &experiment, &episodes, &plan.what));
    }
    return test_run(ctx, &experiment, given->operand, &plan);
}

/* A result that goes elsewhere leaves the run alone. */
static int holds(const struct arguments *arguments) {
    const struct test_flags *flags = arguments->flags;
    return flags->out == NULL;
}

#define F struct test_flags
static const struct mn_opt flags[] = {
    FLAG_INT(F, tasks, "--tasks", "N", 0, 1, "number of tasks (default: evaluation.tasks)"),
    FLAG_CHOICE(F, split, "--split", "SPLIT", nas_split_names,
                "classes to draw from: test (default), val or train"),
    FLAG_TEXT(F, episodes, "--episodes", "FILE",
              "take the tasks from a list that 'metanas episodes' made"),
    FLAG_TEXT(F, state, "--state", "STATE", "last (default), best (of the validations) or a file"),
    FLAG_TEXT(F, steps, "--steps", "N,N,..", "look at the accuracy after these task steps, too"),
    FLAG_CHOICE(F, batch_norm, "--batch-norm", "MODE", nas_batch_norm_names,
                "which comes first, transductive or support; both are in the result"),
    FLAG_TEXT(F, out, "-o, --out", "FILE",
              "write the result to FILE and tables beside it, not into RUN"),
    FLAG_SWITCH(F, swap, "--swap",
                "each task also with the cells of others and with the most frequent one"),
    FLAG_SWITCH(F, accept_changes, "--accept-changes",
                "test although the data are not those of meta-training"),
    FLAG_SWITCH(F, json, "--json", "print the result as JSON instead of the summary"),
};

const struct command command_test = {
    .name = "test",
    .operand = "RUN",
    .doc = "meta-test a run: adapt, prune and evaluate each of many tasks",
    .more = "The result is written to RUN/test.json as well, that of every task to "
            "RUN/test-tasks.csv,\nwith --steps the curve to RUN/test-steps.csv, with --swap the "
            "accuracies to RUN/test-swap.csv.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct test_flags),
    .set_value = "KEY=VALUE",
    .set_doc = "override an option: --set task.queries=5 (may repeat)",
    .run = run_test,
    .config = rundir_config,
    .holds = holds,
};
