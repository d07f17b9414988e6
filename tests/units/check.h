/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNITS_CHECK_H
#define TESTS_UNITS_CHECK_H

/* Before cmocka.h, whose macro fail would catch a call in there. */
#include <metanas/plugin.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What rounding of mn_real may change in these tests. */
#ifdef MN_REAL_DOUBLE
#define ROUNDING 1e-12
#else
#define ROUNDING 2e-6
#endif

#define assert_close(got, expected, tolerance)                                                     \
    check_close((double)(got), (double)(expected), (tolerance), #got, __FILE__, __LINE__)

static inline void check_close(double got, double expected, double tolerance, const char *what,
                               const char *file, int line) {
    if (!(fabs(got - expected) <= tolerance * (1 + fabs(expected)))) {
        print_error("%s: %.12g, expected %.12g within %g\n", what, got, expected, tolerance);
        _fail(file, line);
    }
}

#endif
