/* SPDX-License-Identifier: MIT */
/* Algorithms 1 and 2 on the learners of toy.c, whose results are short formulas. */
#include "learn/evaluate.h"
#include "learn/meta_step.h"
#include "learn/train.h"

#include "fixture.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#ifdef MN_REAL_DOUBLE
#define ROUNDING 1e-13
#else
#define ROUNDING 2e-6
#endif

enum { TASKS = 4, STEPS = 2, EPOCHS = 4 };

static const char *in(const char *dir, const char *name) {
    return trial_in(&trial, dir, name);
}

static int train(const char *dir, struct nas_state *state) {
    return trial_train(&trial, dir, state);
}

static int train_new(const char *dir) {
    return trial_train_new(&trial, dir);
}

static int resume(const char *dir) {
    return trial_resume(&trial, dir);
}

/* ---- the outer loop ----------------------------------------------------------------------- */

static void copy_of(const mn_real *from, int64_t n, double *out) {
    for (int64_t k = 0; k < n; k++) {
        out[k] = (double)from[k];
    }
}

/* Weights and logits after EPOCHS, by the formulas of toy.c. `adapts` is enum mn_adapts. */
static void expect(int adapts, int64_t n_w, double *w, int64_t n_a, double *a, double *seen) {
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        for (int64_t k = 0; k < n_w; k++) {
            double mean = 0;
            for (int t = 0; t < TASKS && (adapts & MN_ADAPTS_W) != 0; t++) {
                mean -= STEPS * (double)(k % 7 + 1) * (t + 1) / 64 / TASKS;
            }
            seen[k] += mean;
            w[k] -= mean + seen[k] / 2;
        }
        for (int64_t k = 0; k < n_a && (adapts & MN_ADAPTS_A) != 0; k++) {
            a[k] += STEPS * (double)(k % 3 + 1) * (epoch + 1) / 32;
        }
    }
}

static void check_loop(int adapts, const char *set) {
    struct nas_state state;
    double w[512], a[16], seen[512] = {0};
    trial_must_open(&trial, trial_toy, set);
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    assert_true(d->n_w < 512 && d->n_a > 0 && d->n_a < 16);
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &state));
    copy_of(state.meta.w, d->n_w, w);
    copy_of(state.meta.a, d->n_a, a);
    assert_ok(trial.ctx, train("run", &state));
    expect(adapts, d->n_w, w, d->n_a, a, seen);
    assert_int_equal(state.n_named, 1);
    assert_string_equal(state.named[0].name, "meta.seen");
    for (int64_t k = 0; k < d->n_w; k++) {
        assert_close((double)state.meta.w[k], w[k], ROUNDING);
        assert_close((double)state.named[0].at[k], seen[k], ROUNDING);
    }
    for (int64_t k = 0; k < d->n_a; k++) {
        assert_close((double)state.meta.a[k], a[k], ROUNDING);
    }
    assert_int_equal(state.meta_epoch, EPOCHS);
    nas_state_fini(&state);
}

static void test_algorithm_1(void **state) {
    check_loop(MN_ADAPTS_W | MN_ADAPTS_A, "task_learner.adapts=3");
}

static void test_only_weights(void **state) {
    check_loop(MN_ADAPTS_W, "task_learner.adapts=1");
}

static void test_only_architecture(void **state) {
    check_loop(MN_ADAPTS_A, "task_learner.adapts=2");
}

/* ---- optimiser state ---------------------------------------------------------------------- */

/* state_0 += t + 1 and state_1 = 2 state_1 + t + 1 in every task. */
static void check_moments(const char *set, double first, double second) {
    struct nas_state state;
    trial_must_open(&trial, trial_toy, "run.meta_epochs=2", "run.workers=3", set);
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &state));
    assert_ok(trial.ctx, train("run", &state));
    assert_close((double)state.learner[0], first, ROUNDING);
    assert_close((double)state.learner[1], second, ROUNDING);
    nas_state_fini(&state);
}

/* The mean of t + 1 over four tasks is 2.5; doubled and added to in the second meta-epoch. */
static void test_average(void **state) {
    check_moments("task_learner.moments=average", 5, 2 * 2.5 + 2.5);
}

static void test_reset(void **state) {
    check_moments("task_learner.moments=reset", 0, 0);
}

/* 1, 4, 11, 26 through the first meta-epoch, then 53, 108, 219, 442. */
static void test_carry(void **state) {
    check_moments("task_learner.moments=carry", 20, 442);
}

/* ---- metrics ------------------------------------------------------------------------------ */

static int lines_with(const char *path, const char *text) {
    size_t length;
    int n = 0;
    char *all = (char *)file_get(path, &length), *rest;
    for (char *line = strtok_r(all, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        n += strstr(line, text) != NULL;
    }
    free(all);
    return n;
}

/* A number of the line of a meta-epoch of meta-training; NAN = it has none of that name. */
static double metric(const char *dir, int64_t meta_epoch, const char *name) {
    size_t length;
    double value = NAN;
    char *all = (char *)file_get(in(dir, "metrics.jsonl"), &length), *rest;
    for (char *line = strtok_r(all, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        json_t *object = json_loads(line, 0, NULL);
        assert_non_null(object);
        const json_t *number = json_object_get(object, name);
        if (strcmp(json_string_value(json_object_get(object, "kind")), "train") == 0 &&
            json_integer_value(json_object_get(object, "meta_epoch")) == meta_epoch &&
            number != NULL) {
            value = json_number_value(number);
        }
        json_decref(object);
    }
    free(all);
    return value;
}

/* The directions of toy.c are the same in every meta-epoch. */
static void test_norm(void **state) {
    double square = 0;
    trial_must_open(&trial, trial_toy, "task_learner.adapts=1");
    assert_ok(trial.ctx, train_new("run"));
    for (int64_t k = 0; k < nas_model_dims(trial.e.model)->n_w; k++) {
        const double mean = STEPS * (double)(k % 7 + 1) * (1 + 2 + 3 + 4) / 64 / TASKS;
        square += mean * mean;
    }
    for (int epoch = 1; epoch <= EPOCHS; epoch++) {
        assert_close(metric("run", epoch, "norm_w"), sqrt(square), ROUNDING);
        assert_close(metric("run", epoch, "norm_a"), 0, ROUNDING);
    }
}

/* What the shipped units report: the rate of a linear schedule, and the temperature of the last
 * step of a task, which does not fall while only the weights are learned. */
static void test_reports(void **state) {
    trial_must_open(&trial, trial_glyphs, "meta_learner.schedule=linear", "meta_learner.lr_w=0.8",
                    "op_mixer.t_max=0.75");
    assert_ok(trial.ctx, train_new("run"));
    assert_close(metric("run", 1, "meta_learner.lr_w"), 0.8, 1e-12);
    assert_close(metric("run", 4, "meta_learner.lr_w"), 0.2, 1e-12);
    assert_close(metric("run", 1, "op_mixer.temperature"), 0.75, 1e-12);
    assert_close(metric("run", 2, "op_mixer.temperature"), 0.05, 1e-12);
    assert_true(metric("run", 1, "query_loss") > 0.2);
    assert_true(metric("run", 4, "query_accuracy") > 0);
    assert_true(metric("run", 4, "parameters") > 0);
    assert_true(isnan(metric("run", 4, "task_learner.cost")));
    trial_must_open(&trial, trial_glyphs, "task_learner.cost.weight=1");
    assert_ok(trial.ctx, train_new("costly"));
    assert_true(metric("costly", 4, "task_learner.cost") > 0);
    assert_true(metric("costly", 4, "norm_a") > 0);
}

/* What is only looked at changes nothing: lines of every meta-epoch, and one at the end. */
static void test_looking(void **state) {
    struct nas_state often, once;
    trial_must_open(&trial, trial_glyphs, "run.log_every=1");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &often));
    assert_ok(trial.ctx, train("often", &often));
    const size_t bytes = (size_t)nas_model_dims(trial.e.model)->n_w * sizeof(mn_real);
    mn_real *w = malloc(bytes);
    assert_non_null(w);
    memcpy(w, often.meta.w, bytes);
    nas_state_fini(&often);
    trial_must_open(&trial, trial_glyphs, "run.log_every=4");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &once));
    assert_ok(trial.ctx, train("once", &once));
    assert_memory_equal(w, once.meta.w, bytes);
    assert_true(isnan(metric("once", 3, "query_loss")));
    assert_close(metric("once", 4, "query_loss"), metric("often", 4, "query_loss"), 0);
    free(w);
    nas_state_fini(&once);
}

/* The loss of the last step is e + t / 8 + 1, its mean over tasks e + 1 + 3/16; over two
 * meta-epochs 1.6875 and 3.6875. The accuracy t / 4 has mean 0.375. */
static void test_train_lines(void **state) {
    trial_must_open(&trial, trial_toy, "run.log_every=2");
    assert_ok(trial.ctx, train_new("run"));
    const char *path = in("run", "metrics.jsonl");
    assert_int_equal(lines_with(path, "\"kind\":\"train\""), 2);
    assert_int_equal(lines_with(path, "{\"kind\":\"train\",\"meta_epoch\":2,\"loss\":1.6875,"
                                      "\"accuracy\":0.375,\"entropy_op\":"),
                     1);
    assert_int_equal(lines_with(path, "\"meta_epoch\":4,\"loss\":3.6875,\"accuracy\":0.375,"), 1);
    assert_int_equal(lines_with(path, "\"skip_share\":0.5,\"query_loss\":"), 2);
    assert_int_equal(lines_with(path, "\"seconds"), 0);
    assert_int_equal(lines_with(in("run", "timing.jsonl"), "\"seconds"), 4);
}

static void test_validation_lines(void **state) {
    trial_must_open(&trial, trial_toy, "run.log_every=0", "run.eval_every=3");
    assert_ok(trial.ctx, train_new("run"));
    const char *path = in("run", "metrics.jsonl");
    assert_int_equal(lines_with(path, ""), 2);
    assert_int_equal(lines_with(path, "{\"kind\":\"validation\",\"meta_epoch\":3,"), 1);
    assert_int_equal(lines_with(path, "{\"kind\":\"validation\",\"meta_epoch\":4,"), 1);
    assert_int_equal(lines_with(path, "\"tasks\":3,"), 2);
    assert_int_equal(lines_with(path, "\"batch_norm\":\"transductive\",\"seed\":7}"), 2);
    trial_must_open(&trial, trial_toy, "run.eval_every=0", "evaluation.batch_norm=support");
    assert_ok(trial.ctx, train_new("other"));
    assert_int_equal(lines_with(in("other", "metrics.jsonl"), "\"validation\""), 1);
    assert_int_equal(lines_with(in("other", "metrics.jsonl"), "\"batch_norm\":\"support\""), 1);
}

static void test_no_meta_epochs(void **state) {
    trial_must_open(&trial, trial_toy, "run.meta_epochs=0");
    assert_ok(trial.ctx, train_new("run"));
    assert_true(file_exists(in("run", "checkpoint.safetensors")));
    assert_int_equal(lines_with(in("run", "metrics.jsonl"), ""), 0);
}

/* ---- meta-pruning ------------------------------------------------------------------------- */

/* Logits of one edge on its way: a_k grows by (k % 3 + 1) (e + 1) / 16 an epoch, so after 12 epochs
 * of 78 / 16 each the three candidates stand 4.875 apart; under softmax their weights are
 * 1 / (1 + e^4.875 + e^9.75) and so on: 5.8e-5, 0.0076, 0.9923. The first two are under 0.01. */
static void test_prune_meta(void **state) {
    struct nas_state s;
    trial_must_open(&trial, trial_toy, "run.meta_epochs=12", "run.eval_every=0",
                    "run.prune_meta=true", "run.alpha_std=0");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_ok(trial.ctx, train("run", &s));
    assert_int_equal(nas_model_dims(trial.e.model)->n_a, 6);
    for (int k = 0; k < 6; k++) {
        assert_close((double)s.meta.a[k], k % 3 == 2 ? 3 * 4.875 : -1e4, ROUNDING);
    }
    nas_state_fini(&s);
}

static void test_prune_meta_above_threshold(void **state) {
    struct nas_state s;
    trial_must_open(&trial, trial_toy, "run.meta_epochs=12", "run.eval_every=0",
                    "run.prune_meta=true", "run.alpha_std=0", "run.meta_threshold=0.007");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_ok(trial.ctx, train("run", &s));
    for (int k = 0; k < 6; k++) {
        assert_close((double)s.meta.a[k], k % 3 == 0 ? -1e4 : (k % 3 + 1) * 4.875, ROUNDING);
    }
    nas_state_fini(&s);
}

/* As above the logits of each edge grow in the order of their numbers: of three candidates two stay
 * after a third of the run, one after two thirds; not before, and no matter where it was stopped.
 */
static void test_shrink(void **state) {
    static const int stay[] = {3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1};
    static const int ends[] = {3, 4, 7, 8, 12};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct nas_state s;
        trial_must_open(&trial, trial_toy, "run.meta_epochs=12", "run.alpha_std=0",
                        "run.shrink=[2, 1]");
        assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
        while (s.meta_epoch < ends[i]) {
            struct nas_meta_batch batch = {0};
            assert_ok(trial.ctx, nas_meta_batch_new(&trial.e, trial.ctx, &batch));
            assert_ok(trial.ctx, nas_meta_batch_run(&batch, trial.ctx, &s));
            nas_meta_batch_fini(&batch);
        }
        for (int k = 0; k < 6; k++) {
            assert_true((s.meta.a[k] > -1e3F) == (k % 3 >= 3 - stay[ends[i]]));
        }
        nas_state_fini(&s);
    }
    struct nas_state s; /* and as a part of training */
    trial_must_open(&trial, trial_toy, "run.meta_epochs=12", "run.alpha_std=0", "run.shrink=[2]");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_ok(trial.ctx, train("run", &s));
    for (int k = 0; k < 6; k++) {
        assert_true((s.meta.a[k] > -1e3F) == (k % 3 >= 1));
    }
    nas_state_fini(&s);
}

static void test_shrink_is_checked(void **state) {
    static const char *const rising[] = {"run.shrink=[2, 2]", NULL};
    static const char *const early[] = {"run.shrink=[2, 1]", "task_learner.adapts=1", NULL};
    assert_int_equal(trial_open(&trial, trial_toy, rising), MN_CONFIG);
    assert_non_null(strstr(trial.faults, "run: shrink: the numbers must fall"));
    assert_failed(trial.ctx, trial_open(&trial, trial_toy, early), MN_CONFIG,
                  "does not adapt the architecture yet at meta-epoch");
}

/* Nothing is cut while only the weights adapt, and the largest never is. */
static void test_prune_meta_not(void **state) {
    struct nas_state s;
    trial_must_open(&trial, trial_toy, "run.prune_meta=true", "run.alpha_std=0",
                    "run.meta_threshold=1", "task_learner.adapts=1");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_ok(trial.ctx, train("run", &s));
    for (int k = 0; k < 6; k++) {
        assert_true(s.meta.a[k] == 0);
    }
    nas_state_fini(&s);
    trial_must_open(&trial, trial_toy, "run.prune_meta=true", "run.alpha_std=0",
                    "run.meta_threshold=1", "run.meta_epochs=1");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_ok(trial.ctx, train("other", &s));
    for (int k = 0; k < 6; k++) {
        assert_true(k % 3 == 2 ? s.meta.a[k] > 0 : (double)s.meta.a[k] == -1e4);
    }
    nas_state_fini(&s);
}

/* ---- what goes wrong ---------------------------------------------------------------------- */

static void check_unmoved(const struct nas_state *s, const double *w, const double *a) {
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    for (int64_t k = 0; k < d->n_w; k++) {
        assert_true((double)s->meta.w[k] == w[k]);
    }
    for (int64_t k = 0; k < d->n_a; k++) {
        assert_true((double)s->meta.a[k] == a[k]);
    }
    assert_true(s->learner[0] == 0);
    assert_true(s->learner[1] == 0);
}

/* A task that fails in the first meta-epoch leaves no trace in the state. */
static void check_fault(const char *set, int status, const char *where, const char *why) {
    struct nas_state s;
    double w[512], a[16];
    char dir[32];
    static int n;
    snprintf(dir, sizeof dir, "fault%d", n++);
    trial_must_open(&trial, trial_toy, "run.workers=2", "task_learner.at_task=2", set);
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    copy_of(s.meta.w, nas_model_dims(trial.e.model)->n_w, w);
    copy_of(s.meta.a, nas_model_dims(trial.e.model)->n_a, a);
    assert_failed(trial.ctx, train(dir, &s), status, where, why,
                  "the checkpoint of meta-epoch 0 is whole");
    check_unmoved(&s, w, a);
    nas_state_fini(&s);
    assert_ok(trial.ctx,
              nas_state_load(&trial.e, trial.ctx, in(dir, "checkpoint.safetensors"), &s));
    assert_int_equal(s.meta_epoch, 0);
    check_unmoved(&s, w, a);
    nas_state_fini(&s);
}

static void test_faults(void **state) {
    static const char task[] = "meta-epoch 0, task 2 (seed 7): task_learner toy: ";
    check_fault("task_learner.fault=status", MN_UNSUPPORTED, task, "step 1: told to fail");
    check_fault("task_learner.fault=no_message", MN_NUMERIC, task, "failed with status -4");
    check_fault("task_learner.fault=nan_loss", MN_NUMERIC, task, "step 1: the loss is nan");
    check_fault("task_learner.fault=nan_weight", MN_NUMERIC, task, "the adapted point holds");
    check_fault("task_learner.fault=nan_state", MN_NUMERIC, task, "its state holds a number");
}

static void test_fault_after_checkpoint(void **state) {
    struct nas_state s;
    trial_must_open(&trial, trial_toy, "task_learner.fault=nan_loss", "task_learner.at_epoch=3");
    assert_failed(trial.ctx, train_new("run"), MN_NUMERIC, "meta-epoch 3, task 0 (seed 7)",
                  "the checkpoint of meta-epoch 3 is whole", "lower the learning rates");
    const char *path = in("run", "checkpoint.safetensors");
    assert_ok(trial.ctx, nas_state_load(&trial.e, trial.ctx, path, &s));
    assert_int_equal(s.meta_epoch, 3);
    nas_state_fini(&s);
}

static void test_fault_of_update(void **state) {
    struct nas_state s;
    trial_must_open(&trial, trial_toy, "meta_learner.fault=2");
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_failed(trial.ctx, train("run", &s), MN_NUMERIC, "meta-epoch 2: meta_learner toy: ",
                  "the updated state holds a number that is not finite");
    assert_int_equal(s.meta_epoch, 2);
    assert_true(isfinite((double)s.meta.w[0]));
    nas_state_fini(&s);
}

static void test_directory_in_use(void **state) {
    trial_must_open(&trial, trial_toy, "run.meta_epochs=1");
    assert_ok(trial.ctx, train_new("run"));
    assert_failed(trial.ctx, train_new("run"), MN_CONFIG, "holds a run already", "metanas resume");
}

static void test_seed_of_checkpoint(void **state) {
    struct nas_state s;
    trial_must_open(&trial, trial_toy, "run.meta_epochs=1");
    assert_ok(trial.ctx, train_new("run"));
    trial_must_open(&trial, trial_toy, "run.seed=8");
    const char *path = in("run", "checkpoint.safetensors");
    assert_ok(trial.ctx, nas_state_load(&trial.e, trial.ctx, path, &s));
    assert_failed(trial.ctx, train("run", &s), MN_CONFIG, "was made with run.seed 7", "has 8");
    nas_state_fini(&s);
}

/* ---- stopping and going on ---------------------------------------------------------------- */

static void on_signal(int number) {
    nas_cancel(number);
}

static void check_same(const char *a, const char *b) {
    trial_check_same(&trial, a, b);
}

/* A signal in meta-epoch 2: three meta-epochs a line, so that the line spans the break. */
static void test_resume_toy(void **state) {
    trial_must_open(&trial, trial_toy, "run.log_every=3");
    assert_ok(trial.ctx, train_new("whole"));
    for (int every = 0; every < 3; every++) {
        char dir[16], checkpoint[40];
        snprintf(dir, sizeof dir, "part%d", every);
        snprintf(checkpoint, sizeof checkpoint, "run.checkpoint_every=%d", every);
        trial_must_open(&trial, trial_toy, "run.log_every=3", "task_learner.fault=signal",
                        "task_learner.at_epoch=2", "task_learner.at_task=1", checkpoint);
        assert_failed(trial.ctx, train_new(dir), MN_CANCELLED, "stopped after 2 of 4 meta-epochs",
                      "metanas resume");
        nas_cancel_reset();
        trial_must_open(&trial, trial_toy, "run.log_every=3", "run.workers=3");
        assert_ok(trial.ctx, resume(dir));
        check_same("whole", dir);
    }
}

/* A signal in the last validation: all meta-epochs are done, and yet something is left to do. */
static void test_resume_validation(void **state) {
    struct nas_state s;
    trial_must_open(&trial, trial_toy, "run.eval_every=0", "run.prune_meta=true");
    assert_ok(trial.ctx, train_new("whole"));
    trial_must_open(&trial, trial_toy, "run.eval_every=0", "run.prune_meta=true",
                    "task_learner.fault=signal", "task_learner.validating=true");
    assert_failed(trial.ctx, train_new("part"), MN_CANCELLED, "stopped after 4 of 4 meta-epochs");
    nas_cancel_reset();
    trial_must_open(&trial, trial_toy, "run.eval_every=0", "run.prune_meta=true");
    assert_ok(trial.ctx,
              nas_state_load(&trial.e, trial.ctx, in("part", "checkpoint.safetensors"), &s));
    assert_false(nas_train_finished(&trial.e, &s));
    s.accept_changes = 1;
    assert_ok(trial.ctx, train("part", &s));
    assert_true(nas_train_finished(&trial.e, &s));
    nas_state_fini(&s);
    check_same("whole", "part");
}

/* The real learners on glyphs: the same bits for any number of workers. */
static void test_workers_same_bits(void **state) {
    trial_must_open(&trial, trial_glyphs, "run.workers=1");
    assert_ok(trial.ctx, train_new("one"));
    trial_must_open(&trial, trial_glyphs, "run.workers=2");
    assert_ok(trial.ctx, train_new("two"));
    check_same("one", "two");
    trial_must_open(&trial, trial_glyphs, "run.workers=4");
    assert_ok(trial.ctx, train_new("four"));
    check_same("one", "four");
}

/* ---- the best state ----------------------------------------------------------------------- */

/* The highest accuracy of the validation lines of a run, the first of equals. */
static double best_line(const char *dir, int64_t *meta_epoch) {
    size_t length;
    uint8_t *text = file_get(in(dir, "metrics.jsonl"), &length);
    double best = -1;
    for (char *line = (char *)text; (line = strstr(line, "{\"kind\":\"validation\"")) != NULL;
         line++) {
        const double accuracy = strtod(strstr(line, "\"accuracy_mean\":") + 16, NULL);
        if (accuracy > best) {
            best = accuracy;
            *meta_epoch = strtol(strstr(line, "\"meta_epoch\":") + 13, NULL, 10);
        }
    }
    free(text);
    return best;
}

/* What is kept gives the accuracy that it was kept for, and it is the highest there was. */
static void test_best(void **state) {
    struct nas_state best, last;
    struct nas_executor *executor;
    struct nas_evaluation again;
    int64_t meta_epoch = -1;
    trial_must_open(&trial, trial_glyphs, "run.eval_every=1", "evaluation.validation_tasks=20",
                    "task.queries=5");
    assert_ok(trial.ctx, train_new("run"));
    const double accuracy = best_line("run", &meta_epoch);
    assert_ok(trial.ctx, nas_state_load(&trial.e, trial.ctx, in("run", "best.safetensors"), &best));
    assert_int_equal(best.meta_epoch, meta_epoch);
    assert_true(best.best == accuracy && best.best_epoch == meta_epoch);
    assert_ok(trial.ctx, nas_executor_threads(trial.ctx, trial.e.model, 1, &executor));
    assert_ok(trial.ctx, nas_evaluate(&trial.e, executor, trial.ctx, &best, MN_VAL, 20, &again));
    assert_true(again.record.accuracy_mean == accuracy);
    nas_executor_free(executor);
    nas_evaluation_fini(&again);
    nas_state_fini(&best);
    assert_ok(trial.ctx,
              nas_state_load(&trial.e, trial.ctx, in("run", "checkpoint.safetensors"), &last));
    assert_true(last.meta_epoch == 4 && last.best == accuracy && last.best_epoch == meta_epoch);
    nas_state_fini(&last);
}

static void test_no_best_without_validation(void **state) {
    struct nas_state s;
    trial_must_open(&trial, trial_toy, "run.eval_every=0", "task_learner.fault=signal",
                    "task_learner.at_epoch=2");
    assert_failed(trial.ctx, train_new("run"), MN_CANCELLED, "stopped after 2 of 4");
    nas_cancel_reset();
    assert_false(file_exists(in("run", "best.safetensors")));
    assert_ok(trial.ctx,
              nas_state_load(&trial.e, trial.ctx, in("run", "checkpoint.safetensors"), &s));
    assert_true(s.best < 0);
    nas_state_fini(&s);
}

static void cancel_after(long microseconds) {
    const struct itimerval timer = {
        .it_value = {.tv_sec = microseconds / 1000000, .tv_usec = microseconds % 1000000}};
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

/* What a killed run leaves: lines that the checkpoint does not know. */
static void leave_lines(const char *dir) {
    FILE *out = fopen(in(dir, "metrics.jsonl"), "ab");
    assert_non_null(out);
    assert_true(fputs("{\"kind\":\"train\",\"meta_epoch\":99}\n{\"ki", out) > 0);
    assert_int_equal(fclose(out), 0);
}

/* The same bits after stops at any time. */
static void test_resume_glyphs(void **state) {
    long wait = 2000;
    int stops = 0;
    trial_must_open(&trial, trial_glyphs, "run.workers=1");
    assert_ok(trial.ctx, train_new("whole"));
    trial_must_open(&trial, trial_glyphs, "run.workers=2");
    cancel_after(wait);
    int status = train_new("part");
    while (status == MN_CANCELLED) {
        nas_ctx_clear(trial.ctx);
        nas_cancel_reset();
        leave_lines("part");
        stops++;
        wait += wait / 4;
        cancel_after(wait);
        status = resume("part");
    }
    cancel_after(0);
    nas_cancel_reset();
    assert_ok(trial.ctx, status);
    assert_true(stops > 0);
    check_same("whole", "part");
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_algorithm_1, begin, end),
        cmocka_unit_test_setup_teardown(test_only_weights, begin, end),
        cmocka_unit_test_setup_teardown(test_only_architecture, begin, end),
        cmocka_unit_test_setup_teardown(test_average, begin, end),
        cmocka_unit_test_setup_teardown(test_reset, begin, end),
        cmocka_unit_test_setup_teardown(test_carry, begin, end),
        cmocka_unit_test_setup_teardown(test_norm, begin, end),
        cmocka_unit_test_setup_teardown(test_reports, begin, end),
        cmocka_unit_test_setup_teardown(test_looking, begin, end),
        cmocka_unit_test_setup_teardown(test_train_lines, begin, end),
        cmocka_unit_test_setup_teardown(test_validation_lines, begin, end),
        cmocka_unit_test_setup_teardown(test_best, begin, end),
        cmocka_unit_test_setup_teardown(test_no_best_without_validation, begin, end),
        cmocka_unit_test_setup_teardown(test_no_meta_epochs, begin, end),
        cmocka_unit_test_setup_teardown(test_prune_meta, begin, end),
        cmocka_unit_test_setup_teardown(test_prune_meta_above_threshold, begin, end),
        cmocka_unit_test_setup_teardown(test_prune_meta_not, begin, end),
        cmocka_unit_test_setup_teardown(test_shrink, begin, end),
        cmocka_unit_test_setup_teardown(test_shrink_is_checked, begin, end),
        cmocka_unit_test_setup_teardown(test_faults, begin, end),
        cmocka_unit_test_setup_teardown(test_fault_after_checkpoint, begin, end),
        cmocka_unit_test_setup_teardown(test_fault_of_update, begin, end),
        cmocka_unit_test_setup_teardown(test_directory_in_use, begin, end),
        cmocka_unit_test_setup_teardown(test_seed_of_checkpoint, begin, end),
        cmocka_unit_test_setup_teardown(test_resume_toy, begin, end),
        cmocka_unit_test_setup_teardown(test_resume_validation, begin, end),
        cmocka_unit_test_setup_teardown(test_workers_same_bits, begin, end),
        cmocka_unit_test_setup_teardown(test_resume_glyphs, begin, end),
    };
    assert_true(argc > 1);
    trial_plugins(argv[1]);
    signal(SIGUSR1, on_signal);
    signal(SIGALRM, on_signal);
    return cmocka_run_group_tests_name("metatrain", tests, NULL, NULL);
}
