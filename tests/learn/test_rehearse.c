/* SPDX-License-Identifier: MIT */
#include "../../tools/metanas/estimate/rehearse.h"

#include "../support/check.h"
#include "trial.h"

#include <stdlib.h>

static struct trial trial;
static struct nas_state start;

static int begin(void **state) {
    trial_begin(&trial);
    nas_cancel_reset();
    return 0;
}

static int end(void **state) {
    nas_state_fini(&start);
    trial_end(&trial);
    return 0;
}

static const struct mn_where place = {
    .size = sizeof place, .split = MN_TRAIN, .seed = 7, .meta_epoch = 2, .meta_epochs = 4};

/* For `seconds` on two workers, of which `lanes` have something to do. */
static int rehearse_on(int lanes, double seconds, struct pace *out) {
    struct nas_threads *workers;
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &start));
    assert_ok(trial.ctx, nas_threads_new(trial.ctx, 2, trial.e.model, &workers));
    const int status = rehearse(&trial.e, trial.ctx, workers, lanes, &place, &start, seconds, out);
    nas_threads_free(workers);
    return status;
}

/* A sleep takes no less time than it was asked for, so a step of two workers together takes no less
 * than half of it. */
static void test_pace(void **state) {
    struct pace pace;
    trial_must_open(&trial, trial_toy, "task_learner.nap=5");
    assert_ok(trial.ctx, rehearse_on(1, 0.1, &pace));
    assert_true(pace.step >= 0.005);
    assert_true(pace.steps >= 1 && pace.steps <= 20);
    nas_state_fini(&start);
    assert_ok(trial.ctx, rehearse_on(2, 0.1, &pace));
    assert_true(pace.step >= 0.0025);
    assert_true(pace.steps >= 2 && pace.steps <= 40);
}

/* However short the time, each worker does a step after its first. */
static void test_no_time(void **state) {
    struct pace pace;
    trial_must_open(&trial, trial_toy, "task_learner.nap=1");
    assert_ok(trial.ctx, rehearse_on(2, 0, &pace));
    assert_int_equal(pace.steps, 2);
    assert_true(pace.step >= 0.0005);
}

static void test_state_stays(void **state) {
    struct pace pace;
    trial_must_open(&trial, trial_toy, NULL);
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    const size_t size = (size_t)d->n_w * sizeof(mn_real);
    mn_real *fresh = malloc(size);
    struct mn_point point = {fresh, calloc((size_t)d->n_a, sizeof(mn_real))};
    assert_non_null(fresh);
    assert_non_null(point.a);
    nas_model_init(trial.e.model, 7, trial.e.run.alpha_std, &point);
    assert_ok(trial.ctx, rehearse_on(2, 0.01, &pace));
    assert_true(pace.steps > 0);
    assert_memory_equal(start.meta.w, fresh, size);
    assert_true(start.learner[0] == 0 && start.meta_epoch == 0);
    free(fresh);
    free(point.a);
}

static void test_failures(void **state) {
    struct pace pace;
    /* Losses of the toy grow with the number of the task, of which a fast machine does many. */
    trial_must_open(&trial, trial_toy, "task_learner.fault=nan_loss", "task_learner.at_epoch=2",
                    "task_learner.at_task=1", "run.max_loss=0");
    assert_failed(trial.ctx, rehearse_on(2, 0.05, &pace), MN_NUMERIC, "the loss is nan");
    nas_state_fini(&start);
    nas_cancel(15);
    assert_failed(trial.ctx, rehearse_on(2, 0.05, &pace), MN_CANCELLED, "stopped by the user");
    nas_cancel_reset();
}

/* Made-up tasks have the images that the task section asks for, as many of each class. */
static void test_task(void **state) {
    const int supports[] = {4, 2}, splits[] = {MN_TRAIN, MN_VAL};
    trial_must_open(&trial, trial_glyphs, NULL);
    for (int i = 0; i < 2; i++) {
        struct mn_task task;
        int counts[3] = {0};
        double sum = 0;
        trial.ctx->where = place;
        trial.ctx->where.split = splits[i];
        assert_ok(trial.ctx, rehearse_task(&trial.e, trial.ctx, &task));
        assert_int_equal(task.ways, 3);
        assert_int_equal(task.support.n, 3 * supports[i]);
        assert_int_equal(task.query.n, 3 * 2);
        for (int k = 0; k < task.support.n; k++) {
            counts[task.support.labels[k]]++;
        }
        for (int k = 0; k < 3; k++) {
            assert_int_equal(counts[k], supports[i]);
        }
        for (int k = 0; k < task.support.n * 100; k++) {
            sum += (double)(task.support.images[k] * task.support.images[k]);
        }
        assert_close(sum / (task.support.n * 100), 1, 0.2); /* standard normal pixels */
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: test_rehearse DIRECTORY\n");
        return 1;
    }
    trial_plugins(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pace, begin, end),
        cmocka_unit_test_setup_teardown(test_no_time, begin, end),
        cmocka_unit_test_setup_teardown(test_state_stays, begin, end),
        cmocka_unit_test_setup_teardown(test_failures, begin, end),
        cmocka_unit_test_setup_teardown(test_task, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
