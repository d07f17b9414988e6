/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/kernel.h"
#include "exec/threads.h"
#include "learn/evaluate.h"
#include "learn/state.h"
#include "learn/task.h"

#include "fixture.h"

#include <stdlib.h>

/* run.kernels: whatever computes, a task ends at the same point but for rounding. */

enum { STEPS = 4 };

/* Steps divide by the root of a mean square, so rounding grows where gradients are near 0. */
#ifdef MN_REAL_DOUBLE
static const double tolerance = 1e-9;
#else
static const double tolerance = 2e-3;
#endif

struct outcome {
    double loss[STEPS];
    int n_steps;
    int64_t n_w, n_a;
    struct mn_point at;
    struct nas_task_result result;
};

/* The linker leads the core's look-ups here: a processor that lacks some kernels. */
static const char *lacking;

const struct nas_kernels *__real_nas_kernels_find(const char *name);
const struct nas_kernels *__wrap_nas_kernels_find(const char *name);

const struct nas_kernels *__wrap_nas_kernels_find(const char *name) {
    return lacking != NULL && strcmp(name, lacking) == 0 ? NULL : __real_nas_kernels_find(name);
}

static int note(void *data, struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                double skip_share, const struct mn_point *now) {
    struct outcome *out = data;
    assert_in_range(step, 0, STEPS - 1);
    out->loss[step] = loss;
    out->n_steps++;
    return MN_OK;
}

static mn_real *copy(int64_t n, const mn_real *x) {
    mn_real *at = malloc((size_t)(n + 1) * sizeof *at);
    assert_non_null(at);
    mn_vec_copy(n, x, at);
    return at;
}

static int solve(void *data, struct mn_ctx *ctx, int64_t index) {
    struct outcome *out = data;
    struct nas_state start;
    struct mn_task task;
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    struct nas_solution solution = {.watch = {.on_step = note, .data = out},
                                    .keep = malloc((size_t)d->n_choices + 1)};
    assert_non_null(solution.keep);
    assert_ok(ctx, nas_state_new(&trial.e, trial.ctx, &start));
    assert_ok(ctx, nas_episode_sample(&trial.e, ctx, &task, NULL));
    assert_ok(ctx, nas_solve(&trial.e, ctx, &start.meta, start.learner, &task, &solution));
    out->n_w = d->n_w;
    out->n_a = d->n_a;
    out->at = (struct mn_point){copy(d->n_w, solution.at.w), copy(d->n_a, solution.at.a)};
    out->result = solution.result;
    free(solution.keep);
    nas_state_fini(&start);
    return MN_OK;
}

/* A test task: its steps, pruning, the predictions. */
static struct outcome run_task(const char *kernels, const char *precision) {
    struct outcome out = {.n_steps = 0};
    struct nas_threads *workers;
    char set[64];
    char with[64];
    const struct mn_where where = {.size = sizeof where, .split = MN_TEST, .seed = 3};
    snprintf(set, sizeof set, "run.kernels=%s", kernels);
    snprintf(with, sizeof with, "run.precision=%s", precision);
    trial_must_open(&trial, trial_glyphs, set, with, "search_space.channels=6",
                    "search_space.ops=[max_pool_3x3, avg_pool_3x3, skip_connect, conv_1x5_5x1, "
                    "conv_3x3, sep_conv_3x3, dil_conv_3x3]",
                    "task_learner.adapt_fraction=1");
    assert_ok(trial.ctx, nas_threads_new(trial.ctx, 1, trial.e.model, &workers));
    assert_ok(trial.ctx, nas_threads_run(workers, trial.ctx, &where, 0, 1, 1, solve, &out));
    nas_threads_free(workers);
    return out;
}

static void outcome_free(struct outcome *out) {
    free(out->at.w);
    free(out->at.a);
}

static void check_near(const char *what, int64_t n, const mn_real *got, const mn_real *want) {
    for (int64_t i = 0; i < n; i++) {
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance)) {
            fail_msg("%s: element %lld is %.9g, not %.9g", what, (long long)i, (double)got[i],
                     (double)want[i]);
        }
    }
}

static void test_whole_task(void **state) {
    struct outcome want = run_task("auto", "float");
    assert_int_equal(want.n_steps, STEPS);
    for (const char *const *name = nas_kernel_names + 1; *name != NULL; name++) {
        if (nas_kernels_find(*name) == NULL) {
            print_message("not checked: this processor or build has no %s kernels\n", *name);
            continue;
        }
        struct outcome got = run_task(*name, "float");
        assert_string_equal(trial.e.kernels->name, *name);
        assert_int_equal(got.n_steps, STEPS);
        for (int s = 0; s < STEPS; s++) {
            assert_close(got.loss[s], want.loss[s], tolerance);
        }
        check_near(*name, want.n_w, got.at.w, want.at.w);
        check_near(*name, want.n_a, got.at.a, want.at.a);
        assert_close(got.result.score.loss, want.result.score.loss, 10 * tolerance);
        assert_int_equal(got.result.parameters, want.result.parameters);
        outcome_free(&got);
    }
    outcome_free(&want);
}

/* Operands have eight bits: the first loss is off by no more than some of their last ones. */
static void test_reduced_precision(void **state) {
    if (nas_kernels_find("bf16") == NULL) {
        print_message("not checked: this processor or build has no bf16 kernels\n");
        skip();
    }
    struct outcome want = run_task("auto", "float"), got = run_task("auto", "bf16");
    assert_string_equal(trial.e.kernels->name, "bf16");
    assert_int_equal(got.n_steps, STEPS);
    assert_true(got.loss[0] != want.loss[0]);
    assert_close(got.loss[0], want.loss[0], 0.02 * want.loss[0]);
    for (int i = 0; i < STEPS; i++) {
        assert_close(got.loss[i], want.loss[i], 0.2);
    }
    outcome_free(&got);
    outcome_free(&want);
}

static void test_reduced_precision_refused(void **state) {
    const char *const sets[] = {"run.precision=bf16", NULL};
    const char *const with_generic[] = {"run.precision=bf16", "run.kernels=generic", NULL};
    lacking = "bf16";
    assert_failed(trial.ctx, trial_open(&trial, trial_glyphs, sets), MN_UNSUPPORTED,
                  "run: precision: this processor or build has no products of bfloat16 numbers",
                  "use float");
    lacking = NULL;
    assert_failed(trial.ctx, trial_open(&trial, trial_glyphs, with_generic), MN_CONFIG,
                  "run: precision: bf16 goes with kernels auto or avx512, not generic");
}

static void test_unsupported(void **state) {
    for (const char *const *name = nas_kernel_names + 1; *name != NULL; name++) {
        char set[64], message[128];
        lacking = *name;
        snprintf(set, sizeof set, "run.kernels=%s", *name);
        snprintf(message, sizeof message, "run: kernels: this processor has no %s; use auto",
                 *name);
        const char *const sets[] = {set, NULL};
        assert_failed(trial.ctx, trial_open(&trial, trial_glyphs, sets), MN_UNSUPPORTED, message);
    }
    lacking = NULL;
    trial_must_open(&trial, trial_glyphs, "run.kernels=auto");
}

static void test_unknown(void **state) {
    const char *const sets[] = {"run.kernels=mmx", NULL};
    assert_int_equal(trial_open(&trial, trial_glyphs, sets), MN_CONFIG);
    assert_non_null(strstr(trial.faults, "kernels"));
    assert_non_null(strstr(trial.faults, "auto"));
    assert_non_null(strstr(trial.faults, "openblas"));
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: test_kernels DIRECTORY\n");
        return 1;
    }
    trial_plugins(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_task, begin, end),
        cmocka_unit_test_setup_teardown(test_reduced_precision, begin, end),
        cmocka_unit_test_setup_teardown(test_reduced_precision_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_unsupported, begin, end),
        cmocka_unit_test_setup_teardown(test_unknown, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
