/* SPDX-License-Identifier: MIT */
#include "mixture.h"

static const mn_real logits[] = {(mn_real)0.4, (mn_real)-0.2, (mn_real)0.15, (mn_real)-0.5,
                                 (mn_real)0.3};
enum { N = sizeof logits / sizeof *logits };

static void check_weights(struct mixture *x, double tau, double progress) {
    double expected[N];
    mixture_forward(x, N, logits, progress, 0);
    naive_softmax(N, logits, tau, expected);
    for (int i = 0; i < N; i++) {
        assert_close(x->weights[i], expected[i], 8 * ROUNDING);
    }
}

static void check_choices(struct mixture *x) {
    for (int64_t n = 1; n <= 9; n++) {
        assert_int_equal(x->table->n_choices(x->unit.self, n), n);
        assert_int_equal(x->table->n_logits(x->unit.self, n), n);
        for (int64_t c = 0; c < n; c++) {
            for (int64_t i = 0; i < n; i++) {
                assert_int_equal(x->table->holds(x->unit.self, n, c, i), c == i);
            }
        }
    }
}

/* ---- softmax ------------------------------------------------------------------------------ */

/* Eq. 1, at any progress. */
static void softmax_is_equation_1(void **state) {
    struct mixture x;
    mixture_open(&x, "softmax", MN_OP_MIXER);
    check_choices(&x);
    assert_null(x.table->threshold); /* nothing is skipped */
    check_weights(&x, 1, 0);
    check_weights(&x, 1, 1);
    unit_real(&x.unit, "temperature", 0.3);
    check_weights(&x, 0.3, 0.5);
    mixture_gradient(&x, N, logits);
    mixture_close(&x);
}

static void softmax_keeps_the_largest(void **state) {
    const mn_real weights[] = {(mn_real)0.2, (mn_real)0.3, (mn_real)0.2, (mn_real)0.3};
    struct mixture x;
    mixture_open(&x, "softmax", MN_OP_MIXER);
    assert_int_equal(mixture_select(&x, 4, weights, NULL), 1u << 1);
    assert_int_equal(mixture_select(&x, 1, weights, NULL), 1u);
    mixture_close(&x);
}

/* ---- annealing ---------------------------------------------------------------------------- */

/* tau(step) = t_max - step (t_max - t_min) / (steps - 1) */
static void check_annealing(const char *plugin) {
    const int steps = 5;
    struct mixture x;
    mixture_open(&x, plugin, MN_OP_MIXER);
    check_choices(&x);
    for (int step = 0; step < steps; step++) {
        check_weights(&x, 1.0 - step * (1.0 - 0.05) / (steps - 1), (double)step / (steps - 1));
    }
    unit_real(&x.unit, "t_max", 2.5);
    unit_real(&x.unit, "t_min", 0.5);
    check_weights(&x, 2.5, 0);
    check_weights(&x, 1.5, 0.5);
    check_weights(&x, 0.5, 1);
    mixture_gradient(&x, N, logits);
    mixture_close(&x);
}

static void check_temperatures(const char *plugin, int kind) {
    struct mixture x;
    mixture_open(&x, plugin, kind);
    assert_int_equal(x.table->check(x.unit.self, &x.mock.cx), MN_OK);
    unit_real(&x.unit, "t_min", 1.0);
    assert_int_equal(x.table->check(x.unit.self, &x.mock.cx), MN_OK);
    unit_real(&x.unit, "t_min", 1.25);
    assert_int_equal(x.table->check(x.unit.self, &x.mock.cx), MN_CONFIG);
    mock_expect(&x.mock, MN_CONFIG, "t_min", "1.25");
    mixture_close(&x);
}

static void the_temperature_falls_with_the_steps(void **state) {
    check_annealing("soft_prune");
    check_annealing("gumbel");
}

static void a_rising_temperature_is_refused(void **state) {
    check_temperatures("soft_prune", MN_OP_MIXER);
    check_temperatures("soft_prune", MN_INPUT_MIXER);
    check_temperatures("gumbel", MN_OP_MIXER);
}

/* Large logits at the lowest temperature must not overflow. */
static void extreme_logits_stay_finite(void **state) {
    static const char *const plugins[] = {"softmax", "soft_prune", "gumbel", "relu_softmax"};
    const mn_real extreme[] = {(mn_real)1000, (mn_real)-1e30, (mn_real)999};
    for (size_t i = 0; i < sizeof plugins / sizeof *plugins; i++) {
        struct mixture x;
        mixture_open(&x, plugins[i], MN_OP_MIXER);
        mixture_forward(&x, 3, extreme, 0, 0);
        mixture_forward(&x, 3, extreme, 1, 0);
        assert_true(x.weights[1] <= 0);
        mixture_close(&x);
    }
}

/* ---- thresholds --------------------------------------------------------------------------- */

static void check_thresholds(const char *plugin, int kind) {
    const mn_real weights[] = {(mn_real)0.03, (mn_real)0.005, (mn_real)0.9, (mn_real)0.065};
    const mn_real low[] = {(mn_real)0.2, (mn_real)0.3, (mn_real)0.2, (mn_real)0.3};
    struct mixture x;
    mixture_open(&x, plugin, kind);
    struct mn_where *where = &x.mock.cx.where;
    where->split = MN_TRAIN;
    assert_close(x.table->threshold(x.unit.self, &x.mock.cx), 0.01, 0);
    assert_int_equal(mixture_select(&x, 4, weights, NULL), 0xDu);
    for (where->split = MN_VAL; where->split <= MN_TEST; where->split++) {
        assert_close(x.table->threshold(x.unit.self, &x.mock.cx), 0.05, 0);
        assert_int_equal(mixture_select(&x, 4, weights, NULL), 0xCu);
    }
    unit_real(&x.unit, "test_threshold", 0.5); /* nothing passes: the first of the largest stays */
    assert_int_equal(mixture_select(&x, 4, low, NULL), 0x2u);
    unit_real(&x.unit, "test_threshold", 0.25); /* a weight at the threshold goes */
    const mn_real quarter[] = {(mn_real)0.25, (mn_real)0.25, (mn_real)0.5};
    assert_int_equal(mixture_select(&x, 3, quarter, NULL), 0x4u);
    mixture_close(&x);
}

static void thresholds_cut_by_split(void **state) {
    check_thresholds("soft_prune", MN_OP_MIXER);
    check_thresholds("soft_prune", MN_INPUT_MIXER);
    check_thresholds("gumbel", MN_OP_MIXER);
    check_thresholds("relu_softmax", MN_OP_MIXER);
}

/* ---- Gumbel noise ------------------------------------------------------------------------- */

static void one_stream_gives_one_noise(void **state) {
    mn_real first[N];
    struct mixture x;
    mixture_open(&x, "gumbel", MN_OP_MIXER);
    x.when.training = 1;
    mixture_forward(&x, N, logits, 0.5, 7);
    mn_vec_copy(N, x.weights, first);
    mixture_forward(&x, N, logits, 0.5, 8);
    assert_memory_not_equal(x.weights, first, sizeof first);
    mixture_forward(&x, N, logits, 0.5, 7);
    assert_memory_equal(x.weights, first, sizeof first);
    mixture_gradient(&x, N, logits);
    mixture_close(&x);
}

/* The largest of a_i + g_i is i with probability softmax(a)_i: only Gumbel noise does that. */
static void the_noise_is_gumbel(void **state) {
    const int draws = 20000;
    int count[N] = {0};
    double expected[N];
    struct mixture x;
    mixture_open(&x, "gumbel", MN_OP_MIXER);
    x.when.training = 1;
    for (int d = 0; d < draws; d++) {
        int top = 0;
        mixture_forward(&x, N, logits, 0, (uint32_t)d);
        for (int i = 1; i < N; i++) {
            top = x.weights[i] > x.weights[top] ? i : top;
        }
        count[top]++;
    }
    naive_softmax(N, logits, 1, expected);
    for (int i = 0; i < N; i++) {
        assert_true(fabs((double)count[i] / draws - expected[i]) < 0.015);
    }
    mixture_close(&x);
}

/* ---- relu-softmax ------------------------------------------------------------------------- */

static void relu_softmax_blends(void **state) {
    static const double progress[] = {0, 0.25, 1};
    struct mixture x;
    double soft[N], positive = 0;
    mixture_open(&x, "relu_softmax", MN_OP_MIXER);
    check_choices(&x);
    naive_softmax(N, logits, 1, soft);
    for (int i = 0; i < N; i++) {
        positive += fmax((double)logits[i], 0);
    }
    for (int p = 0; p < 3; p++) {
        mixture_forward(&x, N, logits, progress[p], 0);
        for (int i = 0; i < N; i++) {
            assert_close(x.weights[i],
                         (1 - progress[p]) * soft[i] +
                             progress[p] * fmax((double)logits[i], 0) / positive,
                         8 * ROUNDING);
        }
    }
    assert_true(x.weights[1] <= 0 && x.weights[3] <= 0); /* exact zeros at the end */
    mixture_gradient(&x, N, logits);
    mixture_close(&x);
}

static void relu_softmax_falls_back(void **state) {
    const mn_real negative[] = {(mn_real)-0.5, (mn_real)-1.5, (mn_real)-0.25};
    double soft[3];
    struct mixture x;
    mixture_open(&x, "relu_softmax", MN_OP_MIXER);
    naive_softmax(3, negative, 1, soft);
    mixture_forward(&x, 3, negative, 1, 0);
    for (int i = 0; i < 3; i++) {
        assert_close(x.weights[i], soft[i], 8 * ROUNDING);
    }
    mixture_gradient(&x, 3, negative);
    mixture_close(&x);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_is_equation_1),
        cmocka_unit_test(softmax_keeps_the_largest),
        cmocka_unit_test(the_temperature_falls_with_the_steps),
        cmocka_unit_test(a_rising_temperature_is_refused),
        cmocka_unit_test(extreme_logits_stay_finite),
        cmocka_unit_test(thresholds_cut_by_split),
        cmocka_unit_test(one_stream_gives_one_noise),
        cmocka_unit_test(the_noise_is_gumbel),
        cmocka_unit_test(relu_softmax_blends),
        cmocka_unit_test(relu_softmax_falls_back),
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
