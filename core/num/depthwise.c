/* SPDX-License-Identifier: MIT */
#include "num/isa.h"

#include <string.h>

/* Four vectors of pixels at once hide the latency of the sums; each tap is one load and one
 * multiply-add. */
enum { WIDE = 4 };

static void rows(int n_tap, const ptrdiff_t *tap, const mn_real *w, ptrdiff_t st, const mn_real *x,
                 mn_real *y, ptrdiff_t len, const mn_real *mask, int accumulate) {
    ptrdiff_t p = 0;
    for (; p + WIDE * MN__V <= len; p += WIDE * MN__V) {
        mn__vec acc[WIDE] = {{0}};
        for (int t = 0; t < n_tap; t++) {
            const mn__vec wt = mn__splat(w[t * st]);
            const mn_real *in = x + p + tap[t];
            MN__UNROLL
            for (int v = 0; v < WIDE; v++) {
                acc[v] += wt * mn__load(in + v * MN__V);
            }
        }
        MN__UNROLL
        for (int v = 0; v < WIDE; v++) {
            const ptrdiff_t at = p + v * MN__V;
            mn__put(y + at, acc[v], mask, at, accumulate);
        }
    }
    for (; p < len; p += MN__V) {
        mn__vec acc = {0};
        for (int t = 0; t < n_tap; t++) {
            acc += mn__splat(w[t * st]) * mn__load(x + p + tap[t]);
        }
        mn__put(y + p, acc, mask, p, accumulate);
    }
}

struct map {
    int n_tap;
    const ptrdiff_t *tap;
    ptrdiff_t st;
    const mn_real *mask;
    int accumulate;
#if MN__VECTOR_BYTES == 64
    int is_window;
    struct mn__window window;
#endif
};

/* One channel over one image. */
static void channel(const struct map *m, const mn_real *w, const mn_real *x, mn_real *y,
                    ptrdiff_t len) {
#if MN__VECTOR_BYTES == 64
    mn_real weights[MN__WINDOW_ROW * MN__WINDOW_ROW];
    if (m->is_window && m->window.n == 3 && m->st == 0) {
        MN__NAME(window_box)(&m->window, w[0], x, y, len, m->mask, m->accumulate);
        return;
    }
    for (int t = 0; m->is_window && t < m->n_tap; t++) {
        weights[t] = w[MN__NAME(window_index)(&m->window, t) * m->st];
    }
    if (m->is_window) {
        MN__NAME(window_rows)(&m->window, weights, x, y, len, m->mask, m->accumulate);
        return;
    }
#endif
    rows(m->n_tap, m->tap, w, m->st, x, y, len, m->mask, m->accumulate);
}

void MN__NAME(depthwise)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *w, ptrdiff_t sc,
                         ptrdiff_t st, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
                         ptrdiff_t len, const mn_real *mask, ptrdiff_t image, int accumulate) {
    const ptrdiff_t step = mask == NULL ? len : image;
    const ptrdiff_t used = mask == NULL ? len : mn__used_of(mask, image);
    struct map m = {.n_tap = n_tap, .tap = tap, .st = st, .mask = mask, .accumulate = accumulate};
#if MN__VECTOR_BYTES == 64
    m.is_window = MN__NAME(window_of)(n_tap, tap, &m.window);
#endif
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p += step) {
            const ptrdiff_t part = len - p < step ? len - p : step, own = part < used ? part : used;
            mn_real *to = y + c * ys + p;
            channel(&m, w + c * sc, x + c * xs + p, to, own);
            if (!accumulate && own < part) {
                memset(to + own, 0, (size_t)(part - own) * sizeof *to);
            }
        }
    }
}

/* Up to nine taps share each load of the gradient. */
enum { GROUP = 9 };

static void sums(int n_tap, const ptrdiff_t *tap, const mn_real *g, const mn_real *x, ptrdiff_t len,
                 mn_real *dw, ptrdiff_t st) {
    mn__vec acc[GROUP] = {{0}};
    for (ptrdiff_t p = 0; p < len; p += MN__V) {
        const mn__vec gp = mn__load(g + p);
        for (int t = 0; t < n_tap; t++) {
            acc[t] += gp * mn__load(x + p + tap[t]);
        }
    }
    for (int t = 0; t < n_tap; t++) {
        dw[t * st] += (mn_real)mn__sum(acc[t]);
    }
}

static void nine_sums(const ptrdiff_t *tap, const mn_real *g, const mn_real *x, ptrdiff_t len,
                      mn_real *dw, ptrdiff_t st) {
    mn__vec acc[GROUP] = {{0}};
    for (ptrdiff_t p = 0; p < len; p += MN__V) {
        const mn__vec gp = mn__load(g + p);
        MN__UNROLL
        for (int t = 0; t < GROUP; t++) {
            acc[t] += gp * mn__load(x + p + tap[t]);
        }
    }
    for (int t = 0; t < GROUP; t++) {
        dw[t * st] += (mn_real)mn__sum(acc[t]);
    }
}

void MN__NAME(depthwise_dw)(int n, int n_tap, const ptrdiff_t *tap, const mn_real *g, ptrdiff_t gs,
                            const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw,
                            ptrdiff_t sc, ptrdiff_t st) {
#if MN__VECTOR_BYTES == 64
    struct mn__window window;
    mn_real out[MN__WINDOW_ROW * MN__WINDOW_ROW];
    const int is_window = MN__NAME(window_of)(n_tap, tap, &window);
    for (int c = 0; is_window && c < n; c++) {
        MN__NAME(window_dw)(&window, g + c * gs, x + c * xs, len, out);
        for (int t = 0; t < n_tap; t++) {
            dw[c * sc + MN__NAME(window_index)(&window, t) * st] += out[t];
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
                nine_sums(tap + t, g + c * gs, x + c * xs, len, to, st);
            } else {
                sums(group, tap + t, g + c * gs, x + c * xs, len, to, st);
            }
        }
    }
}
