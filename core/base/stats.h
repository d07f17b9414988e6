/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_STATS_H
#define NAS_BASE_STATS_H

/* Means and their intervals. */

#include <stdint.h>

/* t such that |T| > t with probability 5%, for Student's T with df degrees of freedom. */
double nas_t_quantile95(double df);

/* Half width of the 95% confidence interval of the mean of x[n] (Student t); NAN for n < 2. */
double nas_ci95(int64_t n, const double *x, double *mean);

#endif
