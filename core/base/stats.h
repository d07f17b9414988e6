/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_STATS_H
#define NAS_BASE_STATS_H

/* Means, their intervals, and tests of differences. */

#include <stdint.h>

/* P(T <= t) for Student's T with df degrees of freedom. */
double nas_t_cdf(double t, double df);
/* t such that |T| > t with probability 5%, for Student's T with df degrees of freedom. */
double nas_t_quantile95(double df);

/* Half width of the 95% confidence interval of the mean of x[n] (Student t); NAN for n < 2. */
double nas_ci95(int64_t n, const double *x, double *mean);

/* Two-sided p of the hypothesis that the mean of x[n] is 0 (Student t); NAN for n < 2, and where
 * all are equal and not 0, which leaves nothing to measure the scatter by. */
double nas_t_test(int64_t n, const double *x);
/* Two-sided p of so many differences above and below 0 where both are as likely; equals count in
 * neither. Exact. */
double nas_sign_test(int64_t more, int64_t less);
/* p[n] corrected for their number by Holm, into out[n]; those that are NAN are no tests. */
void nas_holm(int n, const double *p, double *out);

#endif
