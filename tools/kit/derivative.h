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

/* The central difference (f(x + by) - f(x - by)) / 2 by. */
typedef double (*kit_difference)(void *data, double by);

/* Ridders' method (Advances in Engineering Software 4, 1982): central differences at falling steps,
 * beginning with `step`, extrapolated; the estimate that its neighbours agree with best, and how
 * well they do. A large error means a kink. */
double kit_derivative(kit_difference difference, void *data, double step, double *error);

#endif
