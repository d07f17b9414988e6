/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/isa.h"

void NAS_NAME(relu)(int n, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
                    ptrdiff_t len) {
    for (int c = 0; c < n; c++) {
        const mn_real *restrict in = x + c * xs;
        mn_real *restrict out = y + c * ys;
        for (ptrdiff_t p = 0; p < len; p++) {
            out[p] = in[p] < 0 ? 0 : in[p]; /* what is no number stays */
        }
    }
}

void NAS_NAME(relu_dx)(int n, const mn_real *y, ptrdiff_t ys, const mn_real *g, ptrdiff_t gs,
                       mn_real *dx, ptrdiff_t dxs, ptrdiff_t len, int accumulate) {
    for (int c = 0; c < n; c++) {
        const mn_real *restrict at = y + c * ys, *restrict from = g + c * gs;
        mn_real *restrict to = dx + c * dxs;
        if (accumulate) {
            for (ptrdiff_t p = 0; p < len; p++) {
                to[p] += at[p] > 0 ? from[p] : 0;
            }
        } else {
            for (ptrdiff_t p = 0; p < len; p++) {
                to[p] = at[p] > 0 ? from[p] : 0;
            }
        }
    }
}

void NAS_NAME(axpy)(int n, mn_real s, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
                    ptrdiff_t len, int accumulate) {
    for (int c = 0; c < n; c++) {
        const mn_real *restrict in = x + c * xs;
        mn_real *restrict out = y + c * ys;
        if (accumulate) {
            for (ptrdiff_t p = 0; p < len; p++) {
                out[p] += s * in[p];
            }
        } else {
            for (ptrdiff_t p = 0; p < len; p++) {
                out[p] = s * in[p];
            }
        }
    }
}
