/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/isa.h"

/* Rows of a tensor to rows of its four phases and back: two phases at a time, whose columns lie in
 * turn. */

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Rows or columns of a phase that lie on the input. */
static int phase_size(int in, int parity, int out) {
    return least((in - parity + 1) / 2, out);
}

void NAS_NAME(split)(const struct nas_grid *in, const struct nas_grid *out, int channels, int n,
                     const mn_real *x, mn_real *phases, ptrdiff_t phase) {
    const int n_even = phase_size(in->w, 0, out->w), n_odd = phase_size(in->w, 1, out->w);
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < n; i++) {
            const mn_real *from = x + c * in->channel + i * in->image;
            mn_real *to = phases + c * out->channel + i * out->image;
            for (int y = 0; y < least(in->h, 2 * out->h); y++) {
                const mn_real *row = from + y * in->row;
                mn_real *even = to + y % 2 * 2 * phase + y / 2 * out->row, *odd = even + phase;
                for (int v = 0; v < n_even; v += NAS_V) {
                    const nas_vec low = nas_load(row + 2 * v), high = nas_load(row + 2 * v + NAS_V);
                    nas_store_first(even + v, nas_evens(low, high), least(n_even - v, NAS_V));
                    nas_store_first(odd + v, nas_odds(low, high), least(n_odd - v, NAS_V));
                }
            }
        }
    }
}

static void put_first(mn_real *x, nas_vec v, int n, int accumulate) {
    if (n > 0) {
        nas_store_first(x, accumulate ? nas_load(x) + v : v, least(n, NAS_V));
    }
}

void NAS_NAME(merge)(const struct nas_grid *in, const struct nas_grid *out, int channels, int n,
                     const mn_real *phases, ptrdiff_t phase, mn_real *x, int accumulate) {
    const int columns = least(in->w, 2 * out->w);
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < n; i++) {
            mn_real *to = x + c * in->channel + i * in->image;
            const mn_real *from = phases + c * out->channel + i * out->image;
            for (int y = 0; y < least(in->h, 2 * out->h); y++) {
                const mn_real *even = from + y % 2 * 2 * phase + y / 2 * out->row;
                mn_real *row = to + y * in->row;
                for (int v = 0; 2 * v < columns; v += NAS_V) {
                    const nas_vec e = nas_load(even + v), o = nas_load(even + phase + v);
                    put_first(row + 2 * v, nas_zip_low(e, o), columns - 2 * v, accumulate);
                    put_first(row + 2 * v + NAS_V, nas_zip_high(e, o), columns - 2 * v - NAS_V,
                              accumulate);
                }
            }
        }
    }
}
