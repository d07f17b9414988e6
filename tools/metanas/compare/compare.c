/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include "../rundir.h"
#include "../test_run.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/folder.h"

#include <string.h>
#include <sys/stat.h>

struct compare_flags {
    const char *baseline, *episodes, *state, *csv, *figure;
    bool all_pairs, runs, accept_changes, json;
};

/* Where the tests that this command makes are written, so that those of the run stay. */
static const char own_result[] = "compare.json";

/* A result that is given twice would be a run that never differs. */
static int check_operands(struct mn_ctx *ctx, const struct texts *operands) {
    for (int i = 0; i < operands->n; i++) {
        struct stat a, b;
        for (int k = 0; k < i; k++) {
            if (stat(operands->at[i], &a) == 0 && stat(operands->at[k], &b) == 0 &&
                a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
                return mn_fail(ctx, MN_CONFIG, "compare: %s and %s are the same", operands->at[k],
                               operands->at[i]);
            }
        }
    }
    return MN_OK;
}

static int check_flags(struct mn_ctx *ctx, const struct arguments *arguments) {
    const struct compare_flags *flags = arguments->flags;
    const char *alone = flags->state != NULL    ? "--state"
                        : flags->accept_changes ? "--accept-changes"
                        : arguments->sets.n > 0 ? "--set"
                                                : NULL;
    if (flags->episodes == NULL && alone != NULL) {
        return mn_fail(ctx, MN_CONFIG,
                       "compare: %s is for the tests that --episodes FILE makes; without it the "
                       "results that are there are compared",
                       alone);
    }
    if (flags->all_pairs && flags->baseline != NULL) {
        return mn_fail(ctx, MN_CONFIG, "compare: --all-pairs has no --baseline; give one of them");
    }
    return MN_OK;
}

/* Test a run on the list, as 'metanas test --out' does. */
static int test(struct mn_ctx *ctx, const struct arguments *arguments, const char *dir) {
    const struct compare_flags *flags = arguments->flags;
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    struct test_flags how = {.split = -1,
                             .batch_norm = -1,
                             .episodes = flags->episodes,
                             .state = flags->state,
                             .accept_changes = flags->accept_changes,
                             .mute = true};
    struct arguments its = *arguments;
    struct nas_folder folder;
    TRY(rundir_check(ctx, dir));
    TRY(rundir_file(ctx, &arena, dir, own_result, &how.out));
    its.operand = dir;
    its.flags = &how;
    TRY(nas_folder_lock(ctx, dir, &folder));
    const int status = command_test.run(ctx, &its);
    nas_folder_unlock(ctx, &folder);
    return status != MN_OK ? nas_ctx_where(ctx, "%s", dir) : MN_OK;
}

static int read_runs(struct mn_ctx *ctx, const struct arguments *arguments, struct compared *all) {
    const struct compare_flags *flags = arguments->flags;
    const struct texts *operands = &arguments->operands;
    all->operands = operands;
    all->runs = nas_arena_zeroed(&all->arena, (size_t)operands->n * sizeof *all->runs);
    if (all->runs == NULL) {
        return no_memory(ctx);
    }
    all->tested = flags->episodes != NULL;
    if (all->tested) { /* what is wrong with it is told before the first test */
        CLEANUP(nas_episodes_fini) struct nas_episodes episodes = {0};
        TRY(nas_episodes_read(ctx, flags->episodes, &episodes));
    }
    for (int i = 0; all->tested && i < operands->n; i++) {
        mn_log(ctx, MN_LOG_INFO, "test %d of %d: %s", i + 1, operands->n, operands->at[i]);
        TRY(test(ctx, arguments, operands->at[i]));
    }
    for (; all->n_runs < operands->n; all->n_runs++) {
        TRY(compare_read(ctx, all, operands->at[all->n_runs],
                         all->tested ? own_result : "test.json", &all->runs[all->n_runs]));
    }
    return MN_OK;
}

/* The arm that the others are compared with. */
static int find_baseline(struct mn_ctx *ctx, const struct compared *all, const char *name,
                         int *out) {
    const size_t length = name != NULL ? strlen(name) : 0;
    const size_t n = length > 1 && name[length - 1] == '/' ? length - 1 : length;
    *out = 0;
    for (int i = 0; name != NULL && i < all->n_runs; i++) {
        if (strlen(all->runs[i].name) == n && strncmp(all->runs[i].name, name, n) == 0) {
            *out = all->runs[i].arm;
            return MN_OK;
        }
    }
    return name == NULL ? MN_OK
                        : mn_fail(ctx, MN_CONFIG,
                                  "compare: --baseline %s: expected one of the runs, like %s", name,
                                  all->runs[0].name);
}

static int compare(struct mn_ctx *ctx, const struct compare_flags *flags, struct compared *all) {
    const size_t n = (size_t)all->n_arms;
    int baseline;
    TRY(find_baseline(ctx, all, flags->baseline, &baseline));
    all->items = nas_arena_array(&all->arena, flags->all_pairs ? n * (n - 1) / 2 : n - 1,
                                 sizeof *all->items);
    if (all->items == NULL) {
        return no_memory(ctx);
    }
    for (int second = 0; second < all->n_arms; second++) {
        for (int first = 0; first < all->n_arms; first++) {
            if (flags->all_pairs ? first > second : second == baseline && first != baseline) {
                TRY(compare_arms(ctx, all, &all->arms[first], &all->arms[second],
                                 &all->items[all->n]));
                all->n++;
            }
        }
    }
    return compare_finish(ctx, all);
}

static int write_text(struct mn_ctx *ctx, const char *path, struct nas_buffer *text) {
    TRY(nas_buffer_close(text, ctx));
    return nas_file_replace(ctx, path, text->text, text->length);
}

static int write_files(struct mn_ctx *ctx, const struct compare_flags *flags,
                       struct compared *all) {
    if (flags->csv != NULL) {
        CLEANUP(nas_buffer_free) struct nas_buffer text = {0};
        TRY(nas_buffer_open(&text, ctx));
        compare_csv(all, text.out);
        TRY(write_text(ctx, flags->csv, &text));
    }
    if (flags->figure != NULL) {
        CLEANUP(nas_buffer_free) struct nas_buffer text = {0};
        TRY(nas_buffer_open(&text, ctx));
        TRY(compare_figure(ctx, all, text.out));
        TRY(write_text(ctx, flags->figure, &text));
    }
    return MN_OK;
}

static void all_fini(struct compared *all) {
    nas_arena_fini(&all->arena);
}

static int run_compare(struct mn_ctx *ctx, const struct arguments *arguments) {
    CLEANUP(all_fini) struct compared all = {0};
    CLEANUP(nas_free) char *json = NULL;
    const struct compare_flags *flags = arguments->flags;
    size_t length;
    TRY(check_flags(ctx, arguments));
    TRY(check_operands(ctx, &arguments->operands));
    TRY(read_runs(ctx, arguments, &all));
    TRY(compare_make_arms(ctx, &all, flags->runs));
    TRY(compare(ctx, flags, &all));
    if (flags->json) {
        TRY(rundir_json_text(ctx, "compare --json", compare_json(&all), &json, &length));
        fwrite(json, 1, length, stdout);
    } else {
        TRY(compare_print(ctx, &all));
    }
    return write_files(ctx, flags, &all);
}

/* Only the tests have tasks for other processes; they go by the first run. */
static int config(struct mn_ctx *ctx, struct nas_arena *arena, const struct arguments *arguments,
                  const char **out) {
    const struct compare_flags *flags = arguments->flags;
    return flags->episodes != NULL ? rundir_config(ctx, arena, arguments, out) : MN_OK;
}

#define F struct compare_flags
static const struct mn_opt flags[] = {
    FLAG_TEXT(F, baseline, "--baseline", "RUN",
              "the run that the others are compared with (default: the first)"),
    FLAG_SWITCH(F, all_pairs, "--all-pairs", "compare each with each"),
    FLAG_SWITCH(F, runs, "--runs",
                "compare run by run; otherwise seeds of a configuration are one"),
    FLAG_TEXT(F, episodes, "--episodes", "FILE",
              "test the runs first, on a list that 'metanas episodes' made"),
    FLAG_TEXT(F, state, "--state", "STATE", "of these tests: last (default), best or a file"),
    FLAG_SWITCH(F, accept_changes, "--accept-changes",
                "test although the data are not those of meta-training"),
    FLAG_TEXT(F, csv, "--csv", "FILE", "write the differences as a table"),
    FLAG_TEXT(F, figure, "--figure", "FILE", "draw them, and accuracy against parameters, as SVG"),
    FLAG_SWITCH(F, json, "--json", "print JSON instead of the tables"),
};

static const char *const more_operands[] = {"RUN..", NULL};

const struct command command_compare = {
    .name = "compare",
    .operand = "RUN",
    .more_operands = more_operands,
    .operand_repeats = 1,
    .doc = "compare tested runs on the same test tasks, in pairs",
    .more =
        "Reads RUN/test.json and RUN/test-tasks.csv, or the result that RUN names where it is a "
        "file of\n'metanas test --out'. Runs that differ in the seed alone are compared as one "
        "arm, over seeds.\nTests of --episodes are written to RUN/compare.json and "
        "RUN/compare-tasks.csv.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct compare_flags),
    .set_value = "KEY=VALUE",
    .set_doc = "override an option in the tests of --episodes: --set task.shots=1 (may repeat)",
    .run = run_compare,
    .config = config,
};
