/* SPDX-License-Identifier: MIT */
#include "profile.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

static const struct nas_kernels *original;
static struct nas_kernels counting;

enum which {
    PACK,
    CONV,
    CONV_DW,
    DEPTHWISE,
    DEPTHWISE_DW,
    MAX_POOL,
    MAX_POOL_DX,
    AVG_POOL,
    RELU,
    RELU_DX,
    AXPY,
    MOMENTS,
    AFFINE,
    MIX,
    PRODUCTS,
    COMBINE,
    SPLIT,
    MERGE,
    N_WHICH
};

/* `packed` only computes a size. Every other function of the table is counted: one that is added to
 * it needs an entry here. */
_Static_assert(sizeof(struct nas_kernels) ==
                   sizeof(char *) + (1 + N_WHICH) * sizeof(void (*)(void)),
               "every kernel is profiled");

static struct kernel_use uses[N_WHICH];

/* `reals` are the operands' elements. */
static void count(enum which which, const char *name, double begin, double flops, double reals) {
    struct kernel_use *use = &uses[which];
    use->name = name;
    use->seconds += nas_now() - begin;
    use->calls++;
    use->flops += flops;
    use->bytes += reals * sizeof(mn_real);
}

/* A function of the table that calls the original one between two looks at the clock. */
#define COUNTED(which, name, parameters, arguments, flops, reals)                                  \
    static void name parameters {                                                                  \
        const double begin = nas_now();                                                            \
        original->name arguments;                                                                  \
        count(which, #name, begin, flops, reals);                                                  \
    }

static double elements(int n, ptrdiff_t len) {
    return (double)n * (double)len;
}

/* ---- products ----------------------------------------------------------------------------- */

static double product(int n_out, int n_in, int n_tap) {
    return (double)n_out * n_in * n_tap;
}

COUNTED(PACK, pack,
        (int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so, ptrdiff_t si, ptrdiff_t st,
         mn_real *packed),
        (n_out, n_in, n_tap, w, so, si, st, packed), 0, 2 * product(n_out, n_in, n_tap))

COUNTED(CONV, conv,
        (int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *packed,
         const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
         const mn_real *mask, ptrdiff_t image, int accumulate),
        (n_out, n_in, n_tap, tap, packed, x, xs, y, ys, len, mask, image, accumulate),
        2 * product(n_out, n_in, n_tap) * (double)len,
        product(n_out, n_in, n_tap) + (double)len * (n_in + n_out * (accumulate ? 2 : 1)))

COUNTED(CONV_DW, conv_dw,
        (int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *g, ptrdiff_t gs,
         const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw, ptrdiff_t so, ptrdiff_t si,
         ptrdiff_t st),
        (n_out, n_in, n_tap, tap, g, gs, x, xs, len, dw, so, si, st),
        2 * product(n_out, n_in, n_tap) * (double)len,
        2 * product(n_out, n_in, n_tap) + (double)len * (n_in + n_out))

COUNTED(DEPTHWISE, depthwise,
        (int n, int n_tap, const ptrdiff_t *tap, const mn_real *w, ptrdiff_t sc, ptrdiff_t st,
         const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
         const mn_real *mask, ptrdiff_t image, int accumulate),
        (n, n_tap, tap, w, sc, st, x, xs, y, ys, len, mask, image, accumulate),
        2 * n_tap * elements(n, len), elements(n, len) * (accumulate ? 3 : 2))

COUNTED(DEPTHWISE_DW, depthwise_dw,
        (int n, int n_tap, const ptrdiff_t *tap, const mn_real *g, ptrdiff_t gs, const mn_real *x,
         ptrdiff_t xs, ptrdiff_t len, mn_real *dw, ptrdiff_t sc, ptrdiff_t st),
        (n, n_tap, tap, g, gs, x, xs, len, dw, sc, st), 2 * n_tap * elements(n, len),
        2 * elements(n, len))

/* ---- pools -------------------------------------------------------------------------------- */

/* The taken taps are bytes. */
static double with_taps(double reals) {
    return reals + 1.0 / sizeof(mn_real);
}

COUNTED(MAX_POOL, max_pool,
        (int n, int n_tap, const ptrdiff_t *tap, const mn_real *const *valid, const mn_real *x,
         ptrdiff_t xs, mn_real *y, ptrdiff_t ys, uint8_t *which, ptrdiff_t ws, ptrdiff_t len,
         const mn_real *mask, ptrdiff_t image),
        (n, n_tap, tap, valid, x, xs, y, ys, which, ws, len, mask, image), n_tap *elements(n, len),
        with_taps(2) * elements(n, len))

COUNTED(MAX_POOL_DX, max_pool_dx,
        (int n, int n_tap, const ptrdiff_t *tap, const uint8_t *which, ptrdiff_t ws,
         const mn_real *g, ptrdiff_t gs, mn_real *dx, ptrdiff_t dxs, ptrdiff_t len),
        (n, n_tap, tap, which, ws, g, gs, dx, dxs, len), elements(n, len),
        with_taps(3) * elements(n, len))

COUNTED(AVG_POOL, avg_pool,
        (int n, int n_tap, const ptrdiff_t *tap, const mn_real *weight, const mn_real *x,
         ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len, ptrdiff_t image),
        (n, n_tap, tap, weight, x, xs, y, ys, len, image), n_tap *elements(n, len),
        2 * elements(n, len))

/* ---- pass over elements ------------------------------------------------------------------- */

COUNTED(RELU, relu,
        (int n, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len),
        (n, x, xs, y, ys, len), elements(n, len), 2 * elements(n, len))

COUNTED(RELU_DX, relu_dx,
        (int n, const mn_real *y, ptrdiff_t ys, const mn_real *g, ptrdiff_t gs, mn_real *dx,
         ptrdiff_t dxs, ptrdiff_t len, int accumulate),
        (n, y, ys, g, gs, dx, dxs, len, accumulate), elements(n, len) * (accumulate ? 2 : 1),
        elements(n, len) * (accumulate ? 4 : 3))

COUNTED(AXPY, axpy,
        (int n, mn_real s, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
         int accumulate),
        (n, s, x, xs, y, ys, len, accumulate), elements(n, len) * (accumulate ? 2 : 1),
        elements(n, len) * (accumulate ? 3 : 2))

COUNTED(MOMENTS, moments,
        (int n, const mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask, ptrdiff_t image,
         double *sum, double *m2),
        (n, y, ys, len, mask, image, sum, m2), 4 * elements(n, len), elements(n, len))

COUNTED(AFFINE, affine,
        (int n, const mn_real *scale, const mn_real *shift, const mn_real *x, ptrdiff_t xs,
         mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask, ptrdiff_t image, int relu),
        (n, scale, shift, x, xs, y, ys, len, mask, image, relu), 3 * elements(n, len),
        2 * elements(n, len))

COUNTED(MIX, mix,
        (int n, int n_terms, const struct nas_term *terms, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
         const mn_real *mask, ptrdiff_t image, int accumulate),
        (n, n_terms, terms, y, ys, len, mask, image, accumulate), 2 * n_terms * elements(n, len),
        (n_terms + (accumulate ? 2 : 1)) * elements(n, len))

COUNTED(PRODUCTS, products,
        (int n, int n_terms, const struct nas_product *terms, const mn_real *g, ptrdiff_t gs,
         ptrdiff_t len, ptrdiff_t image),
        (n, n_terms, terms, g, gs, len, image), (3 * n_terms + 1) * elements(n, len),
        (n_terms + 1) * elements(n, len))

COUNTED(COMBINE, combine,
        (int n, const mn_real *a, const mn_real *g, ptrdiff_t gs, const mn_real *b,
         const mn_real *x, ptrdiff_t xs, const mn_real *c, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
         const mn_real *mask, ptrdiff_t image),
        (n, a, g, gs, b, x, xs, c, y, ys, len, mask, image), 5 * elements(n, len),
        3 * elements(n, len))

/* ---- stride 2 ----------------------------------------------------------------------------- */

static double pixels(const struct nas_grid *grid, int channels, int n) {
    return (double)channels * n * grid->h * grid->w;
}

COUNTED(SPLIT, split,
        (const struct nas_grid *in, const struct nas_grid *out, int channels, int n,
         const mn_real *x, mn_real *phases, ptrdiff_t phase),
        (in, out, channels, n, x, phases, phase), 0, 2 * pixels(in, channels, n))

COUNTED(MERGE, merge,
        (const struct nas_grid *in, const struct nas_grid *out, int channels, int n,
         const mn_real *phases, ptrdiff_t phase, mn_real *x, int accumulate),
        (in, out, channels, n, phases, phase, x, accumulate),
        accumulate ? pixels(in, channels, n) : 0, (accumulate ? 3 : 2) * pixels(in, channels, n))

/* ---- the table ---------------------------------------------------------------------------- */

const struct nas_kernels *profile_wrap(const struct nas_kernels *kernels) {
    original = kernels;
    counting = (struct nas_kernels){.name = kernels->name,
                                    .packed = kernels->packed,
                                    .pack = pack,
                                    .conv = conv,
                                    .conv_dw = conv_dw,
                                    .depthwise = depthwise,
                                    .depthwise_dw = depthwise_dw,
                                    .max_pool = max_pool,
                                    .max_pool_dx = max_pool_dx,
                                    .avg_pool = avg_pool,
                                    .relu = relu,
                                    .relu_dx = relu_dx,
                                    .axpy = axpy,
                                    .moments = moments,
                                    .affine = affine,
                                    .mix = mix,
                                    .products = products,
                                    .combine = combine,
                                    .split = split,
                                    .merge = merge};
    profile_reset();
    return &counting;
}

void profile_reset(void) {
    memset(uses, 0, sizeof uses);
}

static int by_time(const void *a, const void *b) {
    const struct kernel_use *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

void profile_read(struct profile *out) {
    memset(out, 0, sizeof *out);
    out->all.name = "all";
    for (int i = 0; i < N_WHICH; i++) {
        if (uses[i].calls == 0) {
            continue;
        }
        out->use[out->n++] = uses[i];
        out->all.calls += uses[i].calls;
        out->all.seconds += uses[i].seconds;
        out->all.flops += uses[i].flops;
        out->all.bytes += uses[i].bytes;
    }
    qsort(out->use, (size_t)out->n, sizeof out->use[0], by_time);
}
