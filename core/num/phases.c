/* SPDX-License-Identifier: MIT */
#include "num/isa.h"

/* Rows of a tensor to rows of its four phases and back: two phases at a time, whose columns lie in
 * turn. */

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Rows or columns of a phase that lie on the input. */
static int phase_size(int in, int parity, int out) {
    return least((in - parity + 1) / 2, out);
}

static void split_row(const mn_real *x, int n_even, int n_odd, mn_real *even, mn_real *odd) {
    for (int v = 0; v < n_even; v += MN__V) {
        const mn__vec low = mn__load(x + 2 * v), high = mn__load(x + 2 * v + MN__V);
        mn__store_first(even + v, mn__evens(low, high), least(n_even - v, MN__V));
        mn__store_first(odd + v, mn__odds(low, high), least(n_odd - v, MN__V));
    }
}

void MN__NAME(split)(const struct mn__grid *in, const struct mn__grid *out, int channels, int n,
                     const mn_real *x, mn_real *phases, ptrdiff_t phase) {
    const int n_even = phase_size(in->w, 0, out->w), n_odd = phase_size(in->w, 1, out->w);
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < n; i++) {
            const mn_real *from = x + c * in->channel + i * in->image;
            mn_real *to = phases + c * out->channel + i * out->image;
            for (int y = 0; y < least(in->h, 2 * out->h); y++) {
                mn_real *even = to + y % 2 * 2 * phase + y / 2 * out->row;
                split_row(from + y * in->row, n_even, n_odd, even, even + phase);
            }
        }
    }
}

static void put_first(mn_real *x, mn__vec v, int n, int accumulate) {
    if (n > 0) {
        mn__store_first(x, accumulate ? mn__load(x) + v : v, least(n, MN__V));
    }
}

static void merge_row(const mn_real *even, const mn_real *odd, int n, mn_real *x, int accumulate) {
    for (int v = 0; 2 * v < n; v += MN__V) {
        const mn__vec e = mn__load(even + v), o = mn__load(odd + v);
        put_first(x + 2 * v, mn__zip_low(e, o), n - 2 * v, accumulate);
        put_first(x + 2 * v + MN__V, mn__zip_high(e, o), n - 2 * v - MN__V, accumulate);
    }
}

void MN__NAME(merge)(const struct mn__grid *in, const struct mn__grid *out, int channels, int n,
                     const mn_real *phases, ptrdiff_t phase, mn_real *x, int accumulate) {
    const int columns = least(in->w, 2 * out->w);
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < n; i++) {
            mn_real *to = x + c * in->channel + i * in->image;
            const mn_real *from = phases + c * out->channel + i * out->image;
            for (int y = 0; y < least(in->h, 2 * out->h); y++) {
                const mn_real *even = from + y % 2 * 2 * phase + y / 2 * out->row;
                merge_row(even, even + phase, columns, to + y * in->row, accumulate);
            }
        }
    }
}
