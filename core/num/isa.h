/* SPDX-License-Identifier: MIT */
#ifndef MN__NUM_ISA_H
#define MN__NUM_ISA_H

/* What the files that are compiled once for every instruction set share: the vector type and the
 * functions' names. MN__ISA is set by the build: avx512, avx2 or sse2. */

#include "num/kernel.h"

#if defined(__AVX512F__)
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

/* What a comparison of vectors gives: all ones or all zeros in each lane. */
#ifdef MN_REAL_DOUBLE
typedef int64_t mn__lane;
#else
typedef int32_t mn__lane;
#endif
typedef mn__lane mn__lanes __attribute__((vector_size(MN__VECTOR_BYTES)));

static inline mn__vec mn__select(mn__lanes which, mn__vec yes, mn__vec no) {
    return (mn__vec)((which & (mn__lanes)yes) | (~which & (mn__lanes)no));
}

/* max(v, 0); what is no number stays. */
static inline mn__vec mn__positive(mn__vec v) {
    return mn__select(v < (mn__vec){0}, (mn__vec){0}, v);
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
void MN__NAME(split)(const struct mn__grid *in, const struct mn__grid *out, int channels, int n,
                     const mn_real *x, mn_real *phases, ptrdiff_t phase);
void MN__NAME(merge)(const struct mn__grid *in, const struct mn__grid *out, int channels, int n,
                     const mn_real *phases, ptrdiff_t phase, mn_real *x);
/* norm.c */
void MN__NAME(moments)(int n, const mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                       ptrdiff_t image, double *sum, double *m2);
void MN__NAME(affine)(int n, const mn_real *scale, const mn_real *shift, const mn_real *x,
                      ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                      ptrdiff_t image, int relu);
void MN__NAME(mix)(int n, int n_terms, const struct mn__term *terms, mn_real *y, ptrdiff_t ys,
                   ptrdiff_t len, const mn_real *mask, ptrdiff_t image, int accumulate);
void MN__NAME(products)(int n, int n_terms, const struct mn__product *terms, const mn_real *g,
                        ptrdiff_t gs, ptrdiff_t len, double *sum_g);
void MN__NAME(combine)(int n, const mn_real *a, const mn_real *g, ptrdiff_t gs, const mn_real *b,
                       const mn_real *x, ptrdiff_t xs, const mn_real *c, mn_real *y, ptrdiff_t ys,
                       ptrdiff_t len, const mn_real *mask, ptrdiff_t image);

#endif
