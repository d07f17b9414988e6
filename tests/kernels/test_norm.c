/* SPDX-License-Identifier: MIT */
#include "support/naive.h"
#include "support/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_CHANNELS = 9, MOST_TERMS = 35, MOST_IMAGES = 5 };

struct problem {
    struct shape s;
    int channels, relu, terms, accumulate;
    struct tensor x, y, g;
    mn_real *coef; /* 3 for each channel */
    mn_real factor[MOST_IMAGES];
};

static struct problem problem_of(struct noise *noise, const struct shape *shape, int channels,
                                 int terms) {
    struct problem p = {.s = *shape,
                        .channels = channels,
                        .relu = noise_int(noise, 0, 1),
                        .terms = terms,
                        .accumulate = noise_int(noise, 0, 1)};
    p.x = tensor_noise(noise, p.channels, p.s.n, p.s.h, p.s.w, p.s.pad);
    p.y = tensor_noise(noise, p.channels, p.s.n, p.s.h, p.s.w, p.s.pad);
    p.g = tensor_noise(noise, p.channels, p.s.n, p.s.h, p.s.w, p.s.pad);
    p.coef = noise_array(noise, 3 * MOST_CHANNELS);
    for (int i = 0; i < MOST_IMAGES; i++) {
        p.factor[i] = noise_real(noise);
    }
    return p;
}

static struct problem problem_draw(struct noise *noise) {
    const struct shape s = shape_draw(noise);
    const int channels = noise_int(noise, 1, MOST_CHANNELS);
    return problem_of(noise, &s, channels, noise_int(noise, 1, MOST_TERMS));
}

static void problem_free(struct problem *p) {
    tensor_free(&p->x);
    tensor_free(&p->y);
    tensor_free(&p->g);
    free(p->coef);
}

static void each_problem(void (*check)(const struct nas_kernels *, void *), uint64_t seed) {
    struct noise noise = {seed};
    for (int i = 0; i < 100; i++) {
        struct problem p = problem_draw(&noise);
        each_table(check, &p);
        problem_free(&p);
    }
}

/* ---- affine and combine ------------------------------------------------------------------- */

static void run_affine(const struct nas_kernels *k, const struct problem *p, const struct tensor *x,
                       const mn_real *coef, int relu, struct tensor *y) {
    const ptrdiff_t at = p->s.n0 * x->grid.image;
    k->affine(p->channels, coef, coef + MOST_CHANNELS, x->at + at, x->grid.channel, y->at + at,
              y->grid.channel, p->s.len, y->mask, y->grid.image, relu);
}

static void check_affine(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    struct tensor got = tensor_copy(&p->y), magnitude = tensor_abs(&p->y), x = tensor_abs(&p->x);
    mn_real *coef = abs_array(p->coef, 3 * MOST_CHANNELS);
    tensor_fill(&got, p->s.n0, p->s.len, (mn_real)NAN);
    struct tensor want = tensor_copy(&got);
    run_affine(k, p, &p->x, p->coef, p->relu, &got);
    run_affine(&naive_kernels, p, &p->x, p->coef, p->relu, &want);
    run_affine(&naive_kernels, p, &x, coef, 0, &magnitude);
    expect_near(k->name, got.reals, got.all, want.all, magnitude.all, TOLERANCE);
    free(coef);
    tensor_free(&x);
    tensor_free(&got);
    tensor_free(&want);
    tensor_free(&magnitude);
}

static void run_combine(const struct nas_kernels *k, const struct problem *p,
                        const struct tensor *g, const struct tensor *x, const mn_real *coef,
                        struct tensor *y) {
    const ptrdiff_t at = p->s.n0 * x->grid.image;
    k->combine(p->channels, coef, g->at + at, g->grid.channel, coef + MOST_CHANNELS, x->at + at,
               x->grid.channel, coef + 2 * MOST_CHANNELS, y->at + at, y->grid.channel, p->s.len,
               y->mask, y->grid.image);
}

/* Also in place: y may be g. */
static void check_combine(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    struct tensor got = tensor_copy(&p->g), want = tensor_copy(&p->g);
    struct tensor g = tensor_abs(&p->g), x = tensor_abs(&p->x), magnitude = tensor_abs(&p->g);
    mn_real *coef = abs_array(p->coef, 3 * MOST_CHANNELS);
    run_combine(k, p, &got, &p->x, p->coef, &got);
    run_combine(&naive_kernels, p, &p->g, &p->x, p->coef, &want);
    run_combine(&naive_kernels, p, &g, &x, coef, &magnitude);
    expect_near(k->name, got.reals, got.all, want.all, magnitude.all, TOLERANCE);
    free(coef);
    tensor_free(&g);
    tensor_free(&x);
    tensor_free(&got);
    tensor_free(&want);
    tensor_free(&magnitude);
}

static void test_affine(void **state) {
    (void)state;
    each_problem(check_affine, 1);
}

static void test_combine(void **state) {
    (void)state;
    each_problem(check_combine, 2);
}

/* ---- sums --------------------------------------------------------------------------------- */

/* Results are added to what the sums hold. */
static void start(double *sums) {
    for (int c = 0; c < MOST_CHANNELS; c++) {
        sums[c] = 0.5 + c;
    }
}

/* Of g and of the product, for every term. */
typedef double term_sums[MOST_TERMS][2][MOST_CHANNELS];

/* Terms of the problem's tensors in turn; every other one without a centre, every third with a
 * factor for each image. */
static void set_products(const struct problem *p, term_sums sums, struct nas_product *terms) {
    const struct tensor *in[] = {&p->x, &p->y, &p->g};
    for (int t = 0; t < MOST_TERMS; t++) {
        const struct tensor *x = in[t % 3];
        start(sums[t][0]);
        start(sums[t][1]);
        terms[t] = (struct nas_product){.x = x->at + p->s.n0 * x->grid.image,
                                        .xs = x->grid.channel,
                                        .centre = t % 2 == 0 ? p->coef + t % MOST_CHANNELS : NULL,
                                        .factor = t % 3 == 1 ? p->factor : NULL,
                                        .sum_g = sums[t][0],
                                        .sum = sums[t][1]};
    }
}

static void run_products(const struct nas_kernels *k, const struct problem *p, term_sums sums) {
    struct nas_product terms[MOST_TERMS];
    set_products(p, sums, terms);
    k->products(p->channels, p->terms, terms, p->g.at + p->s.n0 * p->g.grid.image,
                p->g.grid.channel, p->s.len, p->g.grid.image);
}

static void check_products(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    term_sums got, want;
    double magnitude[MOST_CHANNELS];
    run_products(k, p, got);
    run_products(&naive_kernels, p, want);
    for (int c = 0; c < MOST_CHANNELS; c++) {
        magnitude[c] = c;
        for (ptrdiff_t i = 0; c < p->channels && i < p->s.len; i++) {
            const ptrdiff_t at = c * p->g.grid.channel + p->s.n0 * p->g.grid.image + i;
            magnitude[c] += 2 * fabs((double)p->g.at[at]); /* |x - centre| <= 2 */
        }
    }
    for (int t = 0; t < MOST_TERMS; t++) {
        expect_near_double(k->name, MOST_CHANNELS, got[t][0], want[t][0], magnitude, TOLERANCE);
        expect_near_double(k->name, MOST_CHANNELS, got[t][1], want[t][1], magnitude, TOLERANCE);
    }
}

static void test_products(void **state) {
    (void)state;
    each_problem(check_products, 3);
}

/* Partial sums must not lose small terms beside large ones over a long range. */
static void check_long_product(const struct nas_kernels *k, void *data) {
    enum { LEN = 1 << 20 };
    const mn_real *x = data;
    double sum_g = 0, sum = 0;
    const double want_g = LEN * (double)x[0], want = want_g * (double)x[0];
    const struct nas_product term = {.x = x, .xs = LEN, .sum_g = &sum_g, .sum = &sum};
    k->products(1, 1, &term, x, LEN, LEN, LEN);
    expect_near_double(k->name, 1, &sum_g, &want_g, &want_g, 1e-5);
    expect_near_double(k->name, 1, &sum, &want, &want, 1e-5);
}

static void test_long_product(void **state) {
    (void)state;
    enum { LEN = 1 << 20 };
    mn_real *x = malloc((LEN + NAS_LANES) * sizeof *x);
    assert_non_null(x);
    for (ptrdiff_t i = 0; i < LEN + NAS_LANES; i++) {
        x[i] = (mn_real)0.3;
    }
    each_table(check_long_product, x);
    free(x);
}

/* Terms of the problem's tensors in turn, or of their magnitudes. */
static void run_mix(const struct nas_kernels *k, const struct problem *p, const struct tensor *x,
                    const struct tensor *g, const mn_real *coef, const mn_real *factor,
                    struct tensor *y) {
    struct nas_term terms[MOST_TERMS];
    for (int t = 0; t < p->terms; t++) {
        const struct tensor *in = t % 2 == 0 ? x : g;
        terms[t] = (struct nas_term){in->at + p->s.n0 * in->grid.image, in->grid.channel,
                                     coef + t % MOST_CHANNELS, coef + MOST_CHANNELS + t % 5,
                                     t % 3 == 1 ? factor : NULL};
    }
    k->mix(p->channels, p->terms, terms, y->at + p->s.n0 * y->grid.image, y->grid.channel, p->s.len,
           y->mask, y->grid.image, p->accumulate);
}

static void check_mix(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    struct tensor got = tensor_copy(&p->y), magnitude = tensor_abs(&p->y);
    struct tensor x = tensor_abs(&p->x), g = tensor_abs(&p->g);
    mn_real *coef = abs_array(p->coef, 3 * MOST_CHANNELS);
    mn_real *factor = abs_array(p->factor, MOST_IMAGES);
    if (!p->accumulate) {
        tensor_fill(&got, p->s.n0, p->s.len, (mn_real)NAN);
    }
    struct tensor want = tensor_copy(&got);
    run_mix(k, p, &p->x, &p->g, p->coef, p->factor, &got);
    run_mix(&naive_kernels, p, &p->x, &p->g, p->coef, p->factor, &want);
    run_mix(&naive_kernels, p, &x, &g, coef, factor, &magnitude);
    expect_near(k->name, got.reals, got.all, want.all, magnitude.all, TOLERANCE);
    free(coef);
    free(factor);
    tensor_free(&x);
    tensor_free(&g);
    tensor_free(&got);
    tensor_free(&want);
    tensor_free(&magnitude);
}

static void test_mix(void **state) {
    (void)state;
    each_problem(check_mix, 7);
}

static void run_moments(const struct nas_kernels *k, const struct problem *p, double *sum,
                        double *m2) {
    const ptrdiff_t at = p->s.n0 * p->x.grid.image;
    start(sum);
    start(m2);
    k->moments(p->channels, p->x.at + at, p->x.grid.channel, p->s.len, p->x.mask, p->x.grid.image,
               sum, m2);
}

static void check_moments(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    double sum[MOST_CHANNELS], m2[MOST_CHANNELS], want_sum[MOST_CHANNELS], want_m2[MOST_CHANNELS];
    double pixels[MOST_CHANNELS]; /* |x| <= 1, and so is its square */
    run_moments(k, p, sum, m2);
    run_moments(&naive_kernels, p, want_sum, want_m2);
    for (int c = 0; c < MOST_CHANNELS; c++) {
        pixels[c] = c + (double)p->s.len;
    }
    expect_near_double(k->name, MOST_CHANNELS, sum, want_sum, pixels, TOLERANCE);
    expect_near_double(k->name, MOST_CHANNELS, m2, want_m2, pixels, TOLERANCE);
}

static void test_moments(void **state) {
    (void)state;
    each_problem(check_moments, 4);
}

/* ---- tails -------------------------------------------------------------------------------- */

static void check_all(const struct nas_kernels *k, void *data) {
    check_affine(k, data);
    check_combine(k, data);
    check_products(k, data);
    check_mix(k, data);
    check_moments(k, data);
}

static void check_rows(struct noise *noise, int w, int terms) {
    const struct shape s = shape_rows(2, w, 1);
    struct problem p = problem_of(noise, &s, 2, terms);
    each_table(check_all, &p);
    problem_free(&p);
}

/* Every number of pixels and of terms that the loops leave over. */
static void test_tails(void **state) {
    (void)state;
    struct noise noise = {8};
    for (int w = 1; w <= MOST_TAIL; w++) {
        check_rows(&noise, w, 3);
    }
    for (int i = 0; i < n_long_rows; i++) {
        check_rows(&noise, long_rows[i], 6);
    }
    for (int terms = 1; terms <= MOST_TERMS; terms++) {
        check_rows(&noise, 29, terms);
    }
}

/* Mean 1e6, deviation 0.6: E[x^2] - mean^2 in float would leave nothing of the variance, and a mean
 * of float sums would be off by a part of the deviation that later layers see. */
static void check_far_moments(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    double sum[MOST_CHANNELS], m2[MOST_CHANNELS], want_sum[MOST_CHANNELS], want_m2[MOST_CHANNELS];
    run_moments(k, p, sum, m2);
    run_moments(&naive_kernels, p, want_sum, want_m2);
    const double scale = (double)p->s.len;
    for (int c = 0; c < p->channels; c++) {
        expect_near_double(k->name, 1, &sum[c], &want_sum[c], &scale, 1e-5);
        expect_near_double(k->name, 1, &m2[c], &want_m2[c], &want_m2[c], 1e-5);
    }
}

static void test_far_moments(void **state) {
    (void)state;
    struct noise noise = {5};
    struct problem p = {.channels = 3,
                        .s = {.n = 3, .h = 28, .w = 28, .pad = 2},
                        .x = tensor_noise(&noise, 3, 3, 28, 28, 2)};
    p.s.len = 2 * p.x.grid.image + p.x.grid.span;
    for (int c = 0; c < 3; c++) {
        for (ptrdiff_t at = 0; at < 3 * p.x.grid.image; at++) {
            p.x.at[c * p.x.grid.channel + at] += 1000000 * p.x.mask[at % p.x.grid.image];
        }
    }
    each_table(check_far_moments, &p);
    tensor_free(&p.x);
}

/* Three ranges of different sizes, merged, are the whole. */
static void test_merge_of_ranges(void **state) {
    (void)state;
    enum { N = 60 };
    static const int ends[] = {7, 8, N};
    struct noise noise = {6};
    double x[N], count = 0, sum = 0, m2 = 0, mean = 0, want = 0;
    for (int i = 0; i < N; i++) {
        x[i] = 1000 + i / 7 + (double)noise_real(&noise);
        mean += x[i] / N;
    }
    for (int i = 0; i < N; i++) {
        want += (x[i] - mean) * (x[i] - mean);
    }
    for (int r = 0, from = 0; r < 3; from = ends[r++]) {
        double own = 0, own_m2 = 0;
        for (int i = from; i < ends[r]; i++) {
            own += x[i];
        }
        for (int i = from; i < ends[r]; i++) {
            const double d = x[i] - own / (ends[r] - from);
            own_m2 += d * d;
        }
        nas_moments_merge(1, ends[r] - from, &own, &own_m2, &count, &sum, &m2);
    }
    assert_true(count == N);
    assert_true(fabs(sum / N - mean) < 1e-9);
    assert_true(fabs(m2 - want) < 1e-9 * want);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_affine),      cmocka_unit_test(test_combine),
        cmocka_unit_test(test_products),    cmocka_unit_test(test_long_product),
        cmocka_unit_test(test_mix),         cmocka_unit_test(test_moments),
        cmocka_unit_test(test_far_moments), cmocka_unit_test(test_merge_of_ranges),
        cmocka_unit_test(test_tails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
