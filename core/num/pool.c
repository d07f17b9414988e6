/* SPDX-License-Identifier: MIT */
#include "num/isa.h"

#include <string.h>

typedef uint8_t bytes __attribute__((vector_size(MN__V)));

/* One vector of pixels. `won` is the tap that leads so far, -1 before the first valid one. What is
 * no number beats numbers, so that it shows. */
static void max_tile(int n_tap, const ptrdiff_t *tap, const mn_real *const *valid, ptrdiff_t at,
                     const mn_real *x, const mn_real *mask, mn_real *y, uint8_t *which) {
    mn__vec best = {0};
    mn__lanes won = ~(mn__lanes){0};
    for (int t = 0; t < n_tap; t++) {
        const mn__vec in = mn__load(x + tap[t]);
        const mn__lanes on = mn__load(valid[t] + at) != (mn__vec){0};
        const mn__lanes better = on & ((in > best) | (in != in) | (won < 0));
        best = mn__select(better, in, best);
        won = (better & t) | (~better & won);
    }
    mn__store(y, (mn__vec)((mn__load(mask + at) != (mn__vec){0}) & (mn__lanes)best));
    const bytes narrow = __builtin_convertvector(won & ~(won < 0), bytes);
    memcpy(which, &narrow, sizeof narrow);
}

void MN__NAME(max_pool)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *const *valid,
                        const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, uint8_t *which,
                        ptrdiff_t ws, ptrdiff_t len, const mn_real *mask, ptrdiff_t image) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p0 = 0; p0 < len; p0 += image) {
            const ptrdiff_t part = len - p0 < image ? len - p0 : image;
            for (ptrdiff_t p = 0; p < part; p += MN__V) {
                max_tile(n_tap, tap, valid, p, x + c * xs + p0 + p, mask, y + c * ys + p0 + p,
                         which + c * ws + p0 + p);
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
