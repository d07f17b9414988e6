/* SPDX-License-Identifier: MIT */
#include "base/stats.h"

#include "../support/check.h"

#include <math.h>

/* From printed tables of Student's t, two-sided 5%. */
static void test_table(void **state) {
    static const struct {
        double df, t;
    } table[] = {{1, 12.706},  {2, 4.303},    {3, 3.182},   {4, 2.776},  {5, 2.571},  {9, 2.262},
                 {10, 2.228},  {29, 2.045},   {30, 2.042},  {60, 2.000}, {99, 1.984}, {120, 1.980},
                 {599, 1.964}, {4999, 1.960}, {1e6, 1.960}, {1e7, 1.960}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const double t = nas_t_quantile95(table[i].df);
        if (!(fabs(t - table[i].t) <= 0.00051)) {
            print_error("t(%g) = %.6f, expected %.3f\n", table[i].df, t, table[i].t);
        }
        assert_true(fabs(t - table[i].t) <= 0.00051);
    }
}

/* One and two degrees of freedom have closed forms. */
static void test_closed_forms(void **state) {
    assert_close(nas_t_quantile95(1), tan(acos(-1) * 0.475), 1e-9);
    assert_close(nas_t_quantile95(2), 0.95 * sqrt(2 / (1 - 0.95 * 0.95)), 1e-9);
}

static void test_mean_and_interval(void **state) {
    static const double x[] = {2, 4, 4, 6};
    double mean;
    /* squares of differences: 4 + 0 + 0 + 4; deviation sqrt(8/3); t of 3 degrees 3.182446 */
    assert_close(nas_ci95(4, x, &mean), 3.18244630528 * sqrt(8.0 / 3) / 2, 1e-9);
    assert_true(mean == 4);
    assert_true(isnan(nas_ci95(1, x, &mean)));
    assert_true(mean == 2);
    assert_true(isnan(nas_ci95(0, x, &mean)));
    static const double same[] = {0.5, 0.5, 0.5};
    assert_true(nas_ci95(3, same, &mean) == 0);
    assert_true(mean == 0.5);
}

/* 95 of 100 intervals of simulated normal samples of 5 hold the true mean. */
static void test_coverage(void **state) {
    enum { TRIALS = 20000, N = 5 };
    int covered = 0;
    struct mn_rng rng = mn_rng_make(3, MN_RNG_PLUGIN, 0, 0, 0, 0);
    for (int i = 0; i < TRIALS; i++) {
        double x[N], mean;
        for (int k = 0; k < N; k++) {
            x[k] = 7 + 2 * mn_rng_normal(&rng);
        }
        const double half = nas_ci95(N, x, &mean);
        covered += fabs(mean - 7) <= half;
    }
    /* four standard deviations of a binomial count: 4 sqrt(20000 * 0.95 * 0.05) = 123 */
    assert_in_range(covered, 19000 - 123, 19000 + 123);
}

/* Of scipy.stats.t.cdf. */
static void test_cdf(void **state) {
    static const struct {
        double t, df, p;
    } table[] = {{-0.5, 1, 0.352416382349567},      {1, 1, 0.75},
                 {-2, 2, 0.091751709536137},        {0, 3, 0.5},
                 {2.5, 7, 0.979503890707124},       {-12, 9, 3.84994311149283e-07},
                 {-3.3, 29, 0.00128345711460429},   {-1.96, 599, 0.0252295020864577},
                 {-4.5, 599, 4.08286857731483e-06}, {-8, 2399, 9.58689938246362e-16},
                 {3, 1e+06, 0.998650068729289}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const double p = nas_t_cdf(table[i].t, table[i].df);
        if (!(fabs(p - table[i].p) <= 1e-9 * table[i].p)) {
            print_error("cdf(%g, %g) = %.15g, expected %.15g\n", table[i].t, table[i].df, p,
                        table[i].p);
        }
        assert_true(fabs(p - table[i].p) <= 1e-9 * table[i].p);
    }
}

/* Of scipy.stats.ttest_1samp. */
static void test_t_test(void **state) {
    static const double x[] = {0.02, -0.01, 0.04, 0.00, 0.03, 0.01, -0.02, 0.05};
    static const double same[] = {0.1, 0.1, 0.1}, none[] = {0, 0, 0};
    assert_close(nas_t_test(8, x), 0.126870366923671, 1e-9);
    assert_close(nas_t_test(2, x), 0.795167235300867, 1e-9);
    assert_true(isnan(nas_t_test(1, x)));
    assert_true(isnan(nas_t_test(3, same)));
    assert_true(nas_t_test(3, none) == 1);
}

/* Of scipy.stats.binomtest; the small ones by hand. */
static void test_sign_test(void **state) {
    assert_close(nas_sign_test(0, 5), 2.0 / 32, 1e-12);
    assert_close(nas_sign_test(1, 3), 2 * 5.0 / 16, 1e-12);
    assert_true(nas_sign_test(0, 0) == 1);
    assert_true(nas_sign_test(4, 4) == 1);
    assert_close(nas_sign_test(312, 201), 1.08951323875189e-06, 1e-9);
    assert_true(nas_sign_test(312, 201) == nas_sign_test(201, 312));
}

/* Holm's own steps: the smallest times 4, the next times 3, none less than the one before. */
static void test_holm(void **state) {
    const double p[] = {0.04, 0.01, (double)NAN, 0.03, 0.5, 0.01};
    const double expected[] = {0.09, 0.05, (double)NAN, 0.09, 0.5, 0.05};
    double out[6];
    nas_holm(6, p, out);
    for (int i = 0; i < 6; i++) {
        if (i == 2) {
            assert_true(isnan(out[i]));
        } else {
            assert_close(out[i], expected[i], 1e-12);
        }
    }
    nas_holm(1, p, out);
    assert_true(out[0] == 0.04);
    static const double large[] = {0.6, 0.7};
    nas_holm(2, large, out);
    assert_true(out[0] == 1 && out[1] == 1);
}

/* Where both are the same, 5 of 100 tests say that they differ. */
static void test_level(void **state) {
    enum { TRIALS = 20000, N = 6 };
    int found = 0;
    struct mn_rng rng = mn_rng_make(5, MN_RNG_PLUGIN, 0, 0, 0, 0);
    for (int i = 0; i < TRIALS; i++) {
        double x[N];
        for (int k = 0; k < N; k++) {
            x[k] = mn_rng_normal(&rng);
        }
        found += nas_t_test(N, x) < 0.05;
    }
    assert_in_range(found, 1000 - 123, 1000 + 123);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_closed_forms),
        cmocka_unit_test(test_mean_and_interval),
        cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_cdf),
        cmocka_unit_test(test_t_test),
        cmocka_unit_test(test_sign_test),
        cmocka_unit_test(test_holm),
        cmocka_unit_test(test_level),
    };
    return cmocka_run_group_tests_name("interval", tests, NULL, NULL);
}
