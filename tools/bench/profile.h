/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PROFILE_H
#define BENCH_PROFILE_H

/* Which kernels the time goes into: a table of kernels that count and time each call and then call
 * the kernels of another table. One profile at a time, from one thread. Each call costs two looks
 * at the clock more, so a profiled pass is not the one whose time is reported. */

#include "backend/cpu/kernels/kernel.h"

enum { MOST_KERNELS = 32 };

struct kernel_use {
    const char *name;
    int64_t calls;
    double seconds;
    double flops; /* arithmetic operations; a multiply-add counts two, a comparison one */
    double bytes; /* of all operands, each read or written once a call, wherever they lie */
};

struct profile {
    int n;
    struct kernel_use use[MOST_KERNELS]; /* those that were called, by falling time */
    struct kernel_use all;               /* their sum */
};

/* The counting table over `kernels`, its counters at zero. */
const struct nas_kernels *profile_wrap(const struct nas_kernels *kernels);
void profile_reset(void);
void profile_read(struct profile *out);

#endif
