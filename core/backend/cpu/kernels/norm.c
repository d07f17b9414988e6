/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/isa.h"

enum { CHAINS = 4 }; /* sums that do not wait for each other */

static double total(const mn_real *y, ptrdiff_t len) {
    nas_vec acc = {0};
    for (ptrdiff_t p = 0; p < len; p += NAS_V) {
        acc += nas_load(y + p);
    }
    return nas_sum(acc);
}

struct about {
    nas_vec sum[CHAINS], squares[CHAINS];
};

/* Add y - centre and its square over the mask's pixels of one image. */
static inline void add_about(struct about *all, const mn_real *y, ptrdiff_t len,
                             const mn_real *mask, nas_vec centre) {
    struct about now = *all;
    ptrdiff_t p = 0;
    for (; p + CHAINS * NAS_V <= len; p += CHAINS * NAS_V) {
        NAS_UNROLL
        for (int v = 0; v < CHAINS; v++) {
            const nas_vec d =
                (nas_load(y + p + v * NAS_V) - centre) * nas_load(mask + p + v * NAS_V);
            now.sum[v] += d;
            now.squares[v] += d * d;
        }
    }
    for (; p < len; p += NAS_V) {
        const nas_vec d = (nas_load(y + p) - centre) * nas_load(mask + p);
        now.sum[0] += d;
        now.squares[0] += d * d;
    }
    *all = now;
}

static double chains_sum(const nas_vec *v) {
    return nas_sum((v[0] + v[1]) + (v[2] + v[3]));
}

/* One pass over groups of about a thousand pixels, each about the mean of its own first few: with k
 * of n pixels the squares are at most 1 + n / k times those about the group's mean, so that little
 * cancels. Then merged about the range's mean (Chan, Golub and LeVeque). */
void NAS_NAME(moments)(int n, const mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                       ptrdiff_t image, double *sum, double *m2) {
    const double pixels = total(mask, image), few = total(mask, NAS_V);
    const ptrdiff_t group = image < NAS_SUM_BLOCK ? NAS_SUM_BLOCK / image * image : image;
    for (int c = 0; c < n; c++) {
        double count = 0, all = 0, all_m2 = 0;
        for (ptrdiff_t p0 = 0; p0 < len; p0 += group) {
            const ptrdiff_t end = len - p0 < group ? len : p0 + group;
            const mn_real centre = (mn_real)(total(y + c * ys + p0, NAS_V) / few);
            struct about about = {{{0}}, {{0}}};
            double here = 0;
            for (ptrdiff_t p = p0; p < end; p += image, here += pixels) {
                add_about(&about, y + c * ys + p, end - p < image ? end - p : image, mask,
                          nas_splat(centre));
            }
            const double rest = chains_sum(about.sum);
            const double one = here * (double)centre + rest;
            const double one_m2 = chains_sum(about.squares) - rest * rest / here;
            nas_moments_merge(1, here, &one, &one_m2, &count, &all, &all_m2);
        }
        sum[c] += all;
        m2[c] += all_m2;
    }
}

/* x comes from the last-level cache here and in `combine`, and the processor's own prefetching
 * stops at a page, which is about a channel: fetch the next channel meanwhile. */
void NAS_NAME(affine)(int n, const mn_real *scale, const mn_real *shift, const mn_real *x,
                      ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                      ptrdiff_t image, int relu) {
    for (int c = 0; c < n; c++) {
        const nas_vec a = nas_splat(scale[c]), b = nas_splat(shift[c]);
        const ptrdiff_t ahead = c + 1 < n ? xs : 0;
        for (ptrdiff_t p0 = 0; p0 < len; p0 += image) {
            const ptrdiff_t part = len - p0 < image ? len - p0 : image;
            const mn_real *in = x + c * xs + p0;
            mn_real *out = y + c * ys + p0;
            for (ptrdiff_t p = 0; p < part; p += NAS_V) {
                __builtin_prefetch(in + p + ahead);
                const nas_vec v = a * nas_load(in + p) + b * nas_load(mask + p);
                nas_store(out + p, relu ? nas_positive(v) : v);
            }
        }
    }
}

/* ---- sums over the paths of a node -------------------------------------------------------- */

enum { GROUP = 16, WIDE = 2 };

/* Up to GROUP terms of one channel over one image. `wide` is a constant where this is called. */
static inline __attribute__((always_inline)) void mix_tile(int wide, int n, const mn_real *const *x,
                                                           const mn_real *scale, nas_vec shift,
                                                           mn_real *y, const mn_real *mask,
                                                           int accumulate) {
    nas_vec acc[WIDE];
    NAS_UNROLL
    for (int v = 0; v < wide; v++) {
        acc[v] = shift * nas_load(mask + v * NAS_V);
        acc[v] += accumulate ? nas_load(y + v * NAS_V) : (nas_vec){0};
    }
    for (int k = 0; k < n; k++) {
        const nas_vec s = nas_splat(scale[k]);
        NAS_UNROLL
        for (int v = 0; v < wide; v++) {
            acc[v] += s * nas_load(x[k] + v * NAS_V);
        }
    }
    NAS_UNROLL
    for (int v = 0; v < wide; v++) {
        nas_store(y + v * NAS_V, acc[v]);
    }
}

static void mix_image(int n, const mn_real **x, const mn_real *scale, mn_real shift, mn_real *y,
                      ptrdiff_t len, const mn_real *mask, int accumulate) {
    const nas_vec b = nas_splat(shift);
    ptrdiff_t p = 0;
    for (; p + WIDE * NAS_V <= len; p += WIDE * NAS_V) {
        mix_tile(WIDE, n, x, scale, b, y + p, mask + p, accumulate);
        for (int k = 0; k < n; k++) {
            x[k] += WIDE * NAS_V;
        }
    }
    if (p < len) {
        mix_tile(1, n, x, scale, b, y + p, mask + p, accumulate);
    }
}

void NAS_NAME(mix)(int n, int n_terms, const struct nas_term *terms, mn_real *y, ptrdiff_t ys,
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
                    const mn_real factor =
                        terms[t + k].factor == NULL ? 1 : terms[t + k].factor[p / image];
                    scale[k] = factor * terms[t + k].scale[c];
                    shift += factor * terms[t + k].shift[c];
                }
                mix_image(group, x, scale, shift, y + c * ys + p, part, mask, accumulate || t > 0);
            }
        }
    }
}

enum { PRODUCTS = 4 };

struct products {
    const mn_real *g, *x[PRODUCTS];
    nas_vec centre[PRODUCTS], sum[PRODUCTS][CHAINS], sum_g[CHAINS];
};

/* `n` terms on `wide` vectors at p; both are constants where this is called. */
static inline __attribute__((always_inline)) void add_products(int n, int wide, ptrdiff_t p,
                                                               struct products *s) {
    NAS_UNROLL
    for (int v = 0; v < wide; v++) {
        const nas_vec g = nas_load(s->g + p + v * NAS_V);
        s->sum_g[v] += g;
        NAS_UNROLL
        for (int k = 0; k < n; k++) {
            s->sum[k][v] += g * (nas_load(s->x[k] + p + v * NAS_V) - s->centre[k]);
        }
    }
}

/* One channel, over pixels of image `image` (of any, if there are no factors), few enough for
 * reals.
 */
static inline __attribute__((always_inline)) void products(int n, int wide,
                                                           const struct nas_product *terms, int c,
                                                           const mn_real *g, ptrdiff_t at,
                                                           ptrdiff_t len, ptrdiff_t image) {
    struct products s = {.g = g + at, .sum = {{{0}}}, .sum_g = {{0}}};
    ptrdiff_t p = 0;
    NAS_UNROLL
    for (int k = 0; k < n; k++) {
        s.x[k] = terms[k].x + c * terms[k].xs + at;
        s.centre[k] = terms[k].centre == NULL ? (nas_vec){0} : nas_splat(terms[k].centre[c]);
    }
    for (; p + wide * NAS_V <= len; p += wide * NAS_V) {
        add_products(n, wide, p, &s);
    }
    for (; p < len; p += NAS_V) {
        add_products(n, 1, p, &s);
    }
    const double sum_g = chains_sum(s.sum_g);
    NAS_UNROLL
    for (int k = 0; k < n; k++) {
        const double factor = terms[k].factor == NULL ? 1 : (double)terms[k].factor[image];
        terms[k].sum_g[c] += factor * sum_g;
        terms[k].sum[c] += factor * chains_sum(s.sum[k]);
    }
}

static ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) {
    return a < b ? a : b;
}

void NAS_NAME(products)(int n, int n_terms, const struct nas_product *terms, const mn_real *g,
                        ptrdiff_t gs, ptrdiff_t len, ptrdiff_t image) {
    ptrdiff_t step = len;
    for (int k = 0; k < n_terms; k++) {
        step = terms[k].factor != NULL ? image : step;
    }
    for (int c = 0; c < n; c++) {
        for (ptrdiff_t p = 0, part; p < len; p += part) {
            part = least(least(len, (p / step + 1) * step) - p, NAS_SUM_BLOCK);
            for (int t = 0; t < n_terms; t += PRODUCTS) {
                /* As many vectors at once as registers hold the sums of. */
                switch (n_terms - t) {
                case 1:
                    products(1, CHAINS, terms + t, c, g + c * gs, p, part, p / image);
                    break;
                case 2:
                    products(2, CHAINS, terms + t, c, g + c * gs, p, part, p / image);
                    break;
                case 3:
                    products(3, 2, terms + t, c, g + c * gs, p, part, p / image);
                    break;
                default:
                    products(4, 2, terms + t, c, g + c * gs, p, part, p / image);
                    break;
                }
            }
        }
    }
}

void NAS_NAME(combine)(int n, const mn_real *a, const mn_real *g, ptrdiff_t gs, const mn_real *b,
                       const mn_real *x, ptrdiff_t xs, const mn_real *c, mn_real *y, ptrdiff_t ys,
                       ptrdiff_t len, const mn_real *mask, ptrdiff_t image) {
    for (int i = 0; i < n; i++) {
        const nas_vec av = nas_splat(a[i]), bv = nas_splat(b[i]), cv = nas_splat(c[i]);
        const ptrdiff_t ahead = i + 1 < n ? xs : 0;
        for (ptrdiff_t p0 = 0; p0 < len; p0 += image) {
            const ptrdiff_t part = len - p0 < image ? len - p0 : image;
            const mn_real *gi = g + i * gs + p0, *xi = x + i * xs + p0;
            mn_real *out = y + i * ys + p0;
            for (ptrdiff_t p = 0; p < part; p += NAS_V) {
                __builtin_prefetch(xi + p + ahead);
                nas_store(out + p,
                          av * nas_load(gi + p) + bv * nas_load(xi + p) + cv * nas_load(mask + p));
            }
        }
    }
}
