/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_KERNELS_ISA_H
#define NAS_BACKEND_CPU_KERNELS_ISA_H

/* What the files that are compiled once for every instruction set share: the vector type and the
 * functions' names. NAS_ISA is set by the build: a name of isa.def. */

#include "backend/cpu/kernels/kernel.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#define NAS_VECTOR_BYTES 64
#define NAS_BLOCK_ROWS 14
#elif defined(__AVX2__)
#define NAS_VECTOR_BYTES 32
#define NAS_BLOCK_ROWS 6
#elif defined(__aarch64__)
#define NAS_VECTOR_BYTES 16
#define NAS_BLOCK_ROWS 14
#else
#define NAS_VECTOR_BYTES 16
#define NAS_BLOCK_ROWS 6
#endif

/* F(1) to F(NAS_BLOCK_ROWS); F(1, 1) to F(NAS_BLOCK_OUTS, NAS_BLOCK_INS): a function for each size
 * of a tile, which is a constant in it, so that its sums become registers. */
#define NAS_ROWS_6(F) F(1) F(2) F(3) F(4) F(5) F(6)
#if NAS_BLOCK_ROWS == 14
#define NAS_EACH_ROWS(F) NAS_ROWS_6(F) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14)
#else
#define NAS_EACH_ROWS(F) NAS_ROWS_6(F)
#endif
#if NAS_VECTOR_BYTES == 64
enum { NAS_BLOCK_OUTS = 5, NAS_BLOCK_INS = 5 };
#define NAS_INS(F, O) F(O, 1) F(O, 2) F(O, 3) F(O, 4) F(O, 5)
#define NAS_EACH_BLOCK(F) NAS_INS(F, 1) NAS_INS(F, 2) NAS_INS(F, 3) NAS_INS(F, 4) NAS_INS(F, 5)
#else
enum { NAS_BLOCK_OUTS = 4, NAS_BLOCK_INS = 3 };
#define NAS_INS(F, O) F(O, 1) F(O, 2) F(O, 3)
#define NAS_EACH_BLOCK(F) NAS_INS(F, 1) NAS_INS(F, 2) NAS_INS(F, 3) NAS_INS(F, 4)
#endif

#define NAS_PASTE2(a, b) a##b
#define NAS_PASTE(a, b) NAS_PASTE2(a, b)
/* nas_avx512_conv, ... */
#define NAS_NAME(f) NAS_PASTE(NAS_PASTE(nas_, NAS_ISA), NAS_PASTE(_, f))

/* Before a loop of constant length over an array that is to live in registers. */
#if defined(__clang__)
#define NAS_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NAS_UNROLL _Pragma("GCC unroll 32")
#endif

#ifdef MN_REAL_DOUBLE
#define NAS_REAL_BYTES 8
#else
#define NAS_REAL_BYTES 4
#endif

enum { NAS_V = NAS_VECTOR_BYTES / (int)sizeof(mn_real) };
typedef mn_real nas_vec __attribute__((vector_size(NAS_VECTOR_BYTES)));
/* The same, at any real's address. */
typedef mn_real nas_uvec
    __attribute__((vector_size(NAS_VECTOR_BYTES), aligned(sizeof(mn_real)), may_alias));

static inline nas_vec nas_load(const mn_real *at) {
    return *(const nas_uvec *)(const void *)at;
}

static inline void nas_store(mn_real *at, nas_vec v) {
    *(nas_uvec *)(void *)at = v;
}

static inline nas_vec nas_splat(mn_real x) {
    return x - (nas_vec){0};
}

#ifdef MN_REAL_DOUBLE
typedef int64_t nas_lane;
#else
typedef int32_t nas_lane;
#endif
typedef nas_lane nas_lanes __attribute__((vector_size(NAS_VECTOR_BYTES)));

/* Some lanes: what a comparison gives, to select with. The vector extensions keep it as a vector,
 * not in the mask registers of AVX-512. */
#if NAS_VECTOR_BYTES == 64 && !defined(MN_REAL_DOUBLE)
typedef __mmask16 nas_lane_mask;

static inline nas_lane_mask nas_not_at_most(nas_lane_mask among, nas_vec a, nas_vec b) {
    return _mm512_mask_cmp_ps_mask(among, (__m512)a, (__m512)b, _CMP_NLE_UQ);
}

static inline nas_lane_mask nas_below(nas_vec a, nas_vec b) {
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ);
}

static inline nas_lane_mask nas_not_zero(nas_vec a) {
    return _mm512_cmp_ps_mask((__m512)a, _mm512_setzero_ps(), _CMP_NEQ_UQ);
}

static inline nas_lane_mask nas_same(nas_lanes a, nas_lanes b) {
    return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
}

static inline nas_vec nas_select(nas_lane_mask which, nas_vec yes, nas_vec no) {
    return (nas_vec)_mm512_mask_blend_ps(which, (__m512)no, (__m512)yes);
}

static inline nas_lanes nas_select_lanes(nas_lane_mask which, nas_lanes yes, nas_lanes no) {
    return (nas_lanes)_mm512_mask_blend_epi32(which, (__m512i)no, (__m512i)yes);
}
#else
typedef nas_lanes nas_lane_mask;

static inline nas_lane_mask nas_not_at_most(nas_lane_mask among, nas_vec a, nas_vec b) {
    return among & ~(a <= b);
}

static inline nas_lane_mask nas_below(nas_vec a, nas_vec b) {
    return a < b;
}

static inline nas_lane_mask nas_not_zero(nas_vec a) {
    return a != (nas_vec){0};
}

static inline nas_lane_mask nas_same(nas_lanes a, nas_lanes b) {
    return a == b;
}

static inline nas_lanes nas_select_lanes(nas_lane_mask which, nas_lanes yes, nas_lanes no) {
    return (which & yes) | (~which & no);
}

static inline nas_vec nas_select(nas_lane_mask which, nas_vec yes, nas_vec no) {
    return (nas_vec)nas_select_lanes(which, (nas_lanes)yes, (nas_lanes)no);
}
#endif

/* max(v, 0); what is no number stays. */
static inline nas_vec nas_positive(nas_vec v) {
    return nas_select(nas_below(v, (nas_vec){0}), (nas_vec){0}, v);
}

/* A vector of outputs, on the pixels of mask[at] on (NULL = on all), in place of what is there or
 * added to it. */
static inline __attribute__((always_inline)) void
nas_put(mn_real *to, nas_vec v, const mn_real *mask, ptrdiff_t at, int accumulate) {
    if (mask != NULL) {
        v *= nas_load(mask + at);
    }
    nas_store(to, accumulate ? nas_load(to) + v : v);
}

/* The first n lanes. */
static inline void nas_store_first(mn_real *at, nas_vec v, int n) {
#if NAS_VECTOR_BYTES == 64 && !defined(MN_REAL_DOUBLE)
    _mm512_mask_storeu_ps(at, (__mmask16)((1U << n) - 1), (__m512)v);
#else
    const union {
        nas_vec whole;
        mn_real lane[NAS_V];
    } u = {v};
    if (n == NAS_V) {
        nas_store(at, v);
        return;
    }
    for (int i = 0; i < n; i++) {
        at[i] = u.lane[i];
    }
#endif
}

/* The lanes of a vector added up to sixteen bytes: halving takes fewer steps than a chain through
 * all lanes, which would take longer than a short range's products. */
typedef mn_real nas_quad __attribute__((vector_size(16)));
enum { NAS_QUAD = 16 / (int)sizeof(mn_real) };

static inline nas_quad nas_fold(nas_vec v) {
    const union {
        nas_vec whole;
        nas_quad part[NAS_VECTOR_BYTES / 16];
    } u = {v};
#if NAS_VECTOR_BYTES == 64
    return (u.part[0] + u.part[1]) + (u.part[2] + u.part[3]);
#elif NAS_VECTOR_BYTES == 32
    return u.part[0] + u.part[1];
#else
    return u.part[0];
#endif
}

static inline double nas_sum(nas_vec v) {
    const nas_quad q = nas_fold(v);
    double sum = 0;
    for (int i = 0; i < NAS_QUAD; i++) {
        sum += (double)q[i];
    }
    return sum;
}

/* Elements 0, 2, 4, ... and 1, 3, 5, ... of b after a. */
#if NAS_VECTOR_BYTES / NAS_REAL_BYTES == 16
#define NAS_UNZIP(a, b, first)                                                                     \
    __builtin_shufflevector(a, b, first, first + 2, first + 4, first + 6, first + 8, first + 10,   \
                            first + 12, first + 14, first + 16, first + 18, first + 20,            \
                            first + 22, first + 24, first + 26, first + 28, first + 30)
#define NAS_ZIP(a, b, f)                                                                           \
    __builtin_shufflevector(a, b, f, f + 16, f + 1, f + 17, f + 2, f + 18, f + 3, f + 19, f + 4,   \
                            f + 20, f + 5, f + 21, f + 6, f + 22, f + 7, f + 23)
#elif NAS_VECTOR_BYTES / NAS_REAL_BYTES == 8
#define NAS_UNZIP(a, b, first)                                                                     \
    __builtin_shufflevector(a, b, first, first + 2, first + 4, first + 6, first + 8, first + 10,   \
                            first + 12, first + 14)
#define NAS_ZIP(a, b, f)                                                                           \
    __builtin_shufflevector(a, b, f, f + 8, f + 1, f + 9, f + 2, f + 10, f + 3, f + 11)
#elif NAS_VECTOR_BYTES / NAS_REAL_BYTES == 4
#define NAS_UNZIP(a, b, first) __builtin_shufflevector(a, b, first, first + 2, first + 4, first + 6)
#define NAS_ZIP(a, b, f) __builtin_shufflevector(a, b, f, f + 4, f + 1, f + 5)
#else
#define NAS_UNZIP(a, b, first) __builtin_shufflevector(a, b, first, first + 2)
#define NAS_ZIP(a, b, f) __builtin_shufflevector(a, b, f, f + 2)
#endif

static inline nas_vec nas_evens(nas_vec a, nas_vec b) {
    return NAS_UNZIP(a, b, 0);
}

static inline nas_vec nas_odds(nas_vec a, nas_vec b) {
    return NAS_UNZIP(a, b, 1);
}

/* The lower and the upper halves of a and b, element by element in turn. */
static inline nas_vec nas_zip_low(nas_vec a, nas_vec b) {
    return NAS_ZIP(a, b, 0);
}

static inline nas_vec nas_zip_high(nas_vec a, nas_vec b) {
    return NAS_ZIP(a, b, NAS_V / 2);
}

/* The size of the next part of what is left, as even as parts of at most `most` can be. */
static inline int nas_part(int left, int most) {
    const int parts = (left + most - 1) / most;
    return (left + parts - 1) / parts;
}

/* Where the zeros at an image's end begin. */
static inline ptrdiff_t nas_used(const mn_real *mask, ptrdiff_t image) {
    while (image > 0 && mask[image - 1] == 0) {
        image--;
    }
    return image;
}

/* The same, rounded up to a vector. */
static inline ptrdiff_t nas_used_of(const mn_real *mask, ptrdiff_t image) {
    return (nas_used(mask, image) + NAS_V - 1) / NAS_V * NAS_V;
}

/* Pixels whose sum is kept in reals before it goes on in double. */
enum { NAS_SUM_BLOCK = 1024 };

#define KERNEL(f) nas_##f##_fn NAS_NAME(f);
#include "backend/cpu/kernels/kernels.def"

#if NAS_VECTOR_BYTES == 64
/* window.c: a window of n rows of n taps that are `step` apart, n = 3 or 5. */
enum { NAS_WINDOW_ROW = 5 };
struct nas_window {
    int n, step;
    int back;                      /* the caller's taps are in falling order */
    ptrdiff_t row[NAS_WINDOW_ROW]; /* the first tap of each row, in rising order */
};
/* 0 = the taps are none. */
int NAS_NAME(window_of)(int n_tap, const ptrdiff_t *tap, struct nas_window *w);
/* The caller's number of tap t in rising order. */
int NAS_NAME(window_index)(const struct nas_window *w, int t);
/* One channel of depthwise over an image, and the sums of depthwise_dw; weights and sums in rising
 * order of taps. */
void NAS_NAME(window_rows)(const struct nas_window *w, const mn_real *weights, const mn_real *x,
                           mn_real *y, ptrdiff_t len, const mn_real *mask, int accumulate);
/* The same with one weight for all taps and any plane to multiply with; n = 3. */
void NAS_NAME(window_box)(const struct nas_window *w, mn_real weight, const mn_real *x, mn_real *y,
                          ptrdiff_t len, const mn_real *plane, int accumulate);
void NAS_NAME(window_dw)(const struct nas_window *w, const mn_real *g, const mn_real *x,
                         ptrdiff_t len, mn_real *sums);
#endif

#endif
