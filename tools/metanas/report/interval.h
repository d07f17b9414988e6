/* SPDX-License-Identifier: MIT */
#ifndef METANAS_REPORT_INTERVAL_H
#define METANAS_REPORT_INTERVAL_H

#include "store/csv.h"

/* Where a table has a mean with its interval: X or X_mean with X_ci95 (half width), or with X_low
 * and X_high. Columns, -1 = none. */
struct interval {
    int mean, half, low, high;
};

/* The interval of X = `name`; 0 = there is none. */
int interval_of(const struct nas_csv *table, const char *name, struct interval *out);
/* Its ends in a row; NAN where they are not given. */
void interval_ends(const struct nas_csv *table, int64_t row, const struct interval *at,
                   double ends[2]);

#endif
