/* SPDX-License-Identifier: MIT */
#include "exec/threads.h"
#include "learn/adapt.h"
#include "learn/evaluate.h"
#include "learn/task.h"
#include "support/allocations.h"

#include "fixture.h"

#include <stdlib.h>

/* Tasks as meta-training and a test do them, on the real plugins: a worker's first task may ask for
 * memory, the others find all they need. */

enum { WORKERS = 2, TASKS = 6 };

struct tally {
    struct nas_state state;
    struct nas_direction directions[TASKS];
    uint8_t *keep[TASKS];
    struct nas_arena arena;
    const struct mn_ctx *worker[TASKS]; /* who did the task */
    uint64_t calls[TASKS];
};

static int train(const struct nas_experiment *e, struct mn_ctx *ctx, struct tally *t,
                 int64_t index) {
    struct mn_task task;
    struct mn_point params;
    mn_real *learner;
    int status = nas_adapt_start(e, ctx, &t->state.meta, t->state.learner, &params, &learner);
    if (status == MN_OK) {
        status = nas_episode_sample(e, ctx, &task, NULL);
    }
    return status != MN_OK ? status
                           : nas_task_direction(e, ctx, &task, NULL, &t->state.meta, &params,
                                                learner, &t->directions[index]);
}

static int evaluate(const struct nas_experiment *e, struct mn_ctx *ctx, struct tally *t,
                    int64_t index) {
    struct mn_task task;
    struct nas_solution solution = {.keep = t->keep[index]};
    const int status = nas_episode_sample(e, ctx, &task, NULL);
    return status != MN_OK ? status
                           : nas_solve(e, ctx, &t->state.meta, t->state.learner, &task, &solution);
}

static int counted(void *data, struct mn_ctx *ctx, int64_t index) {
    struct tally *t = data;
    const uint64_t before = allocations_here();
    const int status = ctx->where.split == MN_TRAIN ? train(&trial.e, ctx, t, index)
                                                    : evaluate(&trial.e, ctx, t, index);
    t->calls[index] = allocations_here() - before;
    t->worker[index] = ctx;
    return status;
}

static void tally_begin(struct tally *t) {
    memset(t, 0, sizeof *t);
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &t->state));
    for (int i = 0; i < TASKS; i++) {
        assert_true(nas_direction_new(&trial.e, &t->arena, &t->directions[i]));
        t->keep[i] =
            nas_arena_take(&t->arena, (size_t)nas_model_dims(trial.e.model)->n_choices + 1);
        assert_non_null(t->keep[i]);
    }
}

static void tally_end(struct tally *t) {
    nas_state_fini(&t->state);
    nas_arena_fini(&t->arena);
}

/* A worker does its tasks in order. */
static void check_calls(const struct tally *t, const char *what) {
    for (int i = 0; i < TASKS; i++) {
        int first = 1;
        for (int k = 0; k < i; k++) {
            first &= t->worker[k] != t->worker[i];
        }
        if (!first && t->calls[i] > 0) {
            fail_msg("%s: task %d called the allocator %llu times", what, i,
                     (unsigned long long)t->calls[i]);
        }
    }
}

/* The tasks of a split on new workers. */
static void check_split(int split, const char *what) {
    const struct mn_where where = {.size = sizeof where,
                                   .split = split,
                                   .seed = 3,
                                   .meta_epoch = split == MN_TRAIN ? 3 : 4, /* after warm-up */
                                   .meta_epochs = 4};
    struct nas_threads *workers;
    struct tally t;
    tally_begin(&t);
    assert_ok(trial.ctx, nas_threads_new(trial.ctx, WORKERS, trial.e.model, &workers));
    assert_ok(trial.ctx, nas_threads_run(workers, trial.ctx, &where, 0, TASKS, 0, counted, &t));
    nas_threads_free(workers);
    check_calls(&t, what);
    tally_end(&t);
}

#define check_tasks(...)                                                                           \
    do {                                                                                           \
        trial_must_open(&trial, trial_glyphs, __VA_ARGS__);                                        \
        check_split(MN_TRAIN, #__VA_ARGS__);                                                       \
        check_split(MN_TEST, #__VA_ARGS__);                                                        \
    } while (0)

/* Without this one the others could not fail. */
static void must_count(void) {
    const uint64_t before = allocations_here();
    char *volatile at = malloc(10);
    free(at);
    if (allocations_here() != before + 2) {
        print_message("not checked: another allocator, such as a sanitizer's, stands before the "
                      "counting one\n");
        skip();
    }
}

static void test_task_learners(void **state) {
    must_count();
    check_tasks("task_learner.order=joint");
    check_tasks("task_learner.order=alternating");
    check_tasks("task_learner.order=unrolled");
    check_tasks("task_learner={use: sgd, steps: 3, batch: 4, test_steps: 4, test_batch: 4}");
}

static void test_meta_learners(void **state) {
    must_count();
    check_tasks("meta_learner.use=reptile");
    check_tasks("meta_learner.use=fomaml");
    check_tasks("meta_learner.use=maml");
    check_tasks("meta_learner.use=meta_sgd");
    check_tasks("meta_learner={use: alfa, hidden: 5}");
}

static void test_mixers(void **state) {
    must_count();
    check_tasks("op_mixer.use=softmax", "input_mixer.use=sum");
    check_tasks("op_mixer.use=gumbel");
    check_tasks("op_mixer.use=gdas");
}

static void test_modes(void **state) {
    must_count();
    check_tasks("evaluation.batch_norm=support");
    check_tasks("run.kernels=openblas");
    check_tasks("search_space.drop_path=0.3", "task_learner.moments=reset");
    check_tasks("search_space={use: conv4, channels: 4}",
                "dataset={use: glyphs, size: 16, train_classes: 20, val_classes: 10, "
                "test_classes: 10}");
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: test_allocations DIRECTORY\n");
        return 1;
    }
    trial_plugins(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_task_learners, begin, end),
        cmocka_unit_test_setup_teardown(test_meta_learners, begin, end),
        cmocka_unit_test_setup_teardown(test_mixers, begin, end),
        cmocka_unit_test_setup_teardown(test_modes, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
