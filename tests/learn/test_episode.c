/* SPDX-License-Identifier: MIT */
/* Tasks and mini-batches, through the services that plugins call. */
#include "learn/task.h"

#include "../support/check.h"
#include "trial.h"

static struct trial trial;
static struct nas_scope scope;
static struct nas_call call;

/* Everything happens as inside a call of the task learner. */
static int begin(void **state) {
    trial_begin(&trial);
    nas_cancel_reset();
    trial_must_open(&trial, trial_toy, "task.ways=3", "task.shots=2", "task.queries=1",
                    "task.train_shots=4", "task.train_queries=3");
    trial.ctx->where = (struct mn_where){
        .size = sizeof(struct mn_where), .seed = 7, .meta_epoch = 2, .meta_epochs = 4, .task = 1};
    static const struct mn_task none;
    assert_ok(trial.ctx, nas_scope_begin(&scope, &trial.e, trial.ctx, &none, NULL, NULL, NULL, 0));
    call = nas_call_begin(trial.ctx, &trial.e.task_learner);
    return 0;
}

static int end(void **state) {
    assert_ok(trial.ctx, nas_call_end(&call, MN_OK));
    nas_scope_end(trial.ctx);
    trial_end(&trial);
    return 0;
}

static struct mn_task sample(int split, int64_t *classes) {
    struct mn_task task;
    trial.ctx->where.split = split;
    assert_ok(trial.ctx, nas_episode_sample(&trial.e, trial.ctx, &task, classes));
    return task;
}

/* The toy's image s of class c is all c + s / 100. */
static void check_set(const struct mn_set *set, const int64_t *classes, int each, int first) {
    assert_int_equal(set->n, 3 * each);
    for (int i = 0; i < set->n; i++) {
        const double value = (double)classes[i / each] + (first + i % each) / 100.0;
        assert_int_equal(set->labels[i], i / each);
        for (int k = 0; k < 36; k++) {
            assert_close((double)set->images[i * 36 + k], value, 1e-6);
        }
    }
}

static void test_sample(void **state) {
    int64_t classes[3];
    struct mn_task task = sample(MN_TRAIN, classes);
    assert_int_equal(task.ways, 3);
    check_set(&task.support, classes, 4, 0);
    check_set(&task.query, classes, 3, 4);
    task = sample(MN_TEST, classes);
    check_set(&task.support, classes, 2, 0);
    check_set(&task.query, classes, 1, 2);
    task = sample(MN_VAL, NULL);
    assert_int_equal(task.support.n, 6);
}

/* ---- mini-batches ------------------------------------------------------------------------- */

enum { N = 7 };

static void draw(const struct mn_task *task, int64_t step, double values[N]) {
    struct mn_set set;
    assert_ok(trial.ctx, mn_task_batch(trial.ctx, task, step, N, &set));
    assert_int_equal(set.n, N);
    assert_int_equal(trial.ctx->where.step, step);
    for (int i = 0; i < N; i++) {
        int found = 0;
        values[i] = (double)set.images[i * 36];
        for (int k = 0; k < task->support.n; k++) {
            found += (double)task->support.images[k * 36] == values[i] &&
                     task->support.labels[k] == set.labels[i];
        }
        assert_int_equal(found, 1);
    }
}

/* The draws are those of the stream that docs and headers name, and of nothing else. */
static void test_draws(void **state) {
    double values[N];
    struct mn_task task = sample(MN_TRAIN, NULL);
    for (int64_t step = 0; step < 4; step++) {
        struct mn_rng rng = mn_rng_make(7, MN_RNG_BATCH, MN_TRAIN, 2, 1, (uint32_t)step);
        draw(&task, step, values);
        for (int i = 0; i < N; i++) {
            const uint32_t k = mn_rng_below(&rng, 12);
            assert_true(values[i] == (double)task.support.images[k * 36]);
        }
    }
}

static int equal(const double *a, const double *b) {
    return memcmp(a, b, N * sizeof *a) == 0;
}

static void test_streams_differ(void **state) {
    double base[N], other[N];
    struct mn_task task = sample(MN_TRAIN, NULL);
    struct mn_where *where = &trial.ctx->where;
    draw(&task, 0, base);
    draw(&task, 1, other);
    assert_false(equal(base, other));
    where->task++;
    draw(&task, 0, other);
    assert_false(equal(base, other));
    where->task--;
    where->meta_epoch++;
    draw(&task, 0, other);
    assert_false(equal(base, other));
    where->meta_epoch--;
    where->seed++;
    draw(&task, 0, other);
    assert_false(equal(base, other));
    where->seed--;
    where->split = MN_VAL;
    draw(&task, 0, other);
    assert_false(equal(base, other));
    where->split = MN_TRAIN;
    draw(&task, 0, other);
    assert_true(equal(base, other));
}

/* With replacement: each of 12 images is drawn about equally often, and some batch of 7 holds one
 * twice. */
static void test_replacement(void **state) {
    int counts[12] = {0}, twice = 0;
    struct mn_task task = sample(MN_TRAIN, NULL);
    for (int64_t step = 0; step < 2000; step++) {
        double values[N];
        draw(&task, step, values);
        for (int i = 0; i < N; i++) {
            for (int k = 0; k < 12; k++) {
                counts[k] += values[i] == (double)task.support.images[k * 36];
            }
            twice += i > 0 && values[i] == values[i - 1];
        }
    }
    for (int k = 0; k < 12; k++) {
        /* 14000 / 12 within five standard deviations */
        assert_in_range(counts[k], 1167 - 164, 1167 + 164);
    }
    assert_in_range(twice, 1000 - 153, 1000 + 153); /* 12000 pairs, 1 in 12 */
}

static void test_whole_support_set(void **state) {
    struct mn_set set;
    struct mn_task task = sample(MN_TRAIN, NULL);
    assert_ok(trial.ctx, mn_task_batch(trial.ctx, &task, 3, 0, &set));
    assert_ptr_equal(set.images, task.support.images);
    assert_int_equal(set.n, 12);
    assert_failed(trial.ctx, mn_task_batch(trial.ctx, &task, 3, -1, &set), MN_INTERNAL, "of -1");
}

/* Scratch that a learner takes between two mini-batches is its own until it returns, and drawing
 * many batches takes no more room. */
static void test_batches_and_scratch(void **state) {
    struct mn_set set;
    struct mn_task task = sample(MN_TRAIN, NULL);
    assert_ok(trial.ctx, mn_task_batch(trial.ctx, &task, 0, N, &set));
    unsigned char *own = mn_scratch(trial.ctx, 5000);
    assert_non_null(own);
    memset(own, 0x5a, 5000);
    const size_t mark = nas_arena_mark(&trial.context.scratch);
    for (int64_t step = 1; step < 50; step++) {
        assert_ok(trial.ctx, mn_task_batch(trial.ctx, &task, step, N - (int32_t)(step % 3), &set));
    }
    assert_int_equal(nas_arena_mark(&trial.context.scratch), mark);
    assert_ok(trial.ctx, mn_task_batch(trial.ctx, &task, 50, 40, &set));
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(own[i], 0x5a);
    }
}

static void test_prescribed(void **state) {
    struct mn_task task = sample(MN_TRAIN, NULL);
    const struct mn_set sets[2] = {{.n = 1, .images = task.query.images}, {.n = 2}};
    struct mn_set set;
    assert_int_equal(mn_task_steps(trial.ctx, &task, 9), 9);
    scope.watch = (struct nas_watch){.batches = sets, .n_batches = 2};
    assert_int_equal(mn_task_steps(trial.ctx, &task, 9), 2);
    assert_ok(trial.ctx, mn_task_batch(trial.ctx, &task, 0, 5, &set));
    assert_ptr_equal(set.images, task.query.images);
    assert_ok(trial.ctx, mn_task_batch(trial.ctx, &task, 1, 5, &set));
    assert_int_equal(set.n, 2);
    assert_failed(trial.ctx, mn_task_batch(trial.ctx, &task, 2, 5, &set), MN_INTERNAL,
                  "mini-batch 2 of 2");
    nas_scope_end(trial.ctx);
    assert_failed(trial.ctx, mn_task_batch(trial.ctx, &task, 0, 5, &set), MN_INTERNAL,
                  "outside of a task");
}

/* ---- step_done ---------------------------------------------------------------------------- */

struct seen {
    int n, status;
    int64_t step;
    double loss, accuracy, skip_share;
};

static int see(void *data, struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
               double skip_share, const struct mn_point *now) {
    struct seen *seen = data;
    *seen = (struct seen){seen->n + 1, seen->status, step, loss, accuracy, skip_share};
    return seen->status;
}

static void test_step_done(void **state) {
    struct seen seen = {0};
    scope.watch = (struct nas_watch){.on_step = see, .data = &seen};
    assert_ok(trial.ctx, mn_step_done(trial.ctx, 4, 1.5, 0.25, 0.75, NULL));
    assert_true(seen.n == 1 && seen.step == 4 && seen.loss == 1.5 && seen.accuracy == 0.25 &&
                seen.skip_share == 0.75);
    assert_failed(trial.ctx, mn_step_done(trial.ctx, 5, NAN, 0, 0, NULL), MN_NUMERIC,
                  "loss is nan");
    assert_failed(trial.ctx, mn_step_done(trial.ctx, 5, -INFINITY, 0, 0, NULL), MN_NUMERIC, "inf");
    assert_int_equal(seen.n, 1);
    nas_cancel(15);
    assert_failed(trial.ctx, mn_step_done(trial.ctx, 5, 1, 0, 0, NULL), MN_CANCELLED, "stopped");
    nas_cancel_reset();
    assert_int_equal(seen.n, 2);
    seen.status = MN_IO;
    assert_int_equal(mn_step_done(trial.ctx, 6, 1, 0, 0, NULL), MN_IO);
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sample, begin, end),
        cmocka_unit_test_setup_teardown(test_draws, begin, end),
        cmocka_unit_test_setup_teardown(test_streams_differ, begin, end),
        cmocka_unit_test_setup_teardown(test_replacement, begin, end),
        cmocka_unit_test_setup_teardown(test_whole_support_set, begin, end),
        cmocka_unit_test_setup_teardown(test_batches_and_scratch, begin, end),
        cmocka_unit_test_setup_teardown(test_prescribed, begin, end),
        cmocka_unit_test_setup_teardown(test_step_done, begin, end),
    };
    assert_true(argc > 1);
    trial_plugins(argv[1]);
    return cmocka_run_group_tests_name("episode", tests, NULL, NULL);
}
