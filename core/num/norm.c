/* SPDX-License-Identifier: MIT */
#include "num/isa.h"

static double total(const mn_real *y, ptrdiff_t len) {
    mn__vec acc[2] = {{0}, {0}};
    ptrdiff_t p = 0;
    for (; p + 2 * MN__V <= len; p += 2 * MN__V) {
        acc[0] += mn__load(y + p);
        acc[1] += mn__load(y + p + MN__V);
    }
    for (; p < len; p += MN__V) {
        acc[0] += mn__load(y + p);
    }
    return mn__sum(acc[0]) + mn__sum(acc[1]);
}

/* Sum and sum of squares of y - centre over the mask's pixels. */
static void about(const mn_real *y, ptrdiff_t len, const mn_real *mask, mn_real centre, double *sum,
                  double *squares) {
    mn__vec all = {0}, square = {0};
    const mn__vec mean = mn__splat(centre);
    for (ptrdiff_t p = 0; p < len; p += MN__V) {
        const mn__vec d = (mn__load(y + p) - mean) * mn__load(mask + p);
        all += d;
        square += d * d;
    }
    *sum = mn__sum(all);
    *squares = mn__sum(square);
}

/* Each image about a mean of its own, which a rounded sum gives well enough: the rest is in the
 * second sum. Then merged about the range's (Chan, Golub and LeVeque). */
void MN__NAME(moments)(int n, const mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                       ptrdiff_t image, double *sum, double *m2) {
    const double pixels = total(mask, image);
    for (int c = 0; c < n; c++) {
        double count = 0, all = 0, all_m2 = 0;
        for (ptrdiff_t p = 0; p < len; p += image) {
            const mn_real *at = y + c * ys + p;
            const ptrdiff_t part = len - p < image ? len - p : image;
            const mn_real mean = (mn_real)(total(at, part) / pixels);
            double rest, squares;
            about(at, part, mask, mean, &rest, &squares);
            const double one = pixels * (double)mean + rest;
            const double one_m2 = squares - rest * rest / pixels;
            mn__moments_merge(1, pixels, &one, &one_m2, &count, &all, &all_m2);
        }
        sum[c] += all;
        m2[c] += all_m2;
    }
}

void MN__NAME(affine)(int n, const mn_real *scale, const mn_real *shift, const mn_real *x,
                      ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                      ptrdiff_t image, int relu) {
    for (int c = 0; c < n; c++) {
        const mn__vec a = mn__splat(scale[c]), b = mn__splat(shift[c]);
        for (ptrdiff_t p0 = 0; p0 < len; p0 += image) {
            const ptrdiff_t part = len - p0 < image ? len - p0 : image;
            const mn_real *in = x + c * xs + p0;
            mn_real *out = y + c * ys + p0;
            for (ptrdiff_t p = 0; p < part; p += MN__V) {
                const mn__vec v = a * mn__load(in + p) + b * mn__load(mask + p);
                mn__store(out + p, relu ? mn__positive(v) : v);
            }
        }
    }
}

/* ---- sums over the paths of a node -------------------------------------------------------- */

enum { GROUP = 16, WIDE = 2 };

/* Up to GROUP terms of one channel over one image. `wide` is a constant where this is called. */
static inline __attribute__((always_inline)) void mix_tile(int wide, int n, const mn_real *const *x,
                                                           const mn_real *scale, mn__vec shift,
                                                           mn_real *y, const mn_real *mask,
                                                           int accumulate) {
    mn__vec acc[WIDE];
    MN__UNROLL
    for (int v = 0; v < wide; v++) {
        acc[v] = shift * mn__load(mask + v * MN__V);
        acc[v] += accumulate ? mn__load(y + v * MN__V) : (mn__vec){0};
    }
    for (int k = 0; k < n; k++) {
        const mn__vec s = mn__splat(scale[k]);
        MN__UNROLL
        for (int v = 0; v < wide; v++) {
            acc[v] += s * mn__load(x[k] + v * MN__V);
        }
    }
    MN__UNROLL
    for (int v = 0; v < wide; v++) {
        mn__store(y + v * MN__V, acc[v]);
    }
}

static void mix_image(int n, const mn_real **x, const mn_real *scale, mn_real shift, mn_real *y,
                      ptrdiff_t len, const mn_real *mask, int accumulate) {
    const mn__vec b = mn__splat(shift);
    ptrdiff_t p = 0;
    for (; p + WIDE * MN__V <= len; p += WIDE * MN__V) {
        mix_tile(WIDE, n, x, scale, b, y + p, mask + p, accumulate);
        for (int k = 0; k < n; k++) {
            x[k] += WIDE * MN__V;
        }
    }
    if (p < len) {
        mix_tile(1, n, x, scale, b, y + p, mask + p, accumulate);
    }
}

void MN__NAME(mix)(int n, int n_terms, const struct mn__term *terms, mn_real *y, ptrdiff_t ys,
                   ptrdiff_t len, const mn_real *mask, ptrdiff_t image, int accumulate) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p += image) {
            const ptrdiff_t part = len - p < image ? len - p : image;
            for (int t = 0; t < n_terms; t += GROUP) {
                const int group = n_terms - t < GROUP ? n_terms - t : GROUP;
                const mn_real *x[GROUP];
                mn_real scale[GROUP], shift = 0;
                for (int k = 0; k < group; k++) {
                    x[k] = terms[t + k].x + c * terms[t + k].xs + p;
                    scale[k] = terms[t + k].scale[c];
                    shift += terms[t + k].shift[c];
                }
                mix_image(group, x, scale, shift, y + c * ys + p, part, mask, accumulate || t > 0);
            }
        }
    }
}

enum { PRODUCTS = 4 };

/* Up to PRODUCTS terms of one channel, over pixels few enough for reals. */
static void products(int n, const struct mn__product *terms, int c, const mn_real *g, ptrdiff_t at,
                     ptrdiff_t len) {
    mn__vec acc[PRODUCTS] = {{0}}, centre[PRODUCTS] = {{0}};
    const mn_real *x[PRODUCTS];
    for (int k = 0; k < PRODUCTS; k++) { /* the last one again, for the loop's constant length */
        const struct mn__product *term = &terms[k < n ? k : n - 1];
        x[k] = term->x + c * term->xs + at;
        centre[k] = term->centre == NULL ? (mn__vec){0} : mn__splat(term->centre[c]);
    }
    for (ptrdiff_t p = 0; p < len; p += MN__V) {
        const mn__vec gp = mn__load(g + p);
        MN__UNROLL
        for (int k = 0; k < PRODUCTS; k++) {
            acc[k] += gp * (mn__load(x[k] + p) - centre[k]);
        }
    }
    for (int k = 0; k < n; k++) {
        terms[k].sum[c] += mn__sum(acc[k]);
    }
}

static double block_sum(const mn_real *g, ptrdiff_t len) {
    mn__vec all = {0};
    for (ptrdiff_t p = 0; p < len; p += MN__V) {
        all += mn__load(g + p);
    }
    return mn__sum(all);
}

void MN__NAME(products)(int n, int n_terms, const struct mn__product *terms, const mn_real *g,
                        ptrdiff_t gs, ptrdiff_t len, double *sum_g) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p += MN__SUM_BLOCK) {
            const ptrdiff_t part = len - p < MN__SUM_BLOCK ? len - p : MN__SUM_BLOCK;
            const mn_real *at = g + c * gs + p;
            sum_g[c] += block_sum(at, part);
            for (int t = 0; t < n_terms; t += PRODUCTS) {
                products(n_terms - t < PRODUCTS ? n_terms - t : PRODUCTS, terms + t, c, at, p,
                         part);
            }
        }
    }
}

void MN__NAME(combine)(int n, const mn_real *a, const mn_real *g, ptrdiff_t gs, const mn_real *b,
                       const mn_real *x, ptrdiff_t xs, const mn_real *c, mn_real *y, ptrdiff_t ys,
                       ptrdiff_t len, const mn_real *mask, ptrdiff_t image) {
    for (int i = 0; i < n; i++) {
        const mn__vec av = mn__splat(a[i]), bv = mn__splat(b[i]), cv = mn__splat(c[i]);
        for (ptrdiff_t p0 = 0; p0 < len; p0 += image) {
            const ptrdiff_t part = len - p0 < image ? len - p0 : image;
            const mn_real *gi = g + i * gs + p0, *xi = x + i * xs + p0;
            mn_real *out = y + i * ys + p0;
            for (ptrdiff_t p = 0; p < part; p += MN__V) {
                mn__store(out + p,
                          av * mn__load(gi + p) + bv * mn__load(xi + p) + cv * mn__load(mask + p));
            }
        }
    }
}
