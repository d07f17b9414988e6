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
                      ptrdiff_t image, int accumulate, int relu) {
    for (int c = 0; c < n; c++) {
        const mn__vec a = mn__splat(scale[c]), b = mn__splat(shift[c]);
        for (ptrdiff_t p0 = 0; p0 < len; p0 += image) {
            const ptrdiff_t part = len - p0 < image ? len - p0 : image;
            const mn_real *in = x + c * xs + p0;
            mn_real *out = y + c * ys + p0;
            for (ptrdiff_t p = 0; p < part; p += MN__V) {
                mn__vec v = a * mn__load(in + p) + b * mn__load(mask + p);
                if (accumulate) {
                    v += mn__load(out + p);
                }
                if (relu) {
                    v = mn__positive(v);
                }
                mn__store(out + p, v);
            }
        }
    }
}

static void block_norm_sums(const mn_real *g, const mn_real *x, mn_real centre, ptrdiff_t len,
                            double *sum_g, double *sum_gx) {
    const mn__vec mean = mn__splat(centre);
    mn__vec all = {0}, product = {0};
    for (ptrdiff_t p = 0; p < len; p += MN__V) {
        const mn__vec gp = mn__load(g + p);
        all += gp;
        product += gp * (mn__load(x + p) - mean);
    }
    *sum_g += mn__sum(all);
    *sum_gx += mn__sum(product);
}

void MN__NAME(norm_sums)(int n, const mn_real *g, ptrdiff_t gs, const mn_real *x, ptrdiff_t xs,
                         const mn_real *centre, ptrdiff_t len, double *sum_g, double *sum_gx) {
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0; p < len; p += MN__SUM_BLOCK) {
            block_norm_sums(g + c * gs + p, x + c * xs + p, centre[c],
                            len - p < MN__SUM_BLOCK ? len - p : MN__SUM_BLOCK, sum_g + c,
                            sum_gx + c);
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
