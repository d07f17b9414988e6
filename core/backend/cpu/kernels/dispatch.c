/* SPDX-License-Identifier: MIT */
/* OpenBLAS and bf16 have only products: the rest of OpenBLAS' table is the generic one. */
#define NAS_ISA generic

#include "backend/cpu/kernels/isa.h"
#include "backend/cpu/kernels/openblas.h"

#include <string.h>

#ifdef __x86_64__
#define X86(feature) __builtin_cpu_supports(feature)
#else
#define X86(feature) 0
#endif

/* NAS_BUILT is ISA(name) for each of isa.def that this build has, in its order. */
#define ISA(name) extern const struct nas_kernels nas_##name##_kernels;
NAS_BUILT
#undef ISA
static const struct nas_kernels *const built[] = {
#define ISA(name) &nas_##name##_kernels,
    NAS_BUILT
#undef ISA
};
enum { N_BUILT = sizeof built / sizeof built[0] };

static const struct nas_kernels openblas = {
    .name = "openblas",
#define PRODUCT(f) .f = nas_openblas_##f,
#define KERNEL(f) .f = NAS_NAME(f),
#include "backend/cpu/kernels/kernels.def"
};

const char *const nas_kernel_names[] = {"auto", "openblas",
#define ISA(name, usable) #name,
#include "backend/cpu/kernels/isa.def"
                                        NULL};

static int usable(const char *isa) {
#define ISA(name, usable)                                                                          \
    if (strcmp(isa, #name) == 0) {                                                                 \
        return usable;                                                                             \
    }
#include "backend/cpu/kernels/isa.def"
    return 0;
}

const struct nas_kernels *nas_kernels_find(const char *name) {
#ifdef NAS_HAVE_BF16
    extern const struct nas_kernels nas_bf16_kernels;
    if (strcmp(name, "bf16") == 0 && usable("avx512") && X86("avx512bf16")) {
        return &nas_bf16_kernels;
    }
#endif
    /* Products by OpenBLAS are faster than those of plain vectors. */
    const int any = strcmp(name, "auto") == 0;
    for (int i = 0; i < N_BUILT; i++) {
        const int asked = any ? i < N_BUILT - 1 : strcmp(name, built[i]->name) == 0;
        if (asked && usable(built[i]->name)) {
            return built[i];
        }
    }
    return any || strcmp(name, "openblas") == 0 ? &openblas : NULL;
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
