/* SPDX-License-Identifier: MIT */
#include "../../tools/metanas/estimate/forecast.h"

#include "fixture.h"

static struct time_forecast forecast(void) {
    struct time_forecast time;
    assert_ok(trial.ctx, forecast_time(&trial.e, trial.ctx, 0.06, &time));
    return time;
}

/* Five tasks of two steps. Together, two workers need three rounds of a task each, in which a step
 * takes one worker twice the time that it takes both. */
static void test_rounds(void **state) {
    trial_must_open(&trial, trial_toy, "task_learner.nap=2", "run.tasks_per_batch=5");
    struct time_forecast time = forecast();
    assert_true(time.step[1] >= 0.002);
    assert_close(time.meta_epoch[1], 5 * 2 * time.step[1], 1e-9);
    trial_must_open(&trial, trial_toy, "task_learner.nap=2", "run.tasks_per_batch=5",
                    "run.workers=2");
    time = forecast();
    assert_true(time.step[1] >= 0.001);
    assert_close(time.meta_epoch[1], 3 * 2 * 2 * time.step[1], 1e-9);
    /* carried moments: one task after the other */
    trial_must_open(&trial, trial_toy, "task_learner.nap=2", "run.tasks_per_batch=5",
                    "run.workers=2", "task_learner.moments=carry");
    time = forecast();
    assert_true(time.step[1] >= 0.002);
    assert_close(time.meta_epoch[1], 5 * 2 * time.step[1], 1e-9);
}

/* Ten meta-epochs with a validation every fourth and at the end make three. */
static void test_run(void **state) {
    trial_must_open(&trial, trial_toy, "task_learner.nap=2", "run.meta_epochs=10",
                    "run.eval_every=4");
    const struct time_forecast time = forecast();
    assert_true(time.validation >= 3 * 2 * 0.002);
    assert_close(time.run, 10 * time.meta_epoch[1] + 3 * time.validation, 1e-9);
    assert_true(time.warm_up == 0 && time.meta_epoch[0] == time.meta_epoch[1]);
}

static void check_warm_up(const char *meta_epochs, const char *fraction, int64_t expected) {
    trial_must_open(&trial, trial_glyphs, meta_epochs, fraction);
    const struct time_forecast time = forecast();
    assert_int_equal(time.warm_up, expected);
    assert_true(time.step[0] > 0 && time.step[1] > 0 && time.steps > 0);
}

/* The architecture rests while meta-epoch < warm_up * meta_epochs. */
static void test_warm_up(void **state) {
    check_warm_up("run.meta_epochs=4", "task_learner.warm_up=0.25", 1);
    check_warm_up("run.meta_epochs=1000", "task_learner.warm_up=0.5", 500);
    check_warm_up("run.meta_epochs=7", "task_learner.warm_up=0.5", 4);
    check_warm_up("run.meta_epochs=10", "task_learner.warm_up=0", 0);
    check_warm_up("run.meta_epochs=10", "task_learner.warm_up=1", 0);
    check_warm_up("run.meta_epochs=0", "task_learner.warm_up=0.5", 0);
}

static void test_failure(void **state) {
    struct time_forecast time;
    trial_must_open(&trial, trial_toy, "task_learner.fault=status", "task_learner.at_epoch=3");
    assert_failed(trial.ctx, forecast_time(&trial.e, trial.ctx, 0.01, &time), MN_UNSUPPORTED,
                  "told to fail");
}

/* How near the peak is to that of a run: tests/cli/forecast.sh. */
static void test_memory(void **state) {
    struct memory_forecast one, three;
    trial_must_open(&trial, trial_glyphs, "run.workers=1");
    forecast_memory(&trial.e, &one);
    const int64_t workspace = (int64_t)nas_model_workspace_bytes(trial.e.model);
    trial_must_open(&trial, trial_glyphs, "run.workers=3");
    forecast_memory(&trial.e, &three);
    assert_int_equal(one.workspaces, workspace);
    assert_int_equal(three.workspaces, 3 * workspace);
    assert_true(three.tasks > one.tasks && one.tasks > 0);
    assert_int_equal(three.peak, three.resident + three.workspaces + three.tasks);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: test_forecast DIRECTORY\n");
        return 1;
    }
    trial_plugins(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rounds, begin, end),
        cmocka_unit_test_setup_teardown(test_run, begin, end),
        cmocka_unit_test_setup_teardown(test_warm_up, begin, end),
        cmocka_unit_test_setup_teardown(test_failure, begin, end),
        cmocka_unit_test_setup_teardown(test_memory, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
