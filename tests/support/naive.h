/* SPDX-License-Identifier: MIT */
#ifndef TESTS_NAIVE_H
#define TESTS_NAIVE_H

/* Every entry of struct nas_kernels in plain loops over pixels, summed in double: what the fast
 * tables are compared with. Sums keep the range's order; nothing is blocked. */

#include "backend/cpu/kernels/kernel.h"

extern const struct nas_kernels naive_kernels;

#endif
