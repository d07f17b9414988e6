/* SPDX-License-Identifier: MIT */
/* OpenBLAS has only products: the rest of its table is the baseline's. */
#define MN__ISA sse2

#include "num/openblas.h"
#include "num/table.h"

#include <string.h>

#ifdef MN__HAVE_AVX512
extern const struct mn__kernels mn__avx512_kernels;
#endif
#ifdef MN__HAVE_AVX2
extern const struct mn__kernels mn__avx2_kernels;
#endif
#ifdef MN__HAVE_BF16
extern const struct mn__kernels mn__bf16_kernels;
#endif
extern const struct mn__kernels mn__sse2_kernels;

static const struct mn__kernels *avx512(void) {
#ifdef MN__HAVE_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
        return &mn__avx512_kernels;
    }
#endif
    return NULL;
}

static const struct mn__kernels *avx2(void) {
#ifdef MN__HAVE_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return &mn__avx2_kernels;
    }
#endif
    return NULL;
}

static const struct mn__kernels *bf16(void) {
#ifdef MN__HAVE_BF16
    if (avx512() != NULL && __builtin_cpu_supports("avx512bf16")) {
        return &mn__bf16_kernels;
    }
#endif
    return NULL;
}

static const struct mn__kernels openblas = {
    .name = "openblas",
    .packed = mn__openblas_packed,
    .pack = mn__openblas_pack,
    .conv = mn__openblas_conv,
    .conv_dw = mn__openblas_conv_dw,
    MN__COMMON_KERNELS,
};

const struct mn__kernels *mn__kernels_find(const char *name) {
    if (strcmp(name, "bf16") == 0) {
        return bf16();
    }
    if (strcmp(name, "avx512") == 0) {
        return avx512();
    }
    if (strcmp(name, "avx2") == 0) {
        return avx2();
    }
    if (strcmp(name, "sse2") == 0) {
        return &mn__sse2_kernels;
    }
    if (strcmp(name, "openblas") == 0) {
        return &openblas;
    }
    if (strcmp(name, "auto") != 0) {
        return NULL;
    }
    const struct mn__kernels *best = avx512();
    best = best != NULL ? best : avx2();
    return best != NULL ? best : &openblas;
}

void mn__moments_merge(int n, double count, const double *sum, const double *m2,
                       double *total_count, double *total_sum, double *total_m2) {
    const double before = *total_count, after = before + count;
    for (int c = 0; c < n; c++) {
        if (before > 0) {
            const double d = sum[c] / count - total_sum[c] / before;
            total_m2[c] += d * d * before * count / after;
        }
        total_m2[c] += m2[c];
        total_sum[c] += sum[c];
    }
    *total_count = after;
}
