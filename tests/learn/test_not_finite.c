/* SPDX-License-Identifier: MIT */
/* Numbers that are not finite in meta-training: run.on_nan and run.max_loss, on the learners of
 * toy.c. */
#include "learn/train.h"

#include "fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#ifdef MN_REAL_DOUBLE
#define ROUNDING 1e-13
#else
#define ROUNDING 2e-6
#endif

enum { TASKS = 4, STEPS = 2, EPOCHS = 4, BAD_EPOCH = 1, BAD_TASK = 2 };

#define SKIP "run.on_nan=skip_task", "task_learner.at_epoch=1", "task_learner.at_task=2"

static int file_holds(const char *dir, const char *name, const char *text) {
    size_t length;
    uint8_t *all = file_get(trial_in(&trial, dir, name), &length);
    const int holds = strstr((char *)all, text) != NULL;
    free(all);
    return holds;
}

/* ---- skip_task ---------------------------------------------------------------------------- */

/* The change of w_k, a_k by the formulas of toy.c, without the bad task. */
static double w_after(int64_t k, double w) {
    double seen = 0;
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        double sum = 0;
        int n = 0;
        for (int t = 0; t < TASKS; t++) {
            if (epoch != BAD_EPOCH || t != BAD_TASK) {
                sum -= STEPS * (double)(k % 7 + 1) * (t + 1) / 64;
                n++;
            }
        }
        seen += sum / n;
        w -= sum / n + seen / 2;
    }
    return w;
}

/* state_1 = 2 state_1 + t + 1 in a task, then the mean over tasks: 2.5 are added in a whole
 * meta-batch, (1 + 2 + 4) / 3 without the third. */
static double state_after(void) {
    double x = 0;
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        x = 2 * x + (epoch == BAD_EPOCH ? 7.0 / 3 : 2.5);
    }
    return x;
}

static void check_skip(const char *fault, const char *workers, const char *dir) {
    struct nas_state s;
    double before[512];
    trial_must_open(&trial, trial_toy, SKIP, fault, workers);
    const int64_t n_w = nas_model_dims(trial.e.model)->n_w;
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    for (int64_t k = 0; k < n_w; k++) {
        before[k] = (double)s.meta.w[k];
    }
    assert_ok(trial.ctx, trial_train(&trial, dir, &s));
    for (int64_t k = 0; k < n_w; k++) {
        assert_close((double)s.meta.w[k], w_after(k, before[k]), ROUNDING);
    }
    assert_close((double)s.learner[1], state_after(), ROUNDING);
    assert_int_equal(s.meta_epoch, EPOCHS);
    nas_state_fini(&s);
}

static void test_skip(void **state) {
    static const char *const faults[] = {"task_learner.fault=nan_loss",
                                         "task_learner.fault=nan_weight",
                                         "task_learner.fault=nan_state"};
    static const char *const workers[] = {"run.workers=1", "run.workers=2", "run.workers=4"};
    for (int f = 0; f < 3; f++) {
        for (int w = 0; w < 3; w++) {
            char dir[16];
            snprintf(dir, sizeof dir, "run%d%d", f, w);
            check_skip(faults[f], workers[w], dir);
            if (w > 0) {
                char one[16];
                snprintf(one, sizeof one, "run%d0", f);
                trial_check_same(&trial, one, dir);
            }
        }
    }
}

/* The line tells which; the steps before the failure are kept: losses 1 + 2/8 + step. */
static void test_skip_is_told(void **state) {
    trial_must_open(&trial, trial_toy, SKIP, "task_learner.fault=nan_loss");
    assert_ok(trial.ctx, trial_train_new(&trial, "run"));
    assert_true(file_holds("run", "metrics.jsonl",
                           "{\"kind\":\"skipped\",\"meta_epoch\":1,\"task\":2,\"step\":1,"
                           "\"seed\":7}\n"));
    assert_true(
        file_holds("run", "steps.csv", "meta_epoch,task,step,loss,accuracy\n1,2,0,1.25,0.5\n"));
    assert_false(file_holds("run", "steps.csv", "1,2,1,"));
    trial_must_open(&trial, trial_toy, "run.log_steps=true");
    assert_ok(trial.ctx, trial_train_new(&trial, "all"));
    assert_true(file_holds("all", "steps.csv", "\n0,0,0,0,0\n0,0,1,1,0\n0,1,0,0.125,0.25\n"));
    assert_true(file_holds("all", "steps.csv", "\n3,3,1,4.375,0.75\n"));
}

/* Carried from task to task the state passes a bad one by: 1 + 2 + 4 are added in that meta-epoch
 * to the sum of 10 in each of the others. */
static void test_skip_carry(void **state) {
    struct nas_state s;
    trial_must_open(&trial, trial_toy, SKIP, "task_learner.fault=nan_state",
                    "task_learner.moments=carry", "run.workers=3");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_ok(trial.ctx, trial_train(&trial, "run", &s));
    assert_close((double)s.learner[0], 3 * 10 + 7, ROUNDING);
    nas_state_fini(&s);
}

static void test_skip_all(void **state) {
    trial_must_open(&trial, trial_toy, SKIP, "task_learner.at_task=0", "run.tasks_per_batch=1",
                    "task_learner.fault=nan_loss");
    assert_failed(trial.ctx, trial_train_new(&trial, "run"), MN_NUMERIC,
                  "meta-epoch 1, task 0 (seed 7): ", "and so is every task of the meta-batch");
}

/* A validation task that is not finite is left out of the mean, whatever the policy. */
static void test_skip_covers_validation_tasks(void **state) {
    static const char *const policies[] = {"run.on_nan=skip_task", "run.on_nan=rollback"};
    static const char *const workers[] = {"run.workers=1", "run.workers=3"};
    for (int i = 0; i < 4; i++) {
        char dir[16];
        snprintf(dir, sizeof dir, "run%d", i);
        trial_must_open(&trial, trial_toy, "task_learner.fault=nan_loss",
                        "task_learner.validating=true", "task_learner.at_task=1",
                        "run.eval_every=2", "evaluation.validation_tasks=3", policies[i / 2],
                        workers[i % 2]);
        assert_ok(trial.ctx, trial_train_new(&trial, dir));
        assert_true(file_holds(dir, "metrics.jsonl", "\"tasks\":2,"));
        assert_true(file_holds(dir, "metrics.jsonl", "\"skipped\":1,"));
        assert_false(file_holds(dir, "metrics.jsonl", "\"kind\":\"rollback\""));
    }
    trial_check_same(&trial, "run0", "run1");
}

static void test_validation_of_which_nothing_is_left(void **state) {
    trial_must_open(&trial, trial_toy, "task_learner.fault=nan_loss",
                    "task_learner.validating=true", "task_learner.at_task=0",
                    "evaluation.validation_tasks=1", "run.on_nan=skip_task");
    assert_ok(trial.ctx, trial_train_new(&trial, "run"));
    assert_true(file_holds("run", "metrics.jsonl", "\"accuracy_mean\":null,"));
    assert_int_not_equal(access(trial_in(&trial, "run", "best.safetensors"), F_OK), 0);
    assert_int_equal(access(trial_in(&trial, "run", "checkpoint.safetensors"), F_OK), 0);
}

/* The policies are offered where they are not set already. */
static void test_advice_is_not_what_is_set(void **state) {
    trial_must_open(&trial, trial_toy, "task_learner.fault=nan_loss",
                    "task_learner.validating=true", "task_learner.at_task=0");
    assert_failed(trial.ctx, trial_train_new(&trial, "stop"), MN_NUMERIC, "validation task 0",
                  "let run.on_nan be skip_task or rollback");
    trial_must_open(&trial, trial_toy, SKIP, "task_learner.at_task=0", "run.tasks_per_batch=1",
                    "task_learner.fault=nan_loss");
    assert_failed(trial.ctx, trial_train_new(&trial, "skip"), MN_NUMERIC,
                  "lower the learning rates");
    assert_null(strstr(nas_ctx_message(trial.ctx), "let run.on_nan"));
}

/* Only numbers are skipped; other failures end the run. */
static void test_skip_only_numbers(void **state) {
    trial_must_open(&trial, trial_toy, SKIP, "task_learner.fault=status");
    assert_failed(trial.ctx, trial_train_new(&trial, "run"), MN_UNSUPPORTED, "told to fail");
    trial_must_open(&trial, trial_toy, "run.on_nan=skip_task", "meta_learner.fault=2");
    assert_failed(trial.ctx, trial_train_new(&trial, "other"), MN_NUMERIC,
                  "meta-epoch 2: ", "the updated state holds");
}

/* ---- rollback ----------------------------------------------------------------------------- */

#define ROLLBACK                                                                                   \
    "run.on_nan=rollback", "run.checkpoint_every=2", "task_learner.at_epoch=3",                    \
        "task_learner.at_task=1", "task_learner.fault=nan_loss"

/* What the toy adds does not depend on the images, so the end is that of an undisturbed run. */
static void test_rollback(void **state) {
    struct nas_state whole, back;
    trial_must_open(&trial, trial_toy, "run.checkpoint_every=2");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &whole));
    assert_ok(trial.ctx, trial_train(&trial, "whole", &whole));
    trial_must_open(&trial, trial_toy, ROLLBACK, "task_learner.first_draw=true");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &back));
    assert_ok(trial.ctx, trial_train(&trial, "back", &back));
    for (int64_t k = 0; k < nas_model_dims(trial.e.model)->n_w; k++) {
        assert_true(back.meta.w[k] == whole.meta.w[k]);
    }
    assert_int_equal(back.rollbacks, 1);
    assert_true(file_holds("back", "metrics.jsonl",
                           "{\"kind\":\"rollback\",\"meta_epoch\":2,\"from\":3,\"task\":1,"
                           "\"rollbacks\":1}\n"));
    nas_state_fini(&whole);
    nas_state_fini(&back);
}

/* Before the first checkpoint there is the beginning. */
static void test_rollback_to_the_beginning(void **state) {
    trial_must_open(&trial, trial_toy, ROLLBACK, "task_learner.first_draw=true",
                    "run.checkpoint_every=0");
    assert_ok(trial.ctx, trial_train_new(&trial, "run"));
    assert_true(
        file_holds("run", "metrics.jsonl", "{\"kind\":\"rollback\",\"meta_epoch\":0,\"from\":3,"));
}

/* Two times, then no more: the seed is 7 + 2 * 2^53. */
static void test_rollback_is_limited(void **state) {
    trial_must_open(&trial, trial_toy, ROLLBACK, "run.rollbacks=2");
    assert_failed(trial.ctx, trial_train_new(&trial, "run"), MN_NUMERIC,
                  "meta-epoch 3, task 1 (seed 18014398509481991): ",
                  "run.rollbacks allows to go back 2 times");
}

/* An update and a validation that are not finite roll back, too. */
static void test_rollback_of_update(void **state) {
    trial_must_open(&trial, trial_toy, "run.on_nan=rollback", "run.rollbacks=1",
                    "meta_learner.fault=3");
    assert_failed(trial.ctx, trial_train_new(&trial, "run"), MN_NUMERIC,
                  "meta-epoch 3: ", "the updated state holds", "allows to go back 1 times");
}

static void on_signal(int number) {
    nas_cancel(number);
}

static void cancel_after(long microseconds) {
    const struct itimerval timer = {.it_value.tv_usec = microseconds};
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

/* Stops leave checkpoints outside of the schedule; the rollback does not go to them. */
static void test_rollback_resumed(void **state) {
    int stops = 0;
    long wait = 3000;
    trial_must_open(&trial, trial_toy, ROLLBACK, "task_learner.first_draw=true",
                    "task_learner.nap=1", "run.workers=2");
    assert_ok(trial.ctx, trial_train_new(&trial, "whole"));
    cancel_after(wait);
    int status = trial_train_new(&trial, "part");
    while (status == MN_CANCELLED) {
        nas_ctx_clear(trial.ctx);
        nas_cancel_reset();
        stops++;
        wait += wait / 8;
        cancel_after(wait);
        status = trial_resume(&trial, "part");
    }
    cancel_after(0);
    nas_cancel_reset();
    assert_ok(trial.ctx, status);
    assert_true(stops > 1);
    trial_check_same(&trial, "whole", "part");
}

static void test_rollback_needs_two(void **state) {
    const char *const sets[] = {"run.on_nan=rollback", "run.keep_checkpoints=1", NULL};
    assert_failed(trial.ctx, trial_open(&trial, trial_toy, sets), MN_CONFIG, "1 fault");
    assert_non_null(strstr(trial.faults, "run: keep_checkpoints: on_nan: rollback "
                                         "needs 2 or more"));
}

/* ---- divergence --------------------------------------------------------------------------- */

/* The loss is e + t / 8 + step: 2.25 in the last step of task 2 of meta-epoch 1. */
static void test_max_loss(void **state) {
    trial_must_open(&trial, trial_toy, "run.max_loss=2.2", "run.workers=2");
    assert_failed(trial.ctx, trial_train_new(&trial, "run"), MN_NUMERIC,
                  "meta-epoch 1, task 2 (seed 7): task_learner toy: step 1: the loss is 2.25, "
                  "above run.max_loss (2.2)",
                  "metanas replay ", "--meta-epoch 1 --task 2 does this task again");
    trial_must_open(&trial, trial_toy, "run.max_loss=0");
    assert_ok(trial.ctx, trial_train_new(&trial, "none"));
}

/* The second step sees what the first one did, and nothing of it reaches the meta state. */
static void test_learning_rate(void **state) {
    struct nas_state s, fresh;
    trial_must_open(&trial, trial_glyphs, "task_learner.lr_w=1e9", "run.workers=2");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &fresh));
    assert_failed(trial.ctx, trial_train(&trial, "run", &s), MN_NUMERIC,
                  "meta-epoch 0, task 0 (seed 3): task_learner darts: step ", "the loss is ");
    assert_memory_equal(s.meta.w, fresh.meta.w,
                        (size_t)nas_model_dims(trial.e.model)->n_w * sizeof(mn_real));
    nas_state_fini(&s);
    nas_state_fini(&fresh);
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_skip, begin, end),
        cmocka_unit_test_setup_teardown(test_skip_is_told, begin, end),
        cmocka_unit_test_setup_teardown(test_skip_carry, begin, end),
        cmocka_unit_test_setup_teardown(test_skip_all, begin, end),
        cmocka_unit_test_setup_teardown(test_skip_covers_validation_tasks, begin, end),
        cmocka_unit_test_setup_teardown(test_validation_of_which_nothing_is_left, begin, end),
        cmocka_unit_test_setup_teardown(test_advice_is_not_what_is_set, begin, end),
        cmocka_unit_test_setup_teardown(test_skip_only_numbers, begin, end),
        cmocka_unit_test_setup_teardown(test_rollback, begin, end),
        cmocka_unit_test_setup_teardown(test_rollback_to_the_beginning, begin, end),
        cmocka_unit_test_setup_teardown(test_rollback_is_limited, begin, end),
        cmocka_unit_test_setup_teardown(test_rollback_of_update, begin, end),
        cmocka_unit_test_setup_teardown(test_rollback_resumed, begin, end),
        cmocka_unit_test_setup_teardown(test_rollback_needs_two, begin, end),
        cmocka_unit_test_setup_teardown(test_max_loss, begin, end),
        cmocka_unit_test_setup_teardown(test_learning_rate, begin, end),
    };
    assert_true(argc > 1);
    trial_plugins(argv[1]);
    signal(SIGALRM, on_signal);
    return cmocka_run_group_tests_name("not finite", tests, NULL, NULL);
}
