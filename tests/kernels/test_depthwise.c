/* SPDX-License-Identifier: MIT */
#include "support/naive.h"
#include "support/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct problem {
    struct shape s;
    int channels, accumulate, masked;
    size_t n_w;
    struct tensor x, y;
    mn_real *w;
};

static void reverse(int n, ptrdiff_t *tap) {
    for (int t = 0; t < n / 2; t++) {
        const ptrdiff_t other = tap[n - 1 - t];
        tap[n - 1 - t] = tap[t];
        tap[t] = other;
    }
}

static struct problem problem_of(struct noise *noise, const struct shape *shape, int channels) {
    struct problem p = {.s = *shape,
                        .channels = channels,
                        .accumulate = noise_int(noise, 0, 1),
                        .masked = noise_int(noise, 0, 3) > 0};
    struct shape *s = &p.s;
    if (noise_int(noise, 0, 1)) { /* as on the way back */
        reverse(s->n_tap, s->tap);
    }
    p.n_w = (size_t)(p.channels * s->n_tap);
    p.w = noise_array(noise, p.n_w);
    p.x = tensor_noise(noise, p.channels, s->n, s->h, s->w, s->pad);
    p.y = tensor_noise(noise, p.channels, s->n, s->h, s->w, s->pad);
    return p;
}

static struct problem problem_draw(struct noise *noise) {
    const struct shape s = shape_draw(noise);
    return problem_of(noise, &s, noise_int(noise, 1, 33));
}

static void problem_free(struct problem *p) {
    tensor_free(&p->x);
    tensor_free(&p->y);
    free(p->w);
}

static void run(const struct nas_kernels *k, const struct problem *p, const struct tensor *x,
                const mn_real *w, struct tensor *y) {
    const struct shape *s = &p->s;
    const ptrdiff_t at = s->n0 * x->grid.image;
    k->depthwise(p->channels, s->n_tap, s->tap, w, s->n_tap, 1, x->at + at, x->grid.channel,
                 y->at + at, y->grid.channel, s->len, p->masked ? y->mask : NULL, y->grid.image,
                 p->accumulate);
}

static void check_forward(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    struct tensor got = tensor_copy(&p->y), x = tensor_abs(&p->x), magnitude = tensor_abs(&p->y);
    mn_real *w = abs_array(p->w, p->n_w);
    if (!p->accumulate) {
        tensor_fill(&got, p->s.n0, p->s.len, (mn_real)NAN);
    }
    struct tensor want = tensor_copy(&got);
    run(k, p, &p->x, p->w, &got);
    run(&naive_kernels, p, &p->x, p->w, &want);
    run(&naive_kernels, p, &x, w, &magnitude);
    expect_near(k->name, got.reals, got.all, want.all, magnitude.all, TOLERANCE);
    free(w);
    tensor_free(&x);
    tensor_free(&got);
    tensor_free(&want);
    tensor_free(&magnitude);
}

static void run_dw(const struct nas_kernels *k, const struct problem *p, const struct tensor *g,
                   const struct tensor *x, mn_real *dw) {
    const struct shape *s = &p->s;
    const ptrdiff_t at = s->n0 * x->grid.image;
    k->depthwise_dw(p->channels, s->n_tap, s->tap, g->at + at, g->grid.channel, x->at + at,
                    x->grid.channel, s->len, dw, s->n_tap, 1);
}

static void check_dw(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    struct tensor g = tensor_abs(&p->y), x = tensor_abs(&p->x);
    mn_real *got = abs_array(p->w, p->n_w), *want = abs_array(p->w, p->n_w),
            *magnitude = abs_array(p->w, p->n_w);
    run_dw(k, p, &p->y, &p->x, got);
    run_dw(&naive_kernels, p, &p->y, &p->x, want);
    run_dw(&naive_kernels, p, &g, &x, magnitude);
    expect_near(k->name, p->n_w, got, want, magnitude, TOLERANCE);
    free(got);
    free(want);
    free(magnitude);
    tensor_free(&g);
    tensor_free(&x);
}

/* The same weight for every channel and tap: strides of zero, as average pooling's gradient. */
static void check_shared_weight(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    const struct shape *s = &p->s;
    struct tensor got = tensor_copy(&p->y), want = tensor_copy(&p->y);
    struct tensor magnitude = tensor_abs(&p->y), x = tensor_abs(&p->x);
    const mn_real one = 1;
    k->depthwise(p->channels, s->n_tap, s->tap, &one, 0, 0, p->x.at, p->x.grid.channel, got.at,
                 got.grid.channel, s->len, got.mask, got.grid.image, 1);
    naive_kernels.depthwise(p->channels, s->n_tap, s->tap, &one, 0, 0, p->x.at, p->x.grid.channel,
                            want.at, want.grid.channel, s->len, want.mask, want.grid.image, 1);
    naive_kernels.depthwise(p->channels, s->n_tap, s->tap, &one, 0, 0, x.at, x.grid.channel,
                            magnitude.at, magnitude.grid.channel, s->len, want.mask,
                            want.grid.image, 1);
    expect_near(k->name, got.reals, got.all, want.all, magnitude.all, TOLERANCE);
    tensor_free(&got);
    tensor_free(&want);
    tensor_free(&magnitude);
    tensor_free(&x);
}

static void each_problem(void (*check)(const struct nas_kernels *, void *), uint64_t seed) {
    struct noise noise = {seed};
    for (int i = 0; i < 100; i++) {
        struct problem p = problem_draw(&noise);
        each_table(check, &p);
        problem_free(&p);
    }
}

static void test_forward(void **state) {
    (void)state;
    each_problem(check_forward, 1);
}

static void test_dw(void **state) {
    (void)state;
    each_problem(check_dw, 2);
}

static void test_shared_weight(void **state) {
    (void)state;
    each_problem(check_shared_weight, 3);
}

static void check_all(const struct nas_kernels *k, void *data) {
    check_forward(k, data);
    check_dw(k, data);
    check_shared_weight(k, data);
}

static void check_rows(struct noise *noise, int w, int n_tap) {
    const struct shape s = shape_rows(2, w, n_tap);
    struct problem p = problem_of(noise, &s, 1 + w % 3);
    each_table(check_all, &p);
    problem_free(&p);
}

/* Every number of pixels and of taps that the loops leave over. */
static void test_tails(void **state) {
    (void)state;
    struct noise noise = {4};
    each_tail(check_rows, &noise);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_dw),
        cmocka_unit_test(test_shared_weight),
        cmocka_unit_test(test_tails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
