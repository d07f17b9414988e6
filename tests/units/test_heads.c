/* SPDX-License-Identifier: MIT */
#include "check.h"
#include "mock.h"
#include "unit.h"

enum { N = 4, SUPPORT = 6, WAYS = 3, FEATURES = 5, LOGITS = N * WAYS };

static const struct mn_head_site site = {.size = sizeof site, .ways = WAYS, .n_features = FEATURES};
static const int32_t support_labels[SUPPORT] = {0, 1, 2, 1, 1, 0};

/* A head, its host, a batch and its support set. */
struct trial {
    struct mock mock;
    struct unit unit;
    const struct mn_head *table;
    mn_real w[WAYS * (FEATURES + 1)], features[N * FEATURES], support[SUPPORT * FEATURES];
    mn_real logits[LOGITS];
    struct mn_head_call call;
};

static void fill(mn_real *at, int n, double from) {
    for (int i = 0; i < n; i++) {
        at[i] = (mn_real)cos(1.3 * i + from);
    }
}

static void trial_open(struct trial *trial, const char *plugin) {
    memset(trial, 0, sizeof *trial);
    mock_init(&trial->mock);
    trial->unit = unit_open(plugin, MN_HEAD);
    trial->table = trial->unit.about->vtable;
    fill(trial->w, WAYS * (FEATURES + 1), 0.2);
    fill(trial->features, N * FEATURES, 0.7);
    fill(trial->support, SUPPORT * FEATURES, 1.9);
    trial->call = (struct mn_head_call){.size = sizeof trial->call,
                                        .n = N,
                                        .n_support = SUPPORT,
                                        .features = trial->features,
                                        .support = trial->support,
                                        .support_labels = support_labels,
                                        .w = trial->w,
                                        .logits = trial->logits};
}

static void trial_close(struct trial *trial) {
    unit_close(&trial->unit);
    mock_fini(&trial->mock);
}

static int forward(struct trial *trial) {
    return trial->table->forward(trial->unit.self, &trial->mock.ctx, &site, &trial->call);
}

static void check_logits(struct trial *trial, const double *expected, double rounding) {
    assert_int_equal(forward(trial), MN_OK);
    for (int i = 0; i < LOGITS; i++) {
        assert_close(trial->logits[i], expected[i], rounding);
    }
}

static double dot(const mn_real *a, const mn_real *b) {
    double sum = 0;
    for (int k = 0; k < FEATURES; k++) {
        sum += (double)a[k] * (double)b[k];
    }
    return sum;
}

static void linear_is_a_product_and_a_bias(void **state) {
    struct trial trial;
    double expected[LOGITS];
    trial_open(&trial, "linear");
    for (int i = 0; i < LOGITS; i++) {
        const int c = i % WAYS;
        expected[i] = (double)trial.w[WAYS * FEATURES + c] +
                      dot(trial.features + i / WAYS * FEATURES, trial.w + c * FEATURES);
    }
    check_logits(&trial, expected, 16 * ROUNDING);
    trial_close(&trial);
}

static void means(const struct trial *trial, mn_real out[WAYS][FEATURES]) {
    for (int c = 0; c < WAYS; c++) {
        for (int k = 0; k < FEATURES; k++) {
            double sum = 0;
            int n = 0;
            for (int i = 0; i < SUPPORT; i++) {
                if (support_labels[i] == c) {
                    sum += (double)trial->support[i * FEATURES + k];
                    n++;
                }
            }
            out[c][k] = (mn_real)(sum / n);
        }
    }
}

/* The logits of a start are those of squared distances to class means, but for |x|^2. */
static void linear_starts_from_prototypes(void **state) {
    struct trial trial;
    double expected[LOGITS];
    mn_real mean[WAYS][FEATURES], start[WAYS * (FEATURES + 1)];
    trial_open(&trial, "linear");
    assert_int_equal(trial.table->starts(trial.unit.self), 0);
    unit_choice(&trial.unit, "start", "prototypes");
    assert_int_equal(trial.table->starts(trial.unit.self), 1);
    struct mn_head_start of = {.size = sizeof of,
                               .n = SUPPORT,
                               .features = trial.support,
                               .labels = support_labels,
                               .w = trial.w,
                               .start = start};
    assert_int_equal(trial.table->start(trial.unit.self, &trial.mock.ctx, &site, &of), MN_OK);
    means(&trial, mean);
    for (int i = 0; i < LOGITS; i++) {
        const mn_real *x = trial.features + i / WAYS * FEATURES, *m = mean[i % WAYS];
        expected[i] = 2 * dot(x, m) - dot(m, m);
    }
    trial.call.w = start;
    check_logits(&trial, expected, 64 * ROUNDING);
    of.n = 2; /* classes 0 and 1 */
    assert_int_equal(trial.table->start(trial.unit.self, &trial.mock.ctx, &site, &of), MN_CONFIG);
    mock_expect(&trial.mock, MN_CONFIG, NULL, "no image of class 2 of 3 among the 2");
    trial_close(&trial);
}

static void cosine_does_not_see_lengths(void **state) {
    struct trial trial;
    double expected[LOGITS];
    trial_open(&trial, "cosine");
    unit_real(&trial.unit, "scale", 7);
    for (int i = 0; i < LOGITS; i++) {
        const mn_real *x = trial.features + i / WAYS * FEATURES;
        const mn_real *w = trial.w + i % WAYS * FEATURES;
        expected[i] = 7 * dot(x, w) / sqrt(dot(x, x) * dot(w, w));
    }
    check_logits(&trial, expected, 64 * ROUNDING);
    for (int i = 0; i < N * FEATURES; i++) {
        trial.features[i] *= 3;
    }
    check_logits(&trial, expected, 64 * ROUNDING);
    trial_close(&trial);
}

static void centroid_is_the_distance_to_class_means(void **state) {
    struct trial trial;
    double expected[LOGITS], angles[LOGITS];
    mn_real mean[WAYS][FEATURES];
    trial_open(&trial, "centroid");
    means(&trial, mean);
    for (int i = 0; i < LOGITS; i++) {
        const mn_real *x = trial.features + i / WAYS * FEATURES, *m = mean[i % WAYS];
        expected[i] = 2 * dot(x, m) - dot(x, x) - dot(m, m);
        angles[i] = dot(x, m) / sqrt(dot(x, x) * dot(m, m));
    }
    check_logits(&trial, expected, 64 * ROUNDING);
    unit_choice(&trial.unit, "metric", "cosine");
    check_logits(&trial, angles, 64 * ROUNDING);
    trial_close(&trial);
}

static void centroid_needs_all_classes(void **state) {
    struct trial trial;
    trial_open(&trial, "centroid");
    trial.call.n_support = 2; /* classes 0 and 1 */
    assert_int_equal(forward(&trial), MN_CONFIG);
    mock_expect(&trial.mock, MN_CONFIG, NULL, "no image of class 2 of 3 among the 2");
    trial_close(&trial);
}

/* The primal form: W = (X^T X + lambda I)^-1 X^T Y, by elimination. */
static void ridge_weights(const struct trial *trial, double lambda, double w[FEATURES][WAYS]) {
    double a[FEATURES][FEATURES + WAYS] = {{0}};
    for (int i = 0; i < FEATURES; i++) {
        for (int s = 0; s < SUPPORT; s++) {
            const mn_real *x = trial->support + s * FEATURES;
            for (int j = 0; j < FEATURES; j++) {
                a[i][j] += (double)x[i] * (double)x[j];
            }
            a[i][FEATURES + support_labels[s]] += (double)x[i];
        }
        a[i][i] += lambda;
    }
    for (int p = 0; p < FEATURES; p++) {
        for (int i = 0; i < FEATURES; i++) {
            const double factor = a[i][p] / a[p][p];
            for (int j = 0; i != p && j < FEATURES + WAYS; j++) {
                a[i][j] -= factor * a[p][j];
            }
        }
    }
    for (int i = 0; i < FEATURES; i++) {
        for (int c = 0; c < WAYS; c++) {
            w[i][c] = a[i][FEATURES + c] / a[i][i];
        }
    }
}

static void ridge_solves_the_normal_equations(void **state) {
    struct trial trial;
    double expected[LOGITS], w[FEATURES][WAYS];
    trial_open(&trial, "ridge");
    unit_real(&trial.unit, "lambda", 0.5);
    trial.w[0] = (mn_real)1.25;
    trial.w[1] = (mn_real)-0.5;
    ridge_weights(&trial, 0.5, w);
    for (int i = 0; i < LOGITS; i++) {
        expected[i] = -0.5;
        for (int k = 0; k < FEATURES; k++) {
            expected[i] += 1.25 * (double)trial.features[i / WAYS * FEATURES + k] * w[k][i % WAYS];
        }
    }
    check_logits(&trial, expected, 512 * ROUNDING);
    trial_close(&trial);
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_is_a_product_and_a_bias),
        cmocka_unit_test(linear_starts_from_prototypes),
        cmocka_unit_test(cosine_does_not_see_lengths),
        cmocka_unit_test(centroid_is_the_distance_to_class_means),
        cmocka_unit_test(centroid_needs_all_classes),
        cmocka_unit_test(ridge_solves_the_normal_equations),
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests_name("heads", tests, NULL, NULL);
}
