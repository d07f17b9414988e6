/* SPDX-License-Identifier: MIT */
#include "num/isa.h"

/* Rows of a tensor to rows of its four phases and back: two phases at a time, whose columns lie in
 * turn. */

#ifdef MN_REAL_DOUBLE
#define MN__VECTOR_LANES (MN__VECTOR_BYTES / 8)
#else
#define MN__VECTOR_LANES (MN__VECTOR_BYTES / 4)
#endif

/* Which lanes of two vectors: those of even and odd number, and both in turn from the halves. */
/* clang-format off */
#if MN__VECTOR_LANES == 16
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif MN__VECTOR_LANES == 8
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#elif MN__VECTOR_LANES == 4
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#else
#define EVEN 0, 2
#define ODD 1, 3
#define LOW 0, 2
#define HIGH 1, 3
#endif
/* clang-format on */

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
        mn__store_first(even + v, __builtin_shufflevector(low, high, EVEN),
                        least(n_even - v, MN__V));
        mn__store_first(odd + v, __builtin_shufflevector(low, high, ODD), least(n_odd - v, MN__V));
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
        put_first(x + 2 * v, __builtin_shufflevector(e, o, LOW), n - 2 * v, accumulate);
        put_first(x + 2 * v + MN__V, __builtin_shufflevector(e, o, HIGH), n - 2 * v - MN__V,
                  accumulate);
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
