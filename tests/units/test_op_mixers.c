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

static void check_largest(const char *plugin) {
    const mn_real weights[] = {(mn_real)0.2, (mn_real)0.3, (mn_real)0.2, (mn_real)0.3};
    struct mixture x;
    mixture_open(&x, plugin, MN_OP_MIXER);
    assert_int_equal(mixture_select(&x, 4, weights, NULL), 1u << 1);
    assert_int_equal(mixture_select(&x, 1, weights, NULL), 1u);
    mixture_close(&x);
}

static void the_largest_stays(void **state) {
    check_largest("softmax");
    check_largest("gdas");
    check_largest("proxyless");
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
    assert_int_equal(x.table->check(x.unit.self, &x.mock.ctx), MN_OK);
    unit_real(&x.unit, "t_max", 1.0);
    unit_real(&x.unit, "t_min", 1.0);
    assert_int_equal(x.table->check(x.unit.self, &x.mock.ctx), MN_OK);
    unit_real(&x.unit, "t_min", 1.25);
    assert_int_equal(x.table->check(x.unit.self, &x.mock.ctx), MN_CONFIG);
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
    check_temperatures("gdas", MN_OP_MIXER);
    check_temperatures("entmax", MN_OP_MIXER);
    check_temperatures("entmax", MN_INPUT_MIXER);
}

/* Large logits at the lowest temperature must not overflow. */
static void extreme_logits_stay_finite(void **state) {
    static const char *const plugins[] = {"softmax",      "soft_prune", "gumbel",   "entmax",
                                          "relu_softmax", "gdas",       "proxyless"};
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

/* ---- 1.5-entmax --------------------------------------------------------------------------- */

/* Algorithm 2 of Peters et al.: of the logits in order, tau from the mean and the spread of as many
 * as are in the support. */
static void exact_entmax(int n, const mn_real *a, double t, double *out) {
    double z[MIXTURE_MOST], sorted[MIXTURE_MOST], tau = 0, sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        int at = i;
        z[i] = (double)a[i] / (2 * t);
        for (; at > 0 && sorted[at - 1] < z[i]; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = z[i];
    }
    for (int k = 1; k <= n; k++) {
        sum += sorted[k - 1];
        squares += sorted[k - 1] * sorted[k - 1];
        const double mean = sum / k, spread = squares - k * mean * mean;
        const double root = (1 - spread) / k;
        const double candidate = mean - sqrt(root > 0 ? root : 0);
        tau = candidate <= sorted[k - 1] ? candidate : tau;
    }
    for (int i = 0; i < n; i++) {
        out[i] = z[i] > tau ? (z[i] - tau) * (z[i] - tau) : 0;
    }
}

static void entmax_is_exact(void **state) {
    struct mixture x;
    mixture_open(&x, "entmax", MN_OP_MIXER);
    check_choices(&x);
    for (int round = 0; round < 12; round++) {
        mn_real a[7];
        double expected[7];
        int zeros = 0;
        for (int i = 0; i < 7; i++) {
            a[i] = (mn_real)(1.5 * sin(3.1 * i + round));
        }
        const double progress = round % 4 / 3.0, t = 1 - 0.7 * progress;
        mixture_forward(&x, 7, a, progress, 0);
        exact_entmax(7, a, t, expected);
        for (int i = 0; i < 7; i++) {
            assert_close(x.weights[i], expected[i], 40 * ROUNDING);
            assert_true((x.weights[i] > 0) == (expected[i] > 0));
            zeros += expected[i] <= 0;
        }
        assert_true(progress < 1 || zeros > 0);
    }
    mixture_gradient(&x, N, logits);
    const mn_real broken[] = {0, (mn_real)NAN, 1}; /* what the host finds */
    struct mn_rng rng = mixture_rng(0);
    x.table->forward(x.unit.self, &x.mock.ctx, 3, broken, &x.when, &rng, x.weights, NULL);
    assert_true(isnan(x.weights[1]));
    mixture_close(&x);
}

/* ---- DARTS- ------------------------------------------------------------------------------- */

static const char *const candidates[N] = {"conv_3x3", "skip_connect", "max_pool_3x3", "none",
                                          "sep_conv_3x3"};

static void plain_forward(struct mixture *x, int64_t n, const mn_real *a, double progress) {
    struct mn_rng rng = mixture_rng(0);
    x->when.progress = progress;
    assert_int_equal(
        x->table->forward(x->unit.self, &x->mock.ctx, n, a, &x->when, &rng, x->weights, x->saved),
        MN_OK);
}

/* softmax + beta (1 - p) for the skip connection alone, wherever a keep mask has moved it. */
static void an_auxiliary_skip_connection_fades(void **state) {
    static const int32_t left[] = {1, 2, 4};
    struct mixture x;
    double expected[N];
    mixture_open(&x, "darts_minus", MN_OP_MIXER);
    x.about = (struct mn_mixture){.size = sizeof x.about, .n_items = N, .items = candidates};
    assert_int_equal(x.table->accept(x.unit.self, &x.mock.ctx, &x.about), MN_OK);
    unit_real(&x.unit, "beta", 0.8);
    for (int step = 0; step <= 4; step++) {
        const double p = step / 4.0;
        plain_forward(&x, N, logits, p);
        naive_softmax(N, logits, 1 - 0.95 * p, expected);
        expected[1] += 0.8 * (1 - p);
        for (int i = 0; i < N; i++) {
            assert_close(x.weights[i], expected[i], 8 * ROUNDING);
        }
    }
    mixture_gradient(&x, N, logits);
    x.when.choices = left;
    plain_forward(&x, 3, logits, 0.5);
    naive_softmax(3, logits, 0.525, expected);
    assert_close(x.weights[0], expected[0] + 0.4, 8 * ROUNDING);
    assert_close(x.weights[1], expected[1], 8 * ROUNDING);
    x.when.choices = left + 1; /* it is cut: nothing is raised */
    plain_forward(&x, 2, logits, 0.5);
    naive_softmax(2, logits, 0.525, expected);
    assert_close(x.weights[0], expected[0], 8 * ROUNDING);
    unit_text(&x.unit, "skip", "identity");
    x.about.name = "normal.0.op.1";
    assert_int_equal(x.table->accept(x.unit.self, &x.mock.ctx, &x.about), MN_CONFIG);
    mock_expect(&x.mock, MN_CONFIG, "skip", "'identity'; they are conv_3x3, skip_connect, max");
    mixture_close(&x);
}

/* ---- FairDARTS ---------------------------------------------------------------------------- */

static double zero_one_loss(const mn_real *a) {
    double sum = 0;
    for (int i = 0; i < N; i++) {
        const double gate = 1 / (1 + exp(-(double)a[i]));
        sum += (gate - 0.5) * (gate - 0.5);
    }
    return -sum / N;
}

/* Eq. 4 and 6: gates of their own, and w / M of the loss of each of M mixtures. */
static void gates_and_the_zero_one_loss(void **state) {
    struct mixture x;
    mn_real d[N] = {0};
    mixture_open(&x, "fair_darts", MN_OP_MIXER);
    x.about = (struct mn_mixture){.size = sizeof x.about, .n_mixtures = 4, .n_items = N};
    plain_forward(&x, N, logits, 0.5);
    for (int i = 0; i < N; i++) {
        assert_close(x.weights[i], 1 / (1 + exp(-(double)logits[i])), 4 * ROUNDING);
    }
    mixture_gradient(&x, N, logits);
    const double value =
        x.table->penalty(x.unit.self, &x.mock.ctx, N, logits, &x.when, x.weights, NULL, d);
    assert_close(value, 10.0 / 4 * zero_one_loss(logits), 40 * ROUNDING);
    for (int i = 0; i < N; i++) {
        const double gate = 1 / (1 + exp(-(double)logits[i]));
        assert_close(d[i], -10.0 / 4 * 2 * (gate - 0.5) * gate * (1 - gate) / N, 8 * ROUNDING);
    }
    const mn_real weights[] = {(mn_real)0.9, (mn_real)0.84, (mn_real)0.86, (mn_real)0.1};
    assert_int_equal(mixture_select(&x, 4, weights, NULL), 0x5u);
    const mn_real low[] = {(mn_real)0.2, (mn_real)0.3, (mn_real)0.3};
    assert_int_equal(mixture_select(&x, 3, low, NULL), 0x2u);
    mixture_close(&x);
}

/* ---- thresholds --------------------------------------------------------------------------- */

static void check_thresholds(const char *plugin, int kind) {
    const mn_real weights[] = {(mn_real)0.03, (mn_real)0.005, (mn_real)0.9, (mn_real)0.065};
    const mn_real low[] = {(mn_real)0.2, (mn_real)0.3, (mn_real)0.2, (mn_real)0.3};
    struct mixture x;
    mixture_open(&x, plugin, kind);
    struct mn_where *where = &x.mock.ctx.where;
    where->split = MN_TRAIN;
    assert_close(x.table->threshold(x.unit.self, &x.mock.ctx), 0.01, 0);
    assert_int_equal(mixture_select(&x, 4, weights, NULL), 0xDu);
    for (where->split = MN_VAL; where->split <= MN_TEST; where->split++) {
        assert_close(x.table->threshold(x.unit.self, &x.mock.ctx), 0.05, 0);
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
    check_thresholds("entmax", MN_OP_MIXER);
    check_thresholds("entmax", MN_INPUT_MIXER);
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

static int top_of(const mn_real *weights) {
    int top = 0;
    for (int i = 1; i < N; i++) {
        top = weights[i] > weights[top] ? i : top;
    }
    return top;
}

/* The largest of a_i + g_i is i with probability softmax(a)_i: only Gumbel noise does that. A
 * weight step of proxyless draws with these probabilities, too. */
static void check_frequencies(const char *plugin) {
    const int draws = 20000;
    int count[N] = {0};
    double expected[N];
    struct mixture x;
    mixture_open(&x, plugin, MN_OP_MIXER);
    x.when.training = 1;
    for (int d = 0; d < draws; d++) {
        mixture_forward(&x, N, logits, 0, (uint32_t)d);
        count[top_of(x.weights)]++;
    }
    naive_softmax(N, logits, 1, expected);
    for (int i = 0; i < N; i++) {
        assert_true(fabs((double)count[i] / draws - expected[i]) < 0.015);
    }
    mixture_close(&x);
}

static void candidates_are_drawn_by_their_probability(void **state) {
    check_frequencies("gumbel");
    check_frequencies("gdas");
    check_frequencies("proxyless");
}

/* ---- mixers that draw --------------------------------------------------------------------- */

static int one_hot(const mn_real *weights) {
    const int top = top_of(weights);
    for (int i = 0; i < N; i++) {
        assert_close(weights[i], i == top, 0);
    }
    return top;
}

/* Without noise: softmax(a), at any progress, with its gradient. */
static void check_mean(const char *plugin) {
    struct mixture x;
    mixture_open(&x, plugin, MN_OP_MIXER);
    check_choices(&x);
    assert_null(x.table->threshold);
    for (x.when.gradient = 0; x.when.gradient < 2; x.when.gradient++) {
        check_weights(&x, 1, 0);
        check_weights(&x, 1, 1);
    }
    x.when.gradient = 1;
    mixture_gradient(&x, N, logits);
    mixture_close(&x);
}

static void without_noise_the_mean_is_computed(void **state) {
    check_mean("gdas");
    check_mean("proxyless");
}

static void check_broken_logits(const char *plugin) {
    const mn_real broken[] = {0, (mn_real)NAN, 1};
    struct mixture x;
    struct mn_rng rng = mixture_rng(0);
    mixture_open(&x, plugin, MN_OP_MIXER);
    x.when.training = 1;
    assert_int_equal(
        x.table->forward(x.unit.self, &x.mock.ctx, 3, broken, &x.when, &rng, x.weights, x.saved),
        MN_NUMERIC);
    mock_expect(&x.mock, MN_NUMERIC, NULL, "probability of a candidate is nan");
    mixture_close(&x);
}

static void logits_that_are_no_numbers_are_found(void **state) {
    check_broken_logits("gdas");
    check_broken_logits("proxyless");
}

/* z = softmax((a + g) / tau) with noise from the same stream. The largest has weight 1, and
 * dL/da_j = sum_i d_i z_i (delta_ij - z_j) / tau. */
static void check_straight_through(struct mixture *x, double progress, double tau,
                                   uint32_t stream) {
    struct mn_rng rng = mixture_rng(stream);
    mn_real noisy[N], d_weights[N], d_logits[N];
    double z[N];
    for (int i = 0; i < N; i++) {
        noisy[i] = (mn_real)((double)logits[i] - log(-log(mn_rng_uniform(&rng))));
        d_weights[i] = (mn_real)cos(1.7 * i + 0.3);
    }
    naive_softmax(N, noisy, tau, z);
    mixture_forward(x, N, logits, progress, stream);
    assert_int_equal(one_hot(x->weights), top_of(noisy));
    mixture_backward(x, N, logits, d_weights, d_logits);
    for (int j = 0; j < N; j++) {
        double expected = 0;
        for (int i = 0; i < N; i++) {
            expected += (double)d_weights[i] * z[i] * ((i == j) - z[j]) / tau;
        }
        assert_close(d_logits[j], expected, 40 * ROUNDING);
    }
}

static void gdas_goes_straight_through(void **state) {
    struct mixture x;
    mixture_open(&x, "gdas", MN_OP_MIXER);
    x.when.training = x.when.gradient = 1;
    for (uint32_t stream = 0; stream < 20; stream++) {
        check_straight_through(&x, 0, 10, stream);
        check_straight_through(&x, 0.75, 2.575, stream);
    }
    unit_real(&x.unit, "t_max", 2);
    unit_real(&x.unit, "t_min", 0.5);
    check_straight_through(&x, 0.5, 1.25, 3);
    check_straight_through(&x, 1, 0.5, 4);
    mixture_close(&x);
}

/* Which candidate is measured; -1 = none. */
static int measured(struct mixture *x) {
    uint8_t marks[N] = {0};
    int other = -1;
    x->table->measure(x->unit.self, N, x->weights, x->saved, marks);
    for (int i = 0; i < N; i++) {
        assert_true(marks[i] == 0 || (marks[i] == 1 && other < 0));
        other = marks[i] ? i : other;
    }
    return other;
}

/* Two without replacement, i first with p_i and j second with p_j / (1 - p_i) or the other way
 * round; then the gate opens for i with p_i / (p_i + p_j). */
static void proxyless_draws_two(void **state) {
    const int draws = 20000;
    int count[N][N] = {{0}};
    double p[N];
    struct mixture x;
    mixture_open(&x, "proxyless", MN_OP_MIXER);
    x.when.training = x.when.gradient = 1;
    for (int d = 0; d < draws; d++) {
        mixture_forward(&x, N, logits, 0.5, (uint32_t)d);
        const int open = one_hot(x.weights), other = measured(&x);
        assert_true(other >= 0 && other != open);
        count[open][other]++;
    }
    naive_softmax(N, logits, 1, p);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            const double pair = p[i] * p[j] * (1 / (1 - p[i]) + 1 / (1 - p[j]));
            const double expected = i == j ? 0 : pair * p[i] / (p[i] + p[j]);
            assert_true(fabs((double)count[i][j] / draws - expected) < 0.01);
        }
    }
    mixture_close(&x);
}

/* The gradient of sum_m g_m q_m over the two drawn, q their softmax, by differences. */
static double two_gates(double a_open, double a_other, double g_open, double g_other) {
    const double e = exp(a_open), f = exp(a_other);
    return (g_open * e + g_other * f) / (e + f);
}

static void check_gates(struct mixture *x, uint32_t stream) {
    const double h = 1e-4;
    mn_real d_weights[N] = {0}, d_logits[N];
    mixture_forward(x, N, logits, 0.5, stream);
    const int open = one_hot(x->weights), other = measured(x);
    const double g = 0.7 + 0.1 * stream, k = -0.4, a = (double)logits[open],
                 b = (double)logits[other];
    d_weights[open] = (mn_real)g;
    d_weights[other] = (mn_real)k;
    mixture_backward(x, N, logits, d_weights, d_logits);
    for (int i = 0; i < N; i++) {
        const double expected =
            i == open    ? (two_gates(a + h, b, g, k) - two_gates(a - h, b, g, k)) / (2 * h)
            : i == other ? (two_gates(a, b + h, g, k) - two_gates(a, b - h, g, k)) / (2 * h)
                         : 0;
        assert_close(d_logits[i], expected, 1e-8 + 4 * ROUNDING);
    }
}

static void proxyless_learns_the_two(void **state) {
    struct mixture x;
    mixture_open(&x, "proxyless", MN_OP_MIXER);
    x.when.training = x.when.gradient = 1;
    for (uint32_t stream = 0; stream < 20; stream++) {
        check_gates(&x, stream);
    }
    mixture_close(&x);
}

/* Only weights are learned, one candidate is there, or the others were cut: nothing is measured. */
static void proxyless_may_have_no_second(void **state) {
    const mn_real cut[N] = {-10000, 0, -10000, -10000, -10000};
    mn_real d_weights[N] = {1, 1, 1, 1, 1}, d_logits[N];
    struct mixture x;
    mixture_open(&x, "proxyless", MN_OP_MIXER);
    x.when.training = 1;
    mixture_forward(&x, N, logits, 0, 1);
    assert_int_equal(measured(&x), -1);
    x.when.gradient = 1;
    mixture_forward(&x, 1, logits, 0, 1);
    assert_int_equal(measured(&x), -1);
    for (uint32_t stream = 0; stream < 50; stream++) {
        mixture_forward(&x, N, cut, 0, stream);
        assert_int_equal(one_hot(x.weights), 1);
        assert_int_equal(measured(&x), -1);
        mixture_backward(&x, N, cut, d_weights, d_logits);
        for (int i = 0; i < N; i++) {
            assert_close(d_logits[i], 0, 0);
        }
    }
    x.when.training = 0;
    mixture_forward(&x, N, logits, 0, 1);
    assert_int_equal(measured(&x), -1);
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
        cmocka_unit_test(the_largest_stays),
        cmocka_unit_test(the_temperature_falls_with_the_steps),
        cmocka_unit_test(a_rising_temperature_is_refused),
        cmocka_unit_test(extreme_logits_stay_finite),
        cmocka_unit_test(thresholds_cut_by_split),
        cmocka_unit_test(entmax_is_exact),
        cmocka_unit_test(an_auxiliary_skip_connection_fades),
        cmocka_unit_test(gates_and_the_zero_one_loss),
        cmocka_unit_test(one_stream_gives_one_noise),
        cmocka_unit_test(candidates_are_drawn_by_their_probability),
        cmocka_unit_test(without_noise_the_mean_is_computed),
        cmocka_unit_test(logits_that_are_no_numbers_are_found),
        cmocka_unit_test(gdas_goes_straight_through),
        cmocka_unit_test(proxyless_draws_two),
        cmocka_unit_test(proxyless_learns_the_two),
        cmocka_unit_test(proxyless_may_have_no_second),
        cmocka_unit_test(relu_softmax_blends),
        cmocka_unit_test(relu_softmax_falls_back),
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
