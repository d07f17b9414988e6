/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_KERNELS_KERNEL_H
#define NAS_BACKEND_CPU_KERNELS_KERNEL_H

/* The narrow interface to everything that is computed on activations. One source, compiled for each
 * instruction set of isa.def and chosen at run time; a second table does the products with
 * OpenBLAS; a third (tests/support/naive.c) is the reference in plain loops.
 *
 * Conventions. `x`, `y`, `g` are pointers to (channel 0, first image of the range, pixel 0); `xs`,
 * `ys`, `gs` their channel strides. `len` is the length of the range, a multiple of NAS_LANES:
 * whole images, of which the last may end with its span. `mask` is [image] and repeats for each
 * image of the range: element p of the range has mask[p % image]; NULL = do not mask. Tensors may
 * be read as far around the range as the taps reach plus four times NAS_LANES reals (grids have
 * that slack).
 * Sums over pixels are accumulated in double over blocks of at most about a thousand; the weight
 * gradients over the range that the caller gives. Kernels never allocate and are thread-safe. Tap
 * offsets are in reals relative to the output pixel, and may be negative. */

#include "backend/cpu/kernels/grid.h"

/* A path's share in a node: factor * (scale[c] * x + shift[c]) on the mask's pixels. Factors are
 * those of the range's images, in order; NULL = 1. */
struct nas_term {
    const mn_real *x;
    ptrdiff_t xs;
    const mn_real *scale, *shift, *factor;
};

/* sum_g[c] += sum_p factor * g, sum[c] += sum_p factor * g * (x - centre[c]); no centre = 0. */
struct nas_product {
    const mn_real *x;
    ptrdiff_t xs;
    const mn_real *centre, *factor;
    double *sum_g, *sum;
};

/* ---- the kernels: kernels.def lists them ---------------------------------------------------- */

/* Reals that `pack` writes for n_out outputs and n_in * n_tap products each. */
typedef size_t nas_packed_fn(int n_out, int n_in, int n_tap);
/* Repack weights for conv: w(o, i, t) = w[o * so + i * si + t * st]. Also used transposed. */
typedef void nas_pack_fn(int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so,
                         ptrdiff_t si, ptrdiff_t st, mn_real *packed);
/* y[o][p] = (accumulate ? y[o][p] : 0) + mask[p] * sum_{i,t} w(o,i,t) * x[i][p + tap[t]].
 * Five taps by equally rising offsets may be computed in fewer products (winograd.c): then
 * rounding errors are relative to neighbouring pixels of the image, too. Pixels do not depend
 * on the other images of the range. */
typedef void nas_conv_fn(int n_out, int n_in, int n_tap, const ptrdiff_t *tap,
                         const mn_real *packed, const mn_real *x, ptrdiff_t xs, mn_real *y,
                         ptrdiff_t ys, ptrdiff_t len, const mn_real *mask, ptrdiff_t image,
                         int accumulate);
/* dw[o * so + i * si + t * st] += sum_p g[o][p] * x[i][p + tap[t]]. g's padding is zero. */
typedef void nas_conv_dw_fn(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *g,
                            ptrdiff_t gs, const mn_real *x, ptrdiff_t xs, ptrdiff_t len,
                            mn_real *dw, ptrdiff_t so, ptrdiff_t si, ptrdiff_t st);
/* y[c][p] = (accumulate ? y : 0) + mask[p] * sum_t w[c * sc + t * st] * x[c][p + tap[t]]. */
typedef void nas_depthwise_fn(int n, int n_tap, const ptrdiff_t *tap, const mn_real *w,
                              ptrdiff_t sc, ptrdiff_t st, const mn_real *x, ptrdiff_t xs,
                              mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                              ptrdiff_t image, int accumulate);
/* dw[c * sc + t * st] += sum_p g[c][p] * x[c][p + tap[t]]. */
typedef void nas_depthwise_dw_fn(int n, int n_tap, const ptrdiff_t *tap, const mn_real *g,
                                 ptrdiff_t gs, const mn_real *x, ptrdiff_t xs, ptrdiff_t len,
                                 mn_real *dw, ptrdiff_t sc, ptrdiff_t st);
/* Pooling with window taps tap[n_tap] in window order; valid[t] is [image]: 1 where tap t of
 * that pixel lies on the image. Max: the first largest wins; which[c][p] (stride ws) is its
 * tap, and a window with a value that is not finite gives NaN. y's padding is written zero. */
typedef void nas_max_pool_fn(int n, int n_tap, const ptrdiff_t *tap, const mn_real *const *valid,
                             const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
                             uint8_t *which, ptrdiff_t ws, ptrdiff_t len, const mn_real *mask,
                             ptrdiff_t image);
/* dx[c][p + tap[t]] += g[c][p] where which[c][p] == t. g's padding is zero. */
typedef void nas_max_pool_dx_fn(int n, int n_tap, const ptrdiff_t *tap, const uint8_t *which,
                                ptrdiff_t ws, const mn_real *g, ptrdiff_t gs, mn_real *dx,
                                ptrdiff_t dxs, ptrdiff_t len);
/* y[c][p] = weight[p] * sum_t x[c][p + tap[t]]; weight [image] = mask / number of valid taps.
 */
typedef void nas_avg_pool_fn(int n, int n_tap, const ptrdiff_t *tap, const mn_real *weight,
                             const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
                             ptrdiff_t len, ptrdiff_t image);
/* y = max(x, 0); NaN stays */
typedef void nas_relu_fn(int n, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
                         ptrdiff_t len);
/* dx = (accumulate ? dx : 0) + (y > 0 ? g : 0); y is ReLU's input or output */
typedef void nas_relu_dx_fn(int n, const mn_real *y, ptrdiff_t ys, const mn_real *g, ptrdiff_t gs,
                            mn_real *dx, ptrdiff_t dxs, ptrdiff_t len, int accumulate);
/* y = s * x (accumulate = 0) or y += s * x */
typedef void nas_axpy_fn(int n, mn_real s, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
                         ptrdiff_t len, int accumulate);
/* Over the mask's pixels of the range: sum[c] += sum_p y, and m2[c] the sum of squares about
 * the range's own mean: the caller merges ranges (nas_moments_merge). */
typedef void nas_moments_fn(int n, const mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                            const mn_real *mask, ptrdiff_t image, double *sum, double *m2);
/* y = scale[c] * x + shift[c] * mask, then ReLU if relu. */
typedef void nas_affine_fn(int n, const mn_real *scale, const mn_real *shift, const mn_real *x,
                           ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                           const mn_real *mask, ptrdiff_t image, int relu);
/* y = (accumulate ? y : 0) + the sum of one or more terms: paths into a node. */
typedef void nas_mix_fn(int n, int n_terms, const struct nas_term *terms, mn_real *y, ptrdiff_t ys,
                        ptrdiff_t len, const mn_real *mask, ptrdiff_t image, int accumulate);
/* The sums of g and of its products with one or more terms: what batch norm and the mixture
 * need to go backwards. g's padding is zero. */
typedef void nas_products_fn(int n, int n_terms, const struct nas_product *terms, const mn_real *g,
                             ptrdiff_t gs, ptrdiff_t len, ptrdiff_t image);
/* y = a[c] * g + b[c] * x + c[c] * mask (batch norm backward); y may be g. */
typedef void nas_combine_fn(int n, const mn_real *a, const mn_real *g, ptrdiff_t gs,
                            const mn_real *b, const mn_real *x, ptrdiff_t xs, const mn_real *c,
                            mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                            ptrdiff_t image);
/* Stride 2: phase q = 2 * (row parity) + (column parity) of a (h, w) tensor as four tensors of
 * the half-size grid `out`, `phase` reals apart; pixels beyond the input, like
 * padding, are not written: they are zero since the tensor was made. Images 0..n-1 of the
 * pointers given. */
typedef void nas_split_fn(const struct nas_grid *in, const struct nas_grid *out, int channels,
                          int n, const mn_real *x, mn_real *phases, ptrdiff_t phase);
/* x(2y+py, 2x+px) = (accumulate ? x : 0) + phases(q)(y, x): the transpose of split. Writes no
 * pixels that the phases do not reach. */
typedef void nas_merge_fn(const struct nas_grid *in, const struct nas_grid *out, int channels,
                          int n, const mn_real *phases, ptrdiff_t phase, mn_real *x,
                          int accumulate);

struct nas_kernels {
    const char *name; /* of isa.def, "openblas", "bf16", "naive" */
#define KERNEL(f) nas_##f##_fn *f;
#include "backend/cpu/kernels/kernels.def"
};

/* Merge a range's (count, sum, m2) into a total, in double (Chan et al.): numerically safe. */
void nas_moments_merge(int n, double count, const double *sum, const double *m2,
                       double *total_count, double *total_sum, double *total_m2);

/* What run.kernels may be: "auto", "openblas" and the names of isa.def; NULL ends the list. */
extern const char *const nas_kernel_names[];
/* The best table of this processor ("auto"), or the named one; NULL if the processor or the build
 * lacks it. "bf16" is that of AVX-512 with bfloat16 operands in conv and conv_dw, rounded to
 * nearest, and sums in float; never what "auto" finds. */
const struct nas_kernels *nas_kernels_find(const char *name);

/* General matrix product on row-major arrays through OpenBLAS, one thread:
 * C[m][n] = alpha * op(A) op(B) + beta * C. */
void nas_gemm(int trans_a, int trans_b, int m, int n, int k, mn_real alpha, const mn_real *a,
              int lda, const mn_real *b, int ldb, mn_real beta, mn_real *c, int ldc);
/* Load OpenBLAS, once, before the first product; on one thread, with memory for one call at a time.
 * MN_UNSUPPORTED where it cannot be had or its build does not allow that; MN_NOMEM. */
struct mn_ctx;
int nas_gemm_init(struct mn_ctx *ctx);
/* Memory for so many calls at the same time. [main] */
int nas_gemm_reserve(struct mn_ctx *ctx, int calls);
/* "OpenBLAS 0.3.21 (Zen)" */
const char *nas_gemm_version(void);
/* What its threads are built on: "no threads", "pthreads", "OpenMP". */
const char *nas_gemm_threading(void);

#endif
