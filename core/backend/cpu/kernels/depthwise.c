/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/isa.h"

#include <string.h>

/* Four vectors of pixels at once hide the latency of the sums; each tap is one load and one
 * multiply-add. */
enum { WIDE = 4 };

static void rows(int n_tap, const ptrdiff_t *tap, const mn_real *w, ptrdiff_t st, const mn_real *x,
                 mn_real *y, ptrdiff_t len, const mn_real *mask, int accumulate) {
    ptrdiff_t p = 0;
    for (; p + WIDE * NAS_V <= len; p += WIDE * NAS_V) {
        nas_vec acc[WIDE] = {{0}};
        for (int t = 0; t < n_tap; t++) {
            const nas_vec wt = nas_splat(w[t * st]);
            const mn_real *in = x + p + tap[t];
            NAS_UNROLL
            for (int v = 0; v < WIDE; v++) {
                acc[v] += wt * nas_load(in + v * NAS_V);
            }
        }
        NAS_UNROLL
        for (int v = 0; v < WIDE; v++) {
            const ptrdiff_t at = p + v * NAS_V;
            nas_put(y + at, acc[v], mask, at, accumulate);
        }
    }
    for (; p < len; p += NAS_V) {
        nas_vec acc = {0};
        for (int t = 0; t < n_tap; t++) {
            acc += nas_splat(w[t * st]) * nas_load(x + p + tap[t]);
        }
        nas_put(y + p, acc, mask, p, accumulate);
    }
}

struct map {
    int n_tap;
    const ptrdiff_t *tap;
    ptrdiff_t st;
    const mn_real *mask;
    int accumulate;
#if NAS_VECTOR_BYTES == 64
    int is_window;
    struct nas_window window;
#endif
};

/* One channel over one image. */
static void channel(const struct map *m, const mn_real *w, const mn_real *x, mn_real *y,
                    ptrdiff_t len) {
#if NAS_VECTOR_BYTES == 64
    mn_real weights[NAS_WINDOW_ROW * NAS_WINDOW_ROW];
    if (m->is_window && m->window.n == 3 && m->st == 0) {
        NAS_NAME(window_box)(&m->window, w[0], x, y, len, m->mask, m->accumulate);
        return;
    }
    for (int t = 0; m->is_window && t < m->n_tap; t++) {
        weights[t] = w[NAS_NAME(window_index)(&m->window, t) * m->st];
    }
    if (m->is_window) {
        NAS_NAME(window_rows)(&m->window, weights, x, y, len, m->mask, m->accumulate);
        return;
    }
#endif
    rows(m->n_tap, m->tap, w, m->st, x, y, len, m->mask, m->accumulate);
}

void NAS_NAME(depthwise)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *w, ptrdiff_t sc,
                         ptrdiff_t st, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
                         ptrdiff_t len, const mn_real *mask, ptrdiff_t image, int accumulate) {
    const ptrdiff_t step = mask == NULL ? len : image;
    const ptrdiff_t used = mask == NULL ? len : nas_used_of(mask, image);
    struct map m = {.n_tap = n_tap, .tap = tap, .st = st, .mask = mask, .accumulate = accumulate};
#if NAS_VECTOR_BYTES == 64
    m.is_window = NAS_NAME(window_of)(n_tap, tap, &m.window);
#endif
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p += step) {
            const ptrdiff_t part = len - p < step ? len - p : step,
                            pixels = part < used ? part : used;
            mn_real *to = y + c * ys + p;
            channel(&m, w + c * sc, x + c * xs + p, to, pixels);
            if (!accumulate && pixels < part) {
                memset(to + pixels, 0, (size_t)(part - pixels) * sizeof *to);
            }
        }
    }
}

/* Up to nine taps share each load of the gradient. */
enum { GROUP = 9 };

/* n_tap is a constant where all are there, so that the sums become registers. */
static inline __attribute__((always_inline)) void sums(int n_tap, const ptrdiff_t *tap,
                                                       const mn_real *g, const mn_real *x,
                                                       ptrdiff_t len, mn_real *dw, ptrdiff_t st) {
    nas_vec acc[GROUP] = {{0}};
    for (ptrdiff_t p = 0; p < len; p += NAS_V) {
        const nas_vec gp = nas_load(g + p);
        NAS_UNROLL
        for (int t = 0; t < n_tap; t++) {
            acc[t] += gp * nas_load(x + p + tap[t]);
        }
    }
    for (int t = 0; t < n_tap; t++) {
        dw[t * st] += (mn_real)nas_sum(acc[t]);
    }
}

void NAS_NAME(depthwise_dw)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *g, ptrdiff_t gs,
                            const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw,
                            ptrdiff_t sc, ptrdiff_t st) {
#if NAS_VECTOR_BYTES == 64
    struct nas_window window;
    mn_real out[NAS_WINDOW_ROW * NAS_WINDOW_ROW];
    const int is_window = NAS_NAME(window_of)(n_tap, tap, &window);
    for (int c = 0; is_window && c < n; c++) {
        NAS_NAME(window_dw)(&window, g + c * gs, x + c * xs, len, out);
        for (int t = 0; t < n_tap; t++) {
            dw[c * sc + NAS_NAME(window_index)(&window, t) * st] += out[t];
        }
    }
    if (is_window) {
        return;
    }
#endif
    for (int c = 0; c < n; c++) {
        for (int t = 0; t < n_tap; t += GROUP) {
            const int group = n_tap - t < GROUP ? n_tap - t : GROUP;
            mn_real *to = dw + c * sc + t * st;
            if (group == GROUP) {
                sums(GROUP, tap + t, g + c * gs, x + c * xs, len, to, st);
            } else {
                sums(group, tap + t, g + c * gs, x + c * xs, len, to, st);
            }
        }
    }
}
