/* SPDX-License-Identifier: MIT */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

/* What is printed: a table for people, or one JSON object a line. docs/performance.md explains
 * every figure. */

#include "measure.h"

struct report {
    int json;
    const char *kernels; /* name of the table in use */
    const struct bounds *bounds;
};

/* A case with all that was measured of it. */
struct result {
    const struct subject *subject;
    const struct profile *profile;
    double profile_seconds; /* of `subject->unit` steps */
    struct work work;
    int n;
    struct measured at[MOST_WORKERS]; /* the first one is what speedups are relative to */
};

void report_list(void);
/* 0 = standard output could not be written. */
int report_bounds(const struct report *report);
int report_case(const struct report *report, const struct result *result);

#endif
