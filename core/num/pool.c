/* SPDX-License-Identifier: MIT */
#include "num/isa.h"

#include <math.h>
#include <string.h>

typedef uint8_t bytes __attribute__((vector_size(MN__V)));

/* Channels at once: the comparisons of one wait for each other, those of several do not, and they
 * share the planes of valid taps. */
#if MN__VECTOR_BYTES == 64
enum { WIDE = 4 };
#else
enum { WIDE = 2 };
#endif

enum { BLOCK = 1024 };

struct windows {
    int n_tap;
    const ptrdiff_t *tap;
    const mn_real *const *valid;
    const mn_real *mask;
};

/* The first of some channels. */
struct channels {
    const mn_real *x;
    ptrdiff_t xs;
    mn_real *y;
    ptrdiff_t ys;
    uint8_t *which;
    ptrdiff_t ws;
};

/* A vector of pixels, `at` in the image and p in the range, of `wide` channels, a constant where
 * this is called. `best` starts as no number, which any valid tap beats; `bad` becomes no number
 * where a tap is not finite, so that this shows in the output. */
static inline __attribute__((always_inline)) void
max_tile(int wide, const struct windows *w, const struct channels *j, ptrdiff_t at, ptrdiff_t p) {
    mn__vec best[WIDE], bad[WIDE];
    mn__lanes won[WIDE], number = {0};
    const mn__vec zero = {0};
    MN__UNROLL
    for (int c = 0; c < wide; c++) {
        best[c] = mn__splat((mn_real)NAN);
        bad[c] = zero;
        won[c] = (mn__lanes){0};
    }
    for (int t = 0; t < w->n_tap; t++) {
        const mn_real *from = j->x + p + w->tap[t];
        const mn__some on = mn__not_zero(mn__load(w->valid[t] + at));
        MN__UNROLL
        for (int c = 0; c < wide; c++) {
            const mn__vec in = mn__load(from + c * j->xs);
            const mn__some better = mn__not_at_most(on, in, best[c]);
            bad[c] += in * zero;
            best[c] = mn__select(better, in, best[c]);
            won[c] = mn__select_lanes(better, number, won[c]);
        }
        number += 1;
    }
    const mn__some on = mn__not_zero(mn__load(w->mask + at));
    MN__UNROLL
    for (int c = 0; c < wide; c++) {
        mn__store(j->y + c * j->ys + p, mn__select(on, best[c] + bad[c], zero));
        const bytes narrow = __builtin_convertvector(won[c], bytes);
        memcpy(j->which + c * j->ws + p, &narrow, sizeof narrow);
    }
}

void MN__NAME(max_pool)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *const *valid,
                        const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, uint8_t *which,
                        ptrdiff_t ws, ptrdiff_t len, const mn_real *mask, ptrdiff_t image) {
    const struct windows w = {n_tap, tap, valid, mask};
    for (int c = 0; c < n;) {
        const struct channels j = {x + c * xs, xs, y + c * ys, ys, which + c * ws, ws};
        const int wide = n - c < WIDE ? 1 : WIDE;
        for (ptrdiff_t p = 0; p < len; p += MN__V) {
            if (wide == WIDE) {
                max_tile(WIDE, &w, &j, p % image, p);
            } else {
                max_tile(1, &w, &j, p % image, p);
            }
        }
        c += wide;
    }
}

/* One tap's winners take their gradient. */
static void add_won(int t, const mn__lane *which, const mn_real *g, mn_real *dx, ptrdiff_t len) {
    const mn__lanes number = (mn__lane)t - (mn__lanes){0};
    for (ptrdiff_t p = 0; p < len; p += MN__V) {
        mn__lanes won;
        memcpy(&won, which + p, sizeof won);
        const mn__vec add = mn__select(mn__same(won, number), mn__load(g + p), (mn__vec){0});
        mn__store(dx + p, mn__load(dx + p) + add);
    }
}

void MN__NAME(max_pool_dx)(int n, int n_tap, const ptrdiff_t *tap, const uint8_t *which,
                           ptrdiff_t ws, const mn_real *g, ptrdiff_t gs, mn_real *dx, ptrdiff_t dxs,
                           ptrdiff_t len) {
    mn__lane wide[BLOCK];
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p0 = 0; p0 < len; p0 += BLOCK) {
            const ptrdiff_t part = len - p0 < BLOCK ? len - p0 : BLOCK;
            for (ptrdiff_t p = 0; p < part; p++) {
                wide[p] = which[c * ws + p0 + p];
            }
            for (int t = 0; t < n_tap; t++) {
                add_won(t, wide, g + c * gs + p0, dx + c * dxs + p0 + tap[t], part);
            }
        }
    }
}

struct average {
    int n_tap;
    const ptrdiff_t *tap;
    const mn_real *weight;
#if MN__VECTOR_BYTES == 64
    int is_window;
    struct mn__window window;
#endif
};

static void average(const struct average *a, const mn_real *x, mn_real *y, ptrdiff_t len) {
#if MN__VECTOR_BYTES == 64
    if (a->is_window && a->window.n == 3) {
        MN__NAME(window_box)(&a->window, 1, x, y, len, a->weight, 0);
        return;
    }
#endif
    for (ptrdiff_t p = 0; p < len; p += MN__V) {
        mn__vec sum = {0};
        for (int t = 0; t < a->n_tap; t++) {
            sum += mn__load(x + p + a->tap[t]);
        }
        mn__store(y + p, sum * mn__load(a->weight + p));
    }
}

void MN__NAME(avg_pool)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *weight,
                        const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                        ptrdiff_t image) {
    const ptrdiff_t used = mn__used_of(weight, image);
    struct average a = {.n_tap = n_tap, .tap = tap, .weight = weight};
#if MN__VECTOR_BYTES == 64
    a.is_window = MN__NAME(window_of)(n_tap, tap, &a.window);
#endif
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p += image) {
            const ptrdiff_t part = len - p < image ? len - p : image;
            const ptrdiff_t own = part < used ? part : used;
            mn_real *to = y + c * ys + p;
            average(&a, x + c * xs + p, to, own);
            memset(to + own, 0, (size_t)(part - own) * sizeof *to);
        }
    }
}
