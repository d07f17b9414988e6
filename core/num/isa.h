/* SPDX-License-Identifier: MIT */
#ifndef MN__NUM_ISA_H
#define MN__NUM_ISA_H

/* What the files that are compiled once for every instruction set share: the vector type and the
 * functions' names. MN__ISA is set by the build: avx512, avx2 or sse2. */

#include "num/kernel.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#define MN__VECTOR_BYTES 64
#define MN__BLOCK_ROWS 14
#elif defined(__AVX2__)
#define MN__VECTOR_BYTES 32
#define MN__BLOCK_ROWS 6
#else
#define MN__VECTOR_BYTES 16
#define MN__BLOCK_ROWS 6
#endif

#define MN__PASTE2(a, b) a##b
#define MN__PASTE(a, b) MN__PASTE2(a, b)
/* mn__avx512_conv, ... */
#define MN__NAME(f) MN__PASTE(MN__PASTE(mn__, MN__ISA), MN__PASTE(_, f))

/* Before a loop of constant length over an array that is to live in registers. */
#if defined(__clang__)
#define MN__UNROLL _Pragma("clang loop unroll(full)")
#else
#define MN__UNROLL _Pragma("GCC unroll 32")
#endif

#ifdef MN_REAL_DOUBLE
#define MN__REAL_BYTES 8
#else
#define MN__REAL_BYTES 4
#endif

enum { MN__V = MN__VECTOR_BYTES / (int)sizeof(mn_real) };
typedef mn_real mn__vec __attribute__((vector_size(MN__VECTOR_BYTES)));
/* The same, at any real's address. */
typedef mn_real mn__uvec
    __attribute__((vector_size(MN__VECTOR_BYTES), aligned(sizeof(mn_real)), may_alias));

static inline mn__vec mn__load(const mn_real *at) {
    return *(const mn__uvec *)(const void *)at;
}

static inline void mn__store(mn_real *at, mn__vec v) {
    *(mn__uvec *)(void *)at = v;
}

static inline mn__vec mn__splat(mn_real x) {
    return x - (mn__vec){0};
}

#ifdef MN_REAL_DOUBLE
typedef int64_t mn__lane;
#else
typedef int32_t mn__lane;
#endif
typedef mn__lane mn__lanes __attribute__((vector_size(MN__VECTOR_BYTES)));

/* Some lanes: what a comparison gives, to select with. The vector extensions keep it as a vector,
 * not in the mask registers of AVX-512. */
#if MN__VECTOR_BYTES == 64 && !defined(MN_REAL_DOUBLE)
typedef __mmask16 mn__some;

static inline mn__some mn__not_at_most(mn__some among, mn__vec a, mn__vec b) {
    return _mm512_mask_cmp_ps_mask(among, (__m512)a, (__m512)b, _CMP_NLE_UQ);
}

static inline mn__some mn__below(mn__vec a, mn__vec b) {
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ);
}

static inline mn__some mn__not_zero(mn__vec a) {
    return _mm512_cmp_ps_mask((__m512)a, _mm512_setzero_ps(), _CMP_NEQ_UQ);
}

static inline mn__some mn__same(mn__lanes a, mn__lanes b) {
    return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
}

static inline mn__vec mn__select(mn__some which, mn__vec yes, mn__vec no) {
    return (mn__vec)_mm512_mask_blend_ps(which, (__m512)no, (__m512)yes);
}

static inline mn__lanes mn__select_lanes(mn__some which, mn__lanes yes, mn__lanes no) {
    return (mn__lanes)_mm512_mask_blend_epi32(which, (__m512i)no, (__m512i)yes);
}
#else
typedef mn__lanes mn__some;

static inline mn__some mn__not_at_most(mn__some among, mn__vec a, mn__vec b) {
    return among & ~(a <= b);
}

static inline mn__some mn__below(mn__vec a, mn__vec b) {
    return a < b;
}

static inline mn__some mn__not_zero(mn__vec a) {
    return a != (mn__vec){0};
}

static inline mn__some mn__same(mn__lanes a, mn__lanes b) {
    return a == b;
}

static inline mn__lanes mn__select_lanes(mn__some which, mn__lanes yes, mn__lanes no) {
    return (which & yes) | (~which & no);
}

static inline mn__vec mn__select(mn__some which, mn__vec yes, mn__vec no) {
    return (mn__vec)mn__select_lanes(which, (mn__lanes)yes, (mn__lanes)no);
}
#endif

/* max(v, 0); what is no number stays. */
static inline mn__vec mn__positive(mn__vec v) {
    return mn__select(mn__below(v, (mn__vec){0}), (mn__vec){0}, v);
}

/* A vector of outputs, on the pixels of mask[at] on (NULL = on all), in place of what is there or
 * added to it. */
static inline __attribute__((always_inline)) void
mn__put(mn_real *to, mn__vec v, const mn_real *mask, ptrdiff_t at, int accumulate) {
    if (mask != NULL) {
        v *= mn__load(mask + at);
    }
    mn__store(to, accumulate ? mn__load(to) + v : v);
}

/* The first n lanes. */
static inline void mn__store_first(mn_real *at, mn__vec v, int n) {
#if MN__VECTOR_BYTES == 64 && !defined(MN_REAL_DOUBLE)
    _mm512_mask_storeu_ps(at, (__mmask16)((1U << n) - 1), (__m512)v);
#else
    const union {
        mn__vec whole;
        mn_real lane[MN__V];
    } u = {v};
    if (n == MN__V) {
        mn__store(at, v);
        return;
    }
    for (int i = 0; i < n; i++) {
        at[i] = u.lane[i];
    }
#endif
}

/* The lanes of a vector added up to sixteen bytes: halving takes fewer steps than a chain through
 * all lanes, which would take longer than a short range's products. */
typedef mn_real mn__quad __attribute__((vector_size(16)));
enum { MN__QUAD = 16 / (int)sizeof(mn_real) };

static inline mn__quad mn__fold(mn__vec v) {
    const union {
        mn__vec whole;
        mn__quad part[MN__VECTOR_BYTES / 16];
    } u = {v};
#if MN__VECTOR_BYTES == 64
    return (u.part[0] + u.part[1]) + (u.part[2] + u.part[3]);
#elif MN__VECTOR_BYTES == 32
    return u.part[0] + u.part[1];
#else
    return u.part[0];
#endif
}

static inline double mn__sum(mn__vec v) {
    const mn__quad q = mn__fold(v);
    double sum = 0;
    for (int i = 0; i < MN__QUAD; i++) {
        sum += (double)q[i];
    }
    return sum;
}

/* Elements 0, 2, 4, ... and 1, 3, 5, ... of b after a. */
#if MN__VECTOR_BYTES / MN__REAL_BYTES == 16
#define MN__PICK(a, b, first)                                                                      \
    __builtin_shufflevector(a, b, first, first + 2, first + 4, first + 6, first + 8, first + 10,   \
                            first + 12, first + 14, first + 16, first + 18, first + 20,            \
                            first + 22, first + 24, first + 26, first + 28, first + 30)
#define MN__ZIP(a, b, f)                                                                           \
    __builtin_shufflevector(a, b, f, f + 16, f + 1, f + 17, f + 2, f + 18, f + 3, f + 19, f + 4,   \
                            f + 20, f + 5, f + 21, f + 6, f + 22, f + 7, f + 23)
#elif MN__VECTOR_BYTES / MN__REAL_BYTES == 8
#define MN__PICK(a, b, first)                                                                      \
    __builtin_shufflevector(a, b, first, first + 2, first + 4, first + 6, first + 8, first + 10,   \
                            first + 12, first + 14)
#define MN__ZIP(a, b, f)                                                                           \
    __builtin_shufflevector(a, b, f, f + 8, f + 1, f + 9, f + 2, f + 10, f + 3, f + 11)
#elif MN__VECTOR_BYTES / MN__REAL_BYTES == 4
#define MN__PICK(a, b, first) __builtin_shufflevector(a, b, first, first + 2, first + 4, first + 6)
#define MN__ZIP(a, b, f) __builtin_shufflevector(a, b, f, f + 4, f + 1, f + 5)
#else
#define MN__PICK(a, b, first) __builtin_shufflevector(a, b, first, first + 2)
#define MN__ZIP(a, b, f) __builtin_shufflevector(a, b, f, f + 2)
#endif

static inline mn__vec mn__evens(mn__vec a, mn__vec b) {
    return MN__PICK(a, b, 0);
}

static inline mn__vec mn__odds(mn__vec a, mn__vec b) {
    return MN__PICK(a, b, 1);
}

/* The lower and the upper halves of a and b, element by element in turn. */
static inline mn__vec mn__zip_low(mn__vec a, mn__vec b) {
    return MN__ZIP(a, b, 0);
}

static inline mn__vec mn__zip_high(mn__vec a, mn__vec b) {
    return MN__ZIP(a, b, MN__V / 2);
}

/* The size of the next part of what is left, as even as parts of at most `most` can be. */
static inline int mn__part(int left, int most) {
    const int parts = (left + most - 1) / most;
    return (left + parts - 1) / parts;
}

/* Where the zeros at an image's end begin. */
static inline ptrdiff_t mn__used(const mn_real *mask, ptrdiff_t image) {
    while (image > 0 && mask[image - 1] == 0) {
        image--;
    }
    return image;
}

/* The same, rounded up to a vector. */
static inline ptrdiff_t mn__used_of(const mn_real *mask, ptrdiff_t image) {
    return (mn__used(mask, image) + MN__V - 1) / MN__V * MN__V;
}

/* Pixels whose sum is kept in reals before it goes on in double. */
enum { MN__SUM_BLOCK = 1024 };

/* conv.c */
size_t MN__NAME(packed)(int n_out, int n_in, int n_tap);
void MN__NAME(pack)(int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so, ptrdiff_t si,
                    ptrdiff_t st, mn_real *packed);
void MN__NAME(conv)(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *packed,
                    const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                    const mn_real *mask, ptrdiff_t image, int accumulate);
/* conv_dw.c */
void MN__NAME(conv_dw)(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *g,
                       ptrdiff_t gs, const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw,
                       ptrdiff_t so, ptrdiff_t si, ptrdiff_t st);
/* depthwise.c */
void MN__NAME(depthwise)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *w, ptrdiff_t sc,
                         ptrdiff_t st, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
                         ptrdiff_t len, const mn_real *mask, ptrdiff_t image, int accumulate);
void MN__NAME(depthwise_dw)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *g, ptrdiff_t gs,
                            const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw,
                            ptrdiff_t sc, ptrdiff_t st);
#if MN__VECTOR_BYTES == 64
/* window.c: a window of n rows of n taps that are `step` apart, n = 3 or 5. */
enum { MN__WINDOW_ROW = 5 };
struct mn__window {
    int n, step;
    int back;                      /* the caller's taps are in falling order */
    ptrdiff_t row[MN__WINDOW_ROW]; /* the first tap of each row, in rising order */
};
/* 0 = the taps are none. */
int MN__NAME(window_of)(int n_tap, const ptrdiff_t *tap, struct mn__window *w);
/* The caller's number of tap t in rising order. */
int MN__NAME(window_index)(const struct mn__window *w, int t);
/* One channel of depthwise over an image, and the sums of depthwise_dw; weights and sums in rising
 * order of taps. */
void MN__NAME(window_rows)(const struct mn__window *w, const mn_real *weights, const mn_real *x,
                           mn_real *y, ptrdiff_t len, const mn_real *mask, int accumulate);
/* The same with one weight for all taps and any plane to multiply with; n = 3. */
void MN__NAME(window_box)(const struct mn__window *w, mn_real weight, const mn_real *x, mn_real *y,
                          ptrdiff_t len, const mn_real *plane, int accumulate);
void MN__NAME(window_dw)(const struct mn__window *w, const mn_real *g, const mn_real *x,
                         ptrdiff_t len, mn_real *sums);
#endif
/* pool.c */
void MN__NAME(max_pool)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *const *valid,
                        const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, uint8_t *which,
                        ptrdiff_t ws, ptrdiff_t len, const mn_real *mask, ptrdiff_t image);
void MN__NAME(max_pool_dx)(int n, int n_tap, const ptrdiff_t *tap, const uint8_t *which,
                           ptrdiff_t ws, const mn_real *g, ptrdiff_t gs, mn_real *dx, ptrdiff_t dxs,
                           ptrdiff_t len);
void MN__NAME(avg_pool)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *weight,
                        const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                        ptrdiff_t image);
/* pointwise.c */
void MN__NAME(relu)(int n, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len);
void MN__NAME(relu_dx)(int n, const mn_real *y, ptrdiff_t ys, const mn_real *g, ptrdiff_t gs,
                       mn_real *dx, ptrdiff_t dxs, ptrdiff_t len, int accumulate);
void MN__NAME(axpy)(int n, mn_real s, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
                    ptrdiff_t len, int accumulate);
/* phases.c */
void MN__NAME(split)(const struct mn__grid *in, const struct mn__grid *out, int channels, int n,
                     const mn_real *x, mn_real *phases, ptrdiff_t phase);
void MN__NAME(merge)(const struct mn__grid *in, const struct mn__grid *out, int channels, int n,
                     const mn_real *phases, ptrdiff_t phase, mn_real *x, int accumulate);
/* norm.c */
void MN__NAME(moments)(int n, const mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                       ptrdiff_t image, double *sum, double *m2);
void MN__NAME(affine)(int n, const mn_real *scale, const mn_real *shift, const mn_real *x,
                      ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                      ptrdiff_t image, int relu);
void MN__NAME(mix)(int n, int n_terms, const struct mn__term *terms, mn_real *y, ptrdiff_t ys,
                   ptrdiff_t len, const mn_real *mask, ptrdiff_t image, int accumulate);
void MN__NAME(products)(int n, int n_terms, const struct mn__product *terms, const mn_real *g,
                        ptrdiff_t gs, ptrdiff_t len, ptrdiff_t image);
void MN__NAME(combine)(int n, const mn_real *a, const mn_real *g, ptrdiff_t gs, const mn_real *b,
                       const mn_real *x, ptrdiff_t xs, const mn_real *c, mn_real *y, ptrdiff_t ys,
                       ptrdiff_t len, const mn_real *mask, ptrdiff_t image);

#endif
