/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BOUNDS_H
#define BENCH_BOUNDS_H

/* What the machine can do at most, measured, so that a time can be compared with it. */

#include "metanas/abi.h"

#include <stdint.h>

enum { MOST_WORKERS = 16, MOST_ISAS = 3 };

/* Rates of `threads` threads together. */
struct bound {
    int threads;
    double gflops[MOST_ISAS]; /* of isas[i]: multiply-adds count two */
    double gbytes;            /* a second from memory: two streams read, one written */
};

struct bounds {
    int n_isas;
    const char *isas[MOST_ISAS]; /* those of this processor, widest first */
    int n;
    struct bound at[MOST_WORKERS + 1]; /* the first is that of one thread */
};

/* Measure with one thread and with each of the given numbers, the best of `repeats`. 0 = no memory
 * or no thread. */
int bounds_measure(int n, const int *threads, int64_t repeats, struct bounds *out);

/* Best rate of `threads` threads (a number that was measured) with the instruction set that kernels
 * of this name use; OpenBLAS picks its own, so for other names the widest. GFLOP/s. */
double bounds_gflops(const struct bounds *bounds, int threads, const char *kernels);
double bounds_gbytes(const struct bounds *bounds, int threads);

/* fma.c, compiled once for each instruction set: `rounds` rounds of independent multiply-adds in
 * registers; returns the operations done. */
#define ISA(name) double bench_fma_##name(int64_t rounds);
NAS_BUILT
#undef ISA

#endif
