/* SPDX-License-Identifier: MIT */
#ifndef KIT_DERIVATIVE_H
#define KIT_DERIVATIVE_H

/* Derivatives from differences, for comparison with those that plugins compute. */

#include <metanas/abi.h>

/* How far a gradient may be from its differences, relative to 1 + its size. */
#ifdef MN_REAL_DOUBLE
#define KIT_GRADIENT_TOLERANCE 1e-6
#else
#define KIT_GRADIENT_TOLERANCE 5e-3
#endif

/* f where its argument is moved by `by`; *at = the argument, as it was rounded. */
typedef double (*kit_function)(void *data, double by, double *at);

/* Ridders' method (Advances in Engineering Software 4, 1982): central differences at falling steps,
 * beginning with `step`, extrapolated; the estimate that its neighbours agree with best, and how
 * well they do. Near a kink the error is large, or wide steps across it agree by chance. */
double kit_derivative(kit_function f, void *data, double step, double *error);

/* 1 where the finest differences contradict the estimate, as near a kink, and `got` lies between
 * the slopes on both sides. */
int kit_derivative_at_kink(kit_function f, void *data, double got, double estimate,
                           double tolerance);

enum kit_agreement {
    KIT_AGREES,
    KIT_DISAGREES,
    KIT_UNSETTLED /* the differences do not tell the derivative */
};
/* Compare an element of a gradient with differences, which give `expected`. */
enum kit_agreement kit_agrees(kit_function f, void *data, double got, double *expected);

/* Compare up to 48 elements of the gradient got[n] with differences of f(data), a function of
 * at[n]; kit_fail with `rule` where they disagree, or where most of them do not settle. */
void kit_compare(const char *rule, const char *what, double (*f)(void *data), void *data,
                 mn_real *at, const mn_real *got, int64_t n);

#endif
