/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/isa.h"

/* Depthwise maps of a whole window. A vector of AVX-512 that does not begin at a cache line costs
 * two loads, so each real of a row is loaded once, and the vectors of the other taps are shifted
 * out of two neighbours. Narrower vectors gain nothing by it. */

#if NAS_VECTOR_BYTES == 64
int NAS_NAME(window_index)(const struct nas_window *w, int t) {
    return w->back ? w->n * w->n - 1 - t : t;
}

#define ordered NAS_NAME(window_index)

int NAS_NAME(window_of)(int n_tap, const ptrdiff_t *tap, struct nas_window *w) {
    w->n = n_tap == 9 ? 3 : n_tap == 25 ? 5 : 0;
    if (w->n == 0) {
        return 0;
    }
    w->back = tap[1] < tap[0];
    w->step = tap[ordered(w, 1)] - tap[ordered(w, 0)] == 2 ? 2 : 1;
    for (int t = 0; t < n_tap; t++) {
        const ptrdiff_t at = tap[ordered(w, t)];
        if (t % w->n == 0) {
            w->row[t / w->n] = at;
        } else if (at != w->row[t / w->n] + t % w->n * w->step) {
            return 0;
        }
    }
    return 1;
}

#ifdef MN_REAL_DOUBLE
#define SHIFT(low, high, by)                                                                       \
    __builtin_shufflevector(low, high, by, by + 1, by + 2, by + 3, by + 4, by + 5, by + 6, by + 7)
#else
#define SHIFT(low, high, by)                                                                       \
    __builtin_shufflevector(low, high, by, by + 1, by + 2, by + 3, by + 4, by + 5, by + 6, by + 7, \
                            by + 8, by + 9, by + 10, by + 11, by + 12, by + 13, by + 14, by + 15)
#endif

/* The vector `by` reals after `low`, which `high` follows; `by` is a constant where this is called.
 */
static inline __attribute__((always_inline)) nas_vec shifted(nas_vec low, nas_vec high, int by) {
    switch (by) {
    case 0:
        return low;
    case 1:
        return SHIFT(low, high, 1);
    case 2:
        return SHIFT(low, high, 2);
    case 3:
        return SHIFT(low, high, 3);
    case 4:
        return SHIFT(low, high, 4);
    case 6:
        return SHIFT(low, high, 6);
    default:
        return SHIFT(low, high, 8);
    }
}

/* Eight vectors of pixels at once, but for the last few. `wide`, `n` and `step` are constants where
 * this is called. */
enum { AT_ONCE = 8 };

static inline __attribute__((always_inline)) void
window_tile(int wide, int n, int step, const struct nas_window *window, const mn_real *w,
            const mn_real *x, mn_real *y, const mn_real *mask, int accumulate) {
    nas_vec acc[AT_ONCE];
    NAS_UNROLL
    for (int v = 0; v < wide; v++) {
        acc[v] = (nas_vec){0};
    }
    for (int r = 0; r < n; r++, w += n) {
        const mn_real *from = x + window->row[r];
        nas_vec low = nas_load(from);
        NAS_UNROLL
        for (int v = 0; v < wide; v++) {
            const nas_vec high = nas_load(from + (v + 1) * NAS_V);
            NAS_UNROLL
            for (int t = 0; t < n; t++) {
                acc[v] += nas_splat(w[t]) * shifted(low, high, t * step);
            }
            low = high;
        }
    }
    NAS_UNROLL
    for (int v = 0; v < wide; v++) {
        nas_put(y + v * NAS_V, acc[v], mask, v * NAS_V, accumulate);
    }
}

/* As many vectors at once as there are from p on; returns where they end. */
static inline __attribute__((always_inline)) ptrdiff_t
window_run(int wide, int n, int step, const struct nas_window *window, const mn_real *w,
           const mn_real *x, mn_real *y, ptrdiff_t p, ptrdiff_t len, const mn_real *mask,
           int accumulate) {
    for (; p + wide * NAS_V <= len; p += wide * NAS_V) {
        window_tile(wide, n, step, window, w, x + p, y + p, mask == NULL ? NULL : mask + p,
                    accumulate);
    }
    return p;
}

#define WINDOW(n, step)                                                                            \
    static void window_##n##_##step(const struct nas_window *window, const mn_real *w,             \
                                    const mn_real *x, mn_real *y, ptrdiff_t len,                   \
                                    const mn_real *mask, int accumulate) {                         \
        ptrdiff_t p = 0;                                                                           \
        p = window_run(AT_ONCE, n, step, window, w, x, y, p, len, mask, accumulate);               \
        p = window_run(4, n, step, window, w, x, y, p, len, mask, accumulate);                     \
        window_run(1, n, step, window, w, x, y, p, len, mask, accumulate);                         \
    }

WINDOW(3, 1)
WINDOW(3, 2)
WINDOW(5, 1)
WINDOW(5, 2)

void NAS_NAME(window_rows)(const struct nas_window *window, const mn_real *w, const mn_real *x,
                           mn_real *y, ptrdiff_t len, const mn_real *mask, int accumulate) {
    if (window->n == 3) {
        (window->step == 1 ? window_3_1 : window_3_2)(window, w, x, y, len, mask, accumulate);
    } else {
        (window->step == 1 ? window_5_1 : window_5_2)(window, w, x, y, len, mask, accumulate);
    }
}

/* ---- equal weights ------------------------------------------------------------------------ */

static inline nas_vec column(const struct nas_window *window, const mn_real *x) {
    return nas_load(x + window->row[0]) + nas_load(x + window->row[1]) +
           nas_load(x + window->row[2]);
}

static inline __attribute__((always_inline)) void box_3(int step, const struct nas_window *window,
                                                        nas_vec weight, const mn_real *x,
                                                        mn_real *y, ptrdiff_t len,
                                                        const mn_real *plane, int accumulate) {
    nas_vec low = column(window, x);
    for (ptrdiff_t p = 0; p < len; p += NAS_V) {
        const nas_vec high = column(window, x + p + NAS_V);
        const nas_vec sum = low + shifted(low, high, step) + shifted(low, high, 2 * step);
        nas_put(y + p, sum * weight, plane, p, accumulate);
        low = high;
    }
}

void NAS_NAME(window_box)(const struct nas_window *w, mn_real weight, const mn_real *x, mn_real *y,
                          ptrdiff_t len, const mn_real *plane, int accumulate) {
    if (w->step == 1) {
        box_3(1, w, nas_splat(weight), x, y, len, plane, accumulate);
    } else {
        box_3(2, w, nas_splat(weight), x, y, len, plane, accumulate);
    }
}

/* ---- weight gradients --------------------------------------------------------------------- */

/* Weight gradients of `rows` rows, which share each load of the gradient; constants as above, so
 * that the sums become registers. */
enum { SUM_ROWS = 3 };

static inline __attribute__((always_inline)) void window_sums(int rows, int n, int step,
                                                              const ptrdiff_t *row,
                                                              const mn_real *g, const mn_real *x,
                                                              ptrdiff_t len, mn_real *out) {
    nas_vec acc[SUM_ROWS * NAS_WINDOW_ROW], low[SUM_ROWS];
    NAS_UNROLL
    for (int r = 0; r < rows; r++) {
        low[r] = nas_load(x + row[r]);
        NAS_UNROLL
        for (int t = 0; t < n; t++) {
            acc[r * n + t] = (nas_vec){0};
        }
    }
    for (ptrdiff_t p = 0; p < len; p += NAS_V) {
        const nas_vec gp = nas_load(g + p);
        NAS_UNROLL
        for (int r = 0; r < rows; r++) {
            const nas_vec high = nas_load(x + p + row[r] + NAS_V);
            NAS_UNROLL
            for (int t = 0; t < n; t++) {
                acc[r * n + t] += gp * shifted(low[r], high, t * step);
            }
            low[r] = high;
        }
    }
    NAS_UNROLL
    for (int t = 0; t < rows * n; t++) {
        out[t] = (mn_real)nas_sum(acc[t]);
    }
}

void NAS_NAME(window_dw)(const struct nas_window *window, const mn_real *g, const mn_real *x,
                         ptrdiff_t len, mn_real *out) {
    const ptrdiff_t *row = window->row;
    if (window->n == 3 && window->step == 1) {
        window_sums(3, 3, 1, row, g, x, len, out);
    } else if (window->n == 3) {
        window_sums(3, 3, 2, row, g, x, len, out);
    } else if (window->step == 1) {
        window_sums(3, 5, 1, row, g, x, len, out);
        window_sums(2, 5, 1, row + 3, g, x, len, out + 15);
    } else {
        window_sums(3, 5, 2, row, g, x, len, out);
        window_sums(2, 5, 2, row + 3, g, x, len, out + 15);
    }
}
#endif
