/* SPDX-License-Identifier: MIT */
#include "support/naive.h"

#include <math.h>

static double mask_at(const mn_real *mask, ptrdiff_t image, ptrdiff_t p) {
    return mask == NULL ? 1 : (double)mask[p % image];
}

static size_t packed(int n_out, int n_in, int n_tap) {
    return (size_t)(n_out * n_in * n_tap);
}

static void pack(int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so, ptrdiff_t si,
                 ptrdiff_t st, mn_real *to) {
    for (int o = 0; o < n_out; o++) {
        for (int i = 0; i < n_in; i++) {
            for (int t = 0; t < n_tap; t++) {
                to[(o * n_in + i) * n_tap + t] = w[o * so + i * si + t * st];
            }
        }
    }
}

static void conv(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *w,
                 const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                 const mn_real *mask, ptrdiff_t image, int accumulate) {
    for (int o = 0; o < n_out; o++) {
        for (ptrdiff_t p = 0; p < len; p++) {
            double sum = 0;
            for (int i = 0; i < n_in; i++) {
                for (int t = 0; t < n_tap; t++) {
                    sum += (double)w[(o * n_in + i) * n_tap + t] * (double)x[i * xs + p + tap[t]];
                }
            }
            const double before = accumulate ? (double)y[o * ys + p] : 0;
            y[o * ys + p] = (mn_real)(before + mask_at(mask, image, p) * sum);
        }
    }
}

static void conv_dw(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *g,
                    ptrdiff_t gs, const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw,
                    ptrdiff_t so, ptrdiff_t si, ptrdiff_t st) {
    for (int o = 0; o < n_out; o++) {
        for (int i = 0; i < n_in; i++) {
            for (int t = 0; t < n_tap; t++) {
                double sum = 0;
                for (ptrdiff_t p = 0; p < len; p++) {
                    sum += (double)g[o * gs + p] * (double)x[i * xs + p + tap[t]];
                }
                mn_real *to = dw + o * so + i * si + t * st;
                *to = (mn_real)((double)*to + sum);
            }
        }
    }
}

static void depthwise(int n, int n_tap, const ptrdiff_t *tap, const mn_real *w, ptrdiff_t sc,
                      ptrdiff_t st, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
                      ptrdiff_t len, const mn_real *mask, ptrdiff_t image, int accumulate) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p++) {
            double sum = 0;
            for (int t = 0; t < n_tap; t++) {
                sum += (double)w[c * sc + t * st] * (double)x[c * xs + p + tap[t]];
            }
            const double before = accumulate ? (double)y[c * ys + p] : 0;
            y[c * ys + p] = (mn_real)(before + mask_at(mask, image, p) * sum);
        }
    }
}

static void depthwise_dw(int n, int n_tap, const ptrdiff_t *tap, const mn_real *g, ptrdiff_t gs,
                         const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw, ptrdiff_t sc,
                         ptrdiff_t st) {
    for (int c = 0; c < n; c++) {
        for (int t = 0; t < n_tap; t++) {
            double sum = 0;
            for (ptrdiff_t p = 0; p < len; p++) {
                sum += (double)g[c * gs + p] * (double)x[c * xs + p + tap[t]];
            }
            dw[c * sc + t * st] = (mn_real)((double)dw[c * sc + t * st] + sum);
        }
    }
}

/* The tap that wins at pixel p; -1 on padding. A NaN wins over numbers. */
static int winner(int n_tap, const ptrdiff_t *tap, const mn_real *const *valid, const mn_real *x,
                  ptrdiff_t p, ptrdiff_t image) {
    int best = -1;
    for (int t = 0; t < n_tap; t++) {
        const mn_real v = x[p + tap[t]];
        if (valid[t][p % image] != 0 && (best < 0 || v > x[p + tap[best]] || isnan(v))) {
            best = t;
        }
    }
    return best;
}

static void max_pool(int n, int n_tap, const ptrdiff_t *tap, const mn_real *const *valid,
                     const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, uint8_t *which,
                     ptrdiff_t ws, ptrdiff_t len, const mn_real *mask, ptrdiff_t image) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p++) {
            const int best = winner(n_tap, tap, valid, x + c * xs, p, image);
            const int on = best >= 0 && mask[p % image] != 0;
            y[c * ys + p] = on ? x[c * xs + p + tap[best]] : 0;
            which[c * ws + p] = (uint8_t)(best >= 0 ? best : 0);
        }
    }
}

static void max_pool_dx(int n, int n_tap, const ptrdiff_t *tap, const uint8_t *which, ptrdiff_t ws,
                        const mn_real *g, ptrdiff_t gs, mn_real *dx, ptrdiff_t dxs, ptrdiff_t len) {
    (void)n_tap;
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p++) {
            dx[c * dxs + p + tap[which[c * ws + p]]] += g[c * gs + p];
        }
    }
}

static void avg_pool(int n, int n_tap, const ptrdiff_t *tap, const mn_real *weight,
                     const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                     ptrdiff_t image) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p++) {
            double sum = 0;
            for (int t = 0; t < n_tap; t++) {
                sum += (double)x[c * xs + p + tap[t]];
            }
            y[c * ys + p] = (mn_real)(sum * (double)weight[p % image]);
        }
    }
}

static void relu(int n, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p++) {
            const mn_real v = x[c * xs + p];
            y[c * ys + p] = v > 0 || isnan(v) ? v : 0;
        }
    }
}

static void relu_dx(int n, const mn_real *y, ptrdiff_t ys, const mn_real *g, ptrdiff_t gs,
                    mn_real *dx, ptrdiff_t dxs, ptrdiff_t len, int accumulate) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p++) {
            const mn_real own = y[c * ys + p] > 0 ? g[c * gs + p] : 0;
            dx[c * dxs + p] = accumulate ? dx[c * dxs + p] + own : own;
        }
    }
}

static void axpy(int n, mn_real s, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
                 ptrdiff_t len, int accumulate) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p++) {
            const double before = accumulate ? (double)y[c * ys + p] : 0;
            y[c * ys + p] = (mn_real)(before + (double)s * (double)x[c * xs + p]);
        }
    }
}

static void moments(int n, const mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                    ptrdiff_t image, double *sum, double *m2) {
    for (int c = 0; c < n; c++) {
        double s = 0, count = 0, squares = 0;
        for (ptrdiff_t p = 0; p < len; p++) {
            s += mask_at(mask, image, p) * (double)y[c * ys + p];
            count += mask_at(mask, image, p);
        }
        for (ptrdiff_t p = 0; p < len; p++) {
            const double d = (double)y[c * ys + p] - s / count;
            squares += mask_at(mask, image, p) * d * d;
        }
        sum[c] += s;
        m2[c] += squares;
    }
}

static void affine(int n, const mn_real *scale, const mn_real *shift, const mn_real *x,
                   ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                   ptrdiff_t image, int relu_too) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p++) {
            const double v = (double)scale[c] * (double)x[c * xs + p] +
                             (double)shift[c] * mask_at(mask, image, p);
            y[c * ys + p] = (mn_real)(relu_too && v < 0 ? 0 : v);
        }
    }
}

static void mix(int n, int n_terms, const struct nas_term *terms, mn_real *y, ptrdiff_t ys,
                ptrdiff_t len, const mn_real *mask, ptrdiff_t image, int accumulate) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p++) {
            double v = accumulate ? (double)y[c * ys + p] : 0;
            for (const struct nas_term *t = terms; t < terms + n_terms; t++) {
                const double factor = t->factor == NULL ? 1 : (double)t->factor[p / image];
                v += factor * ((double)t->scale[c] * (double)t->x[c * t->xs + p] +
                               (double)t->shift[c] * mask_at(mask, image, p));
            }
            y[c * ys + p] = (mn_real)v;
        }
    }
}

static void products(int n, int n_terms, const struct nas_product *terms, const mn_real *g,
                     ptrdiff_t gs, ptrdiff_t len, ptrdiff_t image) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p++) {
            for (const struct nas_product *t = terms; t < terms + n_terms; t++) {
                const double factor = t->factor == NULL ? 1 : (double)t->factor[p / image];
                const double gp = factor * (double)g[c * gs + p];
                const double centre = t->centre == NULL ? 0 : (double)t->centre[c];
                t->sum_g[c] += gp;
                t->sum[c] += gp * ((double)t->x[c * t->xs + p] - centre);
            }
        }
    }
}

static void combine(int n, const mn_real *a, const mn_real *g, ptrdiff_t gs, const mn_real *b,
                    const mn_real *x, ptrdiff_t xs, const mn_real *c, mn_real *y, ptrdiff_t ys,
                    ptrdiff_t len, const mn_real *mask, ptrdiff_t image) {
    for (int i = 0; i < n; i++) {
        for (ptrdiff_t p = 0; p < len; p++) {
            y[i * ys + p] = (mn_real)((double)a[i] * (double)g[i * gs + p] +
                                      (double)b[i] * (double)x[i * xs + p] +
                                      (double)c[i] * mask_at(mask, image, p));
        }
    }
}

/* Where pixel (y, v) of phase q lies in the full image, or -1. */
static ptrdiff_t full_pixel(const struct nas_grid *in, int q, int y, int v) {
    const int row = 2 * y + q / 2, column = 2 * v + q % 2;
    return row < in->h && column < in->w ? (ptrdiff_t)row * in->row + column : -1;
}

static void split(const struct nas_grid *in, const struct nas_grid *out, int channels, int n,
                  const mn_real *x, mn_real *phases, ptrdiff_t phase) {
    for (int q = 0; q < 4; q++) {
        for (int c = 0; c < channels; c++) {
            for (int i = 0; i < n * out->h * out->w; i++) {
                const int v = i % out->w, y = i / out->w % out->h, image = i / out->w / out->h;
                const ptrdiff_t from = full_pixel(in, q, y, v);
                phases[q * phase + c * out->channel + image * out->image + y * out->row + v] =
                    from < 0 ? 0 : x[c * in->channel + image * in->image + from];
            }
        }
    }
}

static void merge(const struct nas_grid *in, const struct nas_grid *out, int channels, int n,
                  const mn_real *phases, ptrdiff_t phase, mn_real *x, int accumulate) {
    for (int q = 0; q < 4; q++) {
        for (int c = 0; c < channels; c++) {
            for (int i = 0; i < n * out->h * out->w; i++) {
                const int v = i % out->w, y = i / out->w % out->h, image = i / out->w / out->h;
                const ptrdiff_t to = full_pixel(in, q, y, v);
                if (to >= 0) {
                    mn_real *at = x + c * in->channel + image * in->image + to;
                    *at = (accumulate ? *at : 0) + phases[q * phase + c * out->channel +
                                                          image * out->image + y * out->row + v];
                }
            }
        }
    }
}

const struct nas_kernels naive_kernels = {
    .name = "naive",
    .packed = packed,
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
    .merge = merge,
};
