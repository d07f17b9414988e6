/* SPDX-License-Identifier: MIT */
/* In place of the context and of OpenBLAS, which are not built for this processor: the products of
 * its table are the plain loops. */
#include "support/naive.h"

#include "backend/cpu/kernels/openblas.h"
#include "base/ctx.h"

void nas_ctx_init(struct nas_ctx *ctx, const struct mn_host *host) {
    (void)host;
    *ctx = (struct nas_ctx){0};
}

void nas_ctx_fini(struct nas_ctx *ctx) {
    (void)ctx;
}

void nas_ctx_clear(struct mn_ctx *ctx) {
    (void)ctx;
}

const char *nas_ctx_message(const struct mn_ctx *ctx) {
    (void)ctx;
    return "";
}

int nas_gemm_init(struct mn_ctx *ctx) {
    (void)ctx;
    return MN_OK;
}

size_t nas_openblas_packed(int n_out, int n_in, int n_tap) {
    return naive_kernels.packed(n_out, n_in, n_tap);
}

void nas_openblas_pack(int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so, ptrdiff_t si,
                       ptrdiff_t st, mn_real *packed) {
    naive_kernels.pack(n_out, n_in, n_tap, w, so, si, st, packed);
}

void nas_openblas_conv(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *packed,
                       const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                       const mn_real *mask, ptrdiff_t image, int accumulate) {
    naive_kernels.conv(n_out, n_in, n_tap, tap, packed, x, xs, y, ys, len, mask, image, accumulate);
}

void nas_openblas_conv_dw(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *g,
                          ptrdiff_t gs, const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw,
                          ptrdiff_t so, ptrdiff_t si, ptrdiff_t st) {
    naive_kernels.conv_dw(n_out, n_in, n_tap, tap, g, gs, x, xs, len, dw, so, si, st);
}
