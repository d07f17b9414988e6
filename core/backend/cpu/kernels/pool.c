/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/isa.h"

#include <math.h>
#include <string.h>

typedef uint8_t bytes __attribute__((vector_size(NAS_V)));

/* Channels at once: the comparisons of one wait for each other, those of several do not, and they
 * share the planes of valid taps. */
#if NAS_VECTOR_BYTES == 64
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
    nas_vec best[WIDE], bad[WIDE];
    nas_lanes won[WIDE], number = {0};
    const nas_vec zero = {0};
    NAS_UNROLL
    for (int c = 0; c < wide; c++) {
        best[c] = nas_splat((mn_real)NAN);
        bad[c] = zero;
        won[c] = (nas_lanes){0};
    }
    for (int t = 0; t < w->n_tap; t++) {
        const mn_real *from = j->x + p + w->tap[t];
        const nas_lane_mask on = nas_not_zero(nas_load(w->valid[t] + at));
        NAS_UNROLL
        for (int c = 0; c < wide; c++) {
            const nas_vec in = nas_load(from + c * j->xs);
            const nas_lane_mask better = nas_not_at_most(on, in, best[c]);
            bad[c] += in * zero;
            best[c] = nas_select(better, in, best[c]);
            won[c] = nas_select_lanes(better, number, won[c]);
        }
        number += 1;
    }
    const nas_lane_mask on = nas_not_zero(nas_load(w->mask + at));
    NAS_UNROLL
    for (int c = 0; c < wide; c++) {
        nas_store(j->y + c * j->ys + p, nas_select(on, best[c] + bad[c], zero));
        const bytes narrow = __builtin_convertvector(won[c], bytes);
        memcpy(j->which + c * j->ws + p, &narrow, sizeof narrow);
    }
}

void NAS_NAME(max_pool)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *const *valid,
                        const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, uint8_t *which,
                        ptrdiff_t ws, ptrdiff_t len, const mn_real *mask, ptrdiff_t image) {
    const struct windows w = {n_tap, tap, valid, mask};
    for (int c = 0; c < n;) {
        const struct channels j = {x + c * xs, xs, y + c * ys, ys, which + c * ws, ws};
        const int wide = n - c < WIDE ? 1 : WIDE;
        for (ptrdiff_t p = 0; p < len; p += NAS_V) {
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
static void add_won(int t, const nas_lane *which, const mn_real *g, mn_real *dx, ptrdiff_t len) {
    const nas_lanes number = (nas_lane)t - (nas_lanes){0};
    for (ptrdiff_t p = 0; p < len; p += NAS_V) {
        nas_lanes won;
        memcpy(&won, which + p, sizeof won);
        const nas_vec add = nas_select(nas_same(won, number), nas_load(g + p), (nas_vec){0});
        nas_store(dx + p, nas_load(dx + p) + add);
    }
}

void NAS_NAME(max_pool_dx)(int n, int n_tap, const ptrdiff_t *tap, const uint8_t *which,
                           ptrdiff_t ws, const mn_real *g, ptrdiff_t gs, mn_real *dx, ptrdiff_t dxs,
                           ptrdiff_t len) {
    nas_lane wide[BLOCK];
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
#if NAS_VECTOR_BYTES == 64
    int is_window;
    struct nas_window window;
#endif
};

static void average(const struct average *a, const mn_real *x, mn_real *y, ptrdiff_t len) {
#if NAS_VECTOR_BYTES == 64
    if (a->is_window && a->window.n == 3) {
        NAS_NAME(window_box)(&a->window, 1, x, y, len, a->weight, 0);
        return;
    }
#endif
    for (ptrdiff_t p = 0; p < len; p += NAS_V) {
        nas_vec sum = {0};
        for (int t = 0; t < a->n_tap; t++) {
            sum += nas_load(x + p + a->tap[t]);
        }
        nas_store(y + p, sum * nas_load(a->weight + p));
    }
}

void NAS_NAME(avg_pool)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *weight,
                        const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                        ptrdiff_t image) {
    const ptrdiff_t used = nas_used_of(weight, image);
    struct average a = {.n_tap = n_tap, .tap = tap, .weight = weight};
#if NAS_VECTOR_BYTES == 64
    a.is_window = NAS_NAME(window_of)(n_tap, tap, &a.window);
#endif
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p += image) {
            const ptrdiff_t part = len - p < image ? len - p : image;
            const ptrdiff_t pixels = part < used ? part : used;
            mn_real *to = y + c * ys + p;
            average(&a, x + c * xs + p, to, pixels);
            memset(to + pixels, 0, (size_t)(part - pixels) * sizeof *to);
        }
    }
}
