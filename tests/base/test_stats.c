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

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_closed_forms),
        cmocka_unit_test(test_mean_and_interval),
        cmocka_unit_test(test_coverage),
    };
    return cmocka_run_group_tests_name("interval", tests, NULL, NULL);
}
