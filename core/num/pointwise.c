/* SPDX-License-Identifier: MIT */
#include "num/isa.h"

void MN__NAME(relu)(int n, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
                    ptrdiff_t len) {
    for (int c = 0; c < n; c++) {
        const mn_real *restrict in = x + c * xs;
        mn_real *restrict out = y + c * ys;
        for (ptrdiff_t p = 0; p < len; p++) {
            out[p] = in[p] < 0 ? 0 : in[p]; /* what is no number stays */
        }
    }
}

void MN__NAME(relu_dx)(int n, const mn_real *y, ptrdiff_t ys, const mn_real *g, ptrdiff_t gs,
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

void MN__NAME(axpy)(int n, mn_real s, const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys,
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

/* Pixels of phase (py, px) that lie on the input. */
static int phase_size(int in, int parity, int out) {
    const int size = (in - parity + 1) / 2;
    return size < out ? size : out;
}

void MN__NAME(split)(const struct mn__grid *in, const struct mn__grid *out, int channels, int n,
                     const mn_real *x, mn_real *phases, ptrdiff_t phase) {
    for (int q = 0; q < 4; q++) {
        const int h = phase_size(in->h, q / 2, out->h), w = phase_size(in->w, q % 2, out->w);
        for (int c = 0; c < channels; c++) {
            for (int i = 0; i < n; i++) {
                const mn_real *from = x + c * in->channel + i * in->image + q / 2 * in->row + q % 2;
                mn_real *to = phases + q * phase + c * out->channel + i * out->image;
                for (int y = 0; y < h; y++) {
                    for (int v = 0; v < w; v++) {
                        to[y * out->row + v] = from[2 * y * in->row + 2 * v];
                    }
                }
            }
        }
    }
}

void MN__NAME(merge)(const struct mn__grid *in, const struct mn__grid *out, int channels, int n,
                     const mn_real *phases, ptrdiff_t phase, mn_real *x) {
    for (int q = 0; q < 4; q++) {
        const int h = phase_size(in->h, q / 2, out->h), w = phase_size(in->w, q % 2, out->w);
        for (int c = 0; c < channels; c++) {
            for (int i = 0; i < n; i++) {
                mn_real *to = x + c * in->channel + i * in->image + q / 2 * in->row + q % 2;
                const mn_real *from = phases + q * phase + c * out->channel + i * out->image;
                for (int y = 0; y < h; y++) {
                    for (int v = 0; v < w; v++) {
                        to[2 * y * in->row + 2 * v] += from[y * out->row + v];
                    }
                }
            }
        }
    }
}
