/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

/* The time of a step, and what it is compared with. */

#include "bounds.h"
#include "subject.h"

struct effort {
    double seconds;  /* to spend on a case, about */
    int64_t repeats; /* at least 1 */
};

/* Wall-clock time divided by the steps of all workers: milliseconds. */
struct measured {
    int workers;
    int64_t repeats, steps; /* steps of a repeat on each worker */
    double median, least, most;
    double processor;  /* mean of the processor time that a step took, all threads; milliseconds */
    double plan, peak; /* bytes; peak -1 = not known */
    double skip_share;
};

/* Work of a step, from the profile where the model's own count does not hold. */
struct work {
    double gflop;
    int counted;   /* gflop is the kernels' sum, for not all candidates are computed */
    double gbytes; /* operands of the kernels */
};

/* How near a measured rate is to what the machine can do, 1 = at the bound. Traffic can exceed 1:
 * its operands lie in caches then. */
struct roofline {
    double gflops, arithmetic, traffic;
    const char *verdict;
};

int measure(struct mn_ctx *ctx, struct subject *subject, int workers, const struct effort *effort,
            struct measured *out);

struct work work_of(const struct subject *subject, const struct profile *profile);

/* `seconds` of one thread, or of a step of all workers, in which that many GFLOP and GB were done.
 */
struct roofline roofline_of(const struct bounds *bounds, int threads, const char *kernels,
                            double gflop, double gbytes, double seconds);

#endif
