/* SPDX-License-Identifier: MIT */
#include "bounds.h"

#if defined(__AVX512F__)
enum { BYTES = 64 };
#elif defined(__AVX2__)
enum { BYTES = 32 };
#else
enum { BYTES = 16 };
#endif

/* Chains enough to hide the latency of a multiply-add, and few enough for 16 registers. */
enum { CHAINS = 12, LANES = BYTES / (int)sizeof(mn_real) };

typedef mn_real vector __attribute__((vector_size(BYTES)));

/* Read by the compiler at run time, so that it cannot work out the result beforehand. */
static volatile mn_real factor = 0.5, addend = 1;
static volatile mn_real sink;

#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)

double PASTE(bench_fma_, NAS_ISA)(int64_t rounds) {
    const vector f = factor - (vector){0}, a = addend - (vector){0};
    vector chain[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        chain[i] = a * (mn_real)i;
    }
    for (int64_t r = 0; r < rounds; r++) {
#if defined(__clang__)
#pragma clang loop unroll(full)
#else
#pragma GCC unroll 12
#endif
        for (int i = 0; i < CHAINS; i++) {
            chain[i] = chain[i] * f + a;
        }
    }
    vector sum = chain[0];
    for (int i = 1; i < CHAINS; i++) {
        sum += chain[i];
    }
    for (int i = 0; i < LANES; i++) {
        sink = sum[i];
    }
    return 2.0 * LANES * CHAINS * (double)rounds;
}
