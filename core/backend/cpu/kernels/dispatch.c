/* SPDX-License-Identifier: MIT */
/* OpenBLAS has only products: the rest of its table is the baseline's. */
#define NAS_ISA sse2

#include "backend/cpu/kernels/openblas.h"
#include "backend/cpu/kernels/table.h"

#include <string.h>

#ifdef NAS_HAVE_AVX512
extern const struct nas_kernels nas_avx512_kernels;
#endif
#ifdef NAS_HAVE_AVX2
extern const struct nas_kernels nas_avx2_kernels;
#endif
#ifdef NAS_HAVE_BF16
extern const struct nas_kernels nas_bf16_kernels;
#endif
extern const struct nas_kernels nas_sse2_kernels;

static const struct nas_kernels *avx512(void) {
#ifdef NAS_HAVE_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
        return &nas_avx512_kernels;
    }
#endif
    return NULL;
}

static const struct nas_kernels *avx2(void) {
#ifdef NAS_HAVE_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return &nas_avx2_kernels;
    }
#endif
    return NULL;
}

static const struct nas_kernels *bf16(void) {
#ifdef NAS_HAVE_BF16
    if (avx512() != NULL && __builtin_cpu_supports("avx512bf16")) {
        return &nas_bf16_kernels;
    }
#endif
    return NULL;
}

static const struct nas_kernels openblas = {
    .name = "openblas",
    .packed = nas_openblas_packed,
    .pack = nas_openblas_pack,
    .conv = nas_openblas_conv,
    .conv_dw = nas_openblas_conv_dw,
    NAS_COMMON_KERNELS,
};

const struct nas_kernels *nas_kernels_find(const char *name) {
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
        return &nas_sse2_kernels;
    }
    if (strcmp(name, "openblas") == 0) {
        return &openblas;
    }
    if (strcmp(name, "auto") != 0) {
        return NULL;
    }
    const struct nas_kernels *best = avx512();
    best = best != NULL ? best : avx2();
    return best != NULL ? best : &openblas;
}

void nas_moments_merge(int n, double count, const double *sum, const double *m2,
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
