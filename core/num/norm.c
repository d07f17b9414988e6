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

static double squares(const mn_real *y, ptrdiff_t len, const mn_real *mask, mn_real centre) {
    mn__vec acc = {0};
    const mn__vec mean = mn__splat(centre);
    for (ptrdiff_t p = 0; p < len; p += MN__V) {
        const mn__vec d = (mn__load(y + p) - mean) * mn__load(mask + p);
        acc += d * d;
    }
    return mn__sum(acc);
}

static double pixels(const mn_real *mask, ptrdiff_t len) {
    return total(mask, len);
}

/* Each image about its own mean; then merged about the range's (Chan, Golub and LeVeque). */
void MN__NAME(moments)(int n, const mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                       ptrdiff_t image, double *sum, double *m2) {
    const double whole = pixels(mask, image);
    for (int c = 0; c < n; c++) {
        double all = 0, all_m2 = 0, count = 0;
        for (ptrdiff_t p = 0; p < len; p += image) {
            const ptrdiff_t part = len - p < image ? len - p : image;
            const double s = total(y + c * ys + p, part);
            const mn_real mean = (mn_real)(s / whole);
            const double about = squares(y + c * ys + p, part, mask, mean);
            const double rest = s - whole * (double)mean; /* the mean was rounded to a real */
            const double own = about - rest * rest / whole;
            if (count > 0) {
                const double d = s / whole - all / count;
                all_m2 += d * d * count * whole / (count + whole);
            }
            all_m2 += own;
            all += s;
            count += whole;
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

void MN__NAME(norm_sums)(int n, const mn_real *g, ptrdiff_t gs, const mn_real *x, ptrdiff_t xs,
                         const mn_real *centre, ptrdiff_t len, double *sum_g, double *sum_gx) {
    for (int c = 0; c < n; c++) {
        const mn__vec mean = mn__splat(centre[c]);
        mn__vec all = {0}, product = {0};
        for (ptrdiff_t p = 0; p < len; p += MN__V) {
            const mn__vec gp = mn__load(g + c * gs + p);
            all += gp;
            product += gp * (mn__load(x + c * xs + p) - mean);
        }
        sum_g[c] += mn__sum(all);
        sum_gx[c] += mn__sum(product);
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
