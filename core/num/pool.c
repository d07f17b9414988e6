/* SPDX-License-Identifier: MIT */
#include "num/isa.h"

#include <math.h>

void MN__NAME(max_pool)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *const *valid,
                        const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, uint8_t *which,
                        ptrdiff_t ws, ptrdiff_t len, const mn_real *mask, ptrdiff_t image) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p0 = 0; p0 < len; p0 += MN__LANES) {
            const ptrdiff_t at = p0 % image;
            mn_real best[MN__LANES];
            uint8_t tap_of[MN__LANES];
            for (int v = 0; v < MN__LANES; v++) {
                best[v] = -INFINITY;
                tap_of[v] = 0;
            }
            for (int t = 0; t < n_tap; t++) {
                const mn_real *in = x + c * xs + p0 + tap[t], *on = valid[t] + at;
                for (int v = 0; v < MN__LANES; v++) {
                    const int better = (in[v] > best[v]) & (on[v] != 0);
                    best[v] = better ? in[v] : best[v];
                    tap_of[v] = better ? (uint8_t)t : tap_of[v];
                }
            }
            for (int v = 0; v < MN__LANES; v++) {
                y[c * ys + p0 + v] = mask[at + v] != 0 ? best[v] : 0;
                which[c * ws + p0 + v] = tap_of[v];
            }
        }
    }
}

void MN__NAME(max_pool_dx)(int n, int n_tap, const ptrdiff_t *tap, const uint8_t *which,
                           ptrdiff_t ws, const mn_real *g, ptrdiff_t gs, mn_real *dx, ptrdiff_t dxs,
                           ptrdiff_t len) {
    for (int c = 0; c < n; c++) {
        for (int t = 0; t < n_tap; t++) {
            const uint8_t *from = which + c * ws;
            const mn_real *gc = g + c * gs;
            mn_real *to = dx + c * dxs + tap[t];
            for (ptrdiff_t p = 0; p < len; p++) {
                to[p] += from[p] == t ? gc[p] : 0;
            }
        }
    }
}

void MN__NAME(avg_pool)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *weight,
                        const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                        ptrdiff_t image) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p0 = 0; p0 < len; p0 += image) {
            const ptrdiff_t part = len - p0 < image ? len - p0 : image;
            const mn_real *in = x + c * xs + p0;
            mn_real *out = y + c * ys + p0;
            for (ptrdiff_t p = 0; p < part; p += MN__V) {
                mn__vec sum = {0};
                for (int t = 0; t < n_tap; t++) {
                    sum += mn__load(in + p + tap[t]);
                }
                mn__store(out + p, sum * mn__load(weight + p));
            }
        }
    }
}
