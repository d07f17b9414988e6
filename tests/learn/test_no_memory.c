/* SPDX-License-Identifier: MIT */
/* Every place of the core that asks for memory is refused it once, in work of every kind: that ends
 * with a message, leaves nothing behind, and the same work succeeds afterwards. */
#include "../../tools/metanas/estimate/forecast.h"
#include "../../tools/metanas/replay/task.h"
#include "../../tools/metanas/sweep/file.h"
#include "exec/executor.h"
#include "learn/episode_list.h"
#include "learn/evaluate.h"

#include "../promises/hostile.h"
#include "../support/starve.h"
#include "fixture.h"

#include <stdlib.h>

enum { MOST_PLACES = 4096 };

static int wrong;               /* failures without a message, or ignored */
static char tried[MOST_PLACES]; /* turns of each place that failed already */

/* ---- work --------------------------------------------------------------------------------- */

static const char *config; /* of the work */

static int open_it(void) {
    static const char *const sets[] = {"run.seed=3", "run.name=n", "input_mixer={use: sum}",
                                       "op_mixer.use=softmax", NULL};
    return trial_open(&trial, config, sets);
}

static int save_and_load(void) {
    struct nas_state made, got;
    const char *path = folder_path(&trial.folder, "state");
    int status = open_it();
    if (status != MN_OK) {
        return status;
    }
    status = nas_state_new(&trial.e, trial.ctx, &made);
    if (status != MN_OK) {
        return status;
    }
    const struct nas_metadata note = {"note", "x"};
    status = nas_state_save(&trial.e, trial.ctx, path, &made, 1, &note);
    nas_state_fini(&made);
    if (status == MN_OK) {
        status = nas_state_load(&trial.e, trial.ctx, path, &got);
    }
    if (status == MN_OK) {
        nas_state_fini(&got);
    }
    return status;
}

static int train(void) {
    static int runs;
    struct nas_state state;
    char name[32], path[PATH_MAX];
    snprintf(name, sizeof name, "run-%d", runs++);
    snprintf(path, sizeof path, "%s", folder_path(&trial.folder, name));
    int status = open_it();
    if (status != MN_OK) {
        return status;
    }
    status = nas_state_new(&trial.e, trial.ctx, &state);
    if (status == MN_OK) {
        status = nas_train(&trial.e, trial.ctx, &state, path, NULL);
        nas_state_fini(&state);
    }
    return status;
}

static int replay(void) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", folder_path(&trial.folder, "run-0"));
    int status = open_it();
    if (status == MN_OK) {
        struct replay again = {
            .e = &trial.e, .ctx = trial.ctx, .dir = path, .meta_epoch = 1, .task = 1};
        status = replay_task(&again);
        replay_fini(&again);
    }
    return status;
}

static int evaluate_with(const struct nas_state *state, const struct nas_episodes *list) {
    static const int64_t steps[] = {0, 2};
    struct nas_executor *executor;
    struct nas_evaluation evaluation;
    const struct nas_evaluation_plan plan = {
        .split = MN_TEST, .tasks = 2, .episodes = list, .steps = steps, .n_steps = 2};
    int status = nas_executor_threads(trial.ctx, trial.e.model, 2, &executor);
    if (status == MN_OK) {
        status = nas_evaluate_plan(&trial.e, executor, trial.ctx, state, &plan, &evaluation);
        nas_evaluation_fini(&evaluation);
        nas_executor_free(executor);
    }
    return status;
}

static int evaluate(void) {
    struct nas_state state;
    int status = open_it();
    if (status == MN_OK) {
        status = nas_state_new(&trial.e, trial.ctx, &state);
    }
    if (status == MN_OK) {
        status = evaluate_with(&state, NULL);
        nas_state_fini(&state);
    }
    return status;
}

static int write_list(const char *path) {
    struct nas_episodes list;
    int status = nas_episodes_new(&trial.e, trial.ctx, MN_TEST, 2, &list);
    for (int64_t i = 0; status == MN_OK && i < 2; i++) {
        status = nas_episodes_draw(&list, &trial.e, trial.ctx, i);
    }
    if (status == MN_OK) {
        status = nas_episodes_write(&list, trial.ctx, path);
    }
    nas_episodes_fini(&list);
    return status;
}

static int episodes(void) {
    struct nas_episodes list;
    struct nas_state state;
    const char *path = folder_path(&trial.folder, "list");
    int status = open_it();
    status = status == MN_OK ? write_list(path) : status;
    if (status != MN_OK) {
        return status;
    }
    status = nas_episodes_read(trial.ctx, path, &list);
    if (status != MN_OK) {
        return status;
    }
    status = nas_episodes_check(&list, &trial.e, trial.ctx);
    if (status == MN_OK) {
        status = nas_state_new(&trial.e, trial.ctx, &state);
    }
    if (status == MN_OK) {
        status = evaluate_with(&state, &list);
        nas_state_fini(&state);
    }
    nas_episodes_fini(&list);
    return status;
}

static int forecast(void) {
    struct time_forecast time;
    const int status = open_it();
    return status == MN_OK ? forecast_time(&trial.e, trial.ctx, 0, &time) : status;
}

static int sweep(void) {
    static const char text[] = "base: base.yaml\nset: {run.meta_epochs: 3}\nseeds: [1, 2]\n"
                               "axes:\n  input_mixer: [{use: sum}, {use: soft_prune}]\n"
                               "  mixer:\n    a: {op_mixer.use: softmax}\n"
                               "    b: {op_mixer.use: gumbel}\n";
    struct sweep read;
    struct nas_arena arena = {0};
    int n = 0;
    size_t length;
    const char *path = folder_path(&trial.folder, "sweep.yaml");
    file_put(path, text, sizeof text - 1);
    free(trial.faults);
    FILE *faults = open_memstream(&trial.faults, &length);
    assert_non_null(faults);
    const int status = sweep_read(trial.ctx, path, faults, &read);
    assert_int_equal(fclose(faults), 0);
    int short_of = status == MN_OK && sweep_arm_name(&read, 1, &arena) == NULL;
    short_of |= status == MN_OK && sweep_assignments(&read, 1, 1, &arena, &n) == NULL;
    sweep_fini(&read);
    nas_arena_fini(&arena);
    return short_of ? mn_fail(trial.ctx, MN_NOMEM, "no memory") : status;
}

/* ---- starving ----------------------------------------------------------------------------- */

/* A message about memory, or faults of a configuration: what is missing from it is one, whose text
 * may have found no memory, too. */
static int is_about_memory(int status) {
    const char *faults = trial.faults != NULL ? trial.faults : "";
    return status == MN_NOMEM || status == MN_CONFIG || strstr(faults, "memory") != NULL ||
           strstr(nas_ctx_message(trial.ctx), "memory") != NULL;
}

static void starve(int (*work)(void), int place, int turn) {
    starve_at(place, turn);
    const int status = work();
    if (starve_stop()) {
        if (status == MN_OK || !is_about_memory(status) || nas_ctx_message(trial.ctx)[0] == '\0') {
            print_error("call %d at %#lx: status %d, message '%s'\n", turn, starve_address(place),
                        status, nas_ctx_message(trial.ctx));
            wrong++;
        }
    }
    nas_ctx_clear(trial.ctx);
}

static void starve_all(const char *text, int (*work)(void)) {
    const int turns = hostile_count(1, 3);
    config = text;
    starve_record();
    const int status = work();
    starve_stop();
    if (status != MN_OK) {
        fail_msg("%s%s", trial.faults != NULL ? trial.faults : "", nas_ctx_message(trial.ctx));
    }
    assert_in_range(starve_places(), 1, MOST_PLACES - 1);
    for (int i = 0; i < starve_places(); i++) {
        while (tried[i] < turns && tried[i] < starve_calls(i)) {
            starve(work, i, ++tried[i]);
        }
    }
    assert_ok(trial.ctx, work());
}

#define SMALL                                                                                      \
    "run: {seed: 7, meta_epochs: 2, tasks_per_batch: 2, eval_every: 1, log_every: 1,\n"            \
    "      checkpoint_every: 1, workers: 2}\n"                                                     \
    "task: {ways: 3, shots: 1, queries: 1, train_shots: 2}\n"                                      \
    "evaluation: {validation_tasks: 2}\n"                                                          \
    "dataset: {use: glyphs, size: 8, train_classes: 5, val_classes: 4, test_classes: 4,\n"         \
    "          samples: 4}\n"                                                                      \
    "search_space: {use: darts, cells: 2, nodes: 1, channels: 2, reduction_cells: [1],\n"          \
    "               ops: [skip_connect, none]}\n"                                                  \
    "task_learner: {use: darts, steps: 2, batch: 2, test_steps: 2, test_batch: 2}\n"

static void test_no_memory(void **state) {
    static const char *const spaces[] = {
        "task: {ways: 2}\ndataset: {use: toy}\nsearch_space: {use: conv4, channels: 4, blocks: "
        "2}\n",
        "task: {ways: 2}\ndataset: {use: toy}\n"
        "search_space: {use: pc_darts, cells: 2, nodes: 2, channels: 8}\nop_mixer: {use: "
        "softmax}\n",
        "task: {ways: 2}\ndataset: {use: toy}\n"
        "search_space: {use: darts, cells: 2, nodes: 2, parameters: 3000, drop_path: 0.1}\n"
        "meta_learner: {weights: {use: fomaml}, architecture: {use: reptile}}\n",
        "task: {ways: 2}\ndataset: {use: toy}\n"
        "search_space: {use: darts, cells: 2, nodes: 1, channels: 4}\ngenotype: cells.yaml\n",
    };
    static const char cells[] = "normal: ['sep_conv_3x3 0']\n"
                                "reduction: ['dil_conv_3x3 0, conv_1x5_5x1 1']\n";
    file_put(folder_path(&trial.folder, "cells.yaml"), cells, sizeof cells - 1);
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        starve_all(spaces[i], open_it);
    }
    static const char small[] = SMALL;
    static const char starting[] =
        SMALL "head: {use: linear, start: prototypes}\nmeta_learner: {use: fomaml}\n";
    static const char nested[] =
        "run: {seed: 7, meta_epochs: 2, tasks_per_batch: 2, checkpoint_every: 1, workers: 2}\n"
        "task: {ways: 3, shots: 1, queries: 1, train_shots: 2}\n"
        "evaluation: {validation_tasks: 2}\n"
        "dataset: {use: augment, shift: 1, around: {use: glyphs, size: 8, train_classes: 5,\n"
        "          val_classes: 4, test_classes: 4, samples: 4}}\n"
        "search_space: {use: darts, cells: 2, nodes: 1, channels: 2, reduction_cells: [1],\n"
        "               ops: [skip_connect, none]}\n"
        "task_learner: {use: clipped, around: {use: darts, steps: 2, batch: 2, test_steps: 2}}\n"
        "meta_learner: {use: scheduled, around: {use: clipped, around: {use: fomaml}}}\n";
    starve_all(small, open_it);
    starve_all(small, save_and_load);
    starve_all(small, train);
    starve_all(small, replay);
    starve_all(small, evaluate);
    starve_all(starting, train);
    starve_all(starting, evaluate);
    starve_all(nested, open_it);
    starve_all(nested, train);
    starve_all(small, episodes);
    starve_all(small, forecast);
    starve_all(small, sweep);
    printf("%d places\n", starve_places());
    assert_true(starve_places() > 100);
    assert_int_equal(wrong, 0);
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_memory, begin, end),
    };
    assert_true(argc > 1);
    trial_plugins(argv[1]);
    return cmocka_run_group_tests_name("no memory", tests, NULL, NULL);
}
