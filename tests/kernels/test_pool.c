/* SPDX-License-Identifier: MIT */
#include "support/naive.h"
#include "support/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct problem {
    struct shape s;
    int channels;
    struct tensor x, y, g;
    mn_real *valid[MOST_TAPS], *weight;
    uint8_t *which, *want_which;
};

static size_t bytes(const struct problem *p) {
    return (size_t)p->channels * (size_t)p->s.n * (size_t)p->x.grid.image;
}

/* Whether tap `offset` of pixel `at` is a pixel: the mask shifted, with nothing around it. */
static int on_image(const struct tensor *t, ptrdiff_t at) {
    return at >= 0 && at < t->grid.image && t->mask[at] != 0;
}

static void draw_planes(struct noise *noise, struct problem *p) {
    const size_t image = (size_t)p->x.grid.image;
    p->weight = noise_array(noise, image);
    for (size_t at = 0; at < image; at++) {
        p->weight[at] = 0;
    }
    for (int t = 0; t < p->s.n_tap; t++) {
        p->valid[t] = noise_array(noise, image);
        for (size_t at = 0; at < image; at++) {
            const int on = p->x.mask[at] != 0 && on_image(&p->x, (ptrdiff_t)at + p->s.tap[t]);
            p->valid[t][at] = (mn_real)on;
            p->weight[at] += (mn_real)on;
        }
    }
    for (size_t at = 0; at < image; at++) {
        p->weight[at] = p->weight[at] > 0 ? 1 / p->weight[at] : 0;
    }
}

/* Few distinct values, many of them below zero: ties, and windows in which padding would win. */
static void coarsen(struct tensor *x) {
    for (size_t i = 0; i < x->reals; i++) {
        x->all[i] = (mn_real)(floor((double)x->all[i] * 4) / 4);
    }
}

static struct problem problem_of(struct noise *noise, const struct shape *s, int channels) {
    struct problem p = {.s = *s, .channels = channels};
    p.x = tensor_noise(noise, p.channels, s->n, s->h, s->w, s->pad);
    p.y = tensor_noise(noise, p.channels, s->n, s->h, s->w, s->pad);
    p.g = tensor_noise(noise, p.channels, s->n, s->h, s->w, s->pad);
    coarsen(&p.x);
    draw_planes(noise, &p);
    p.which = calloc(bytes(&p), 1);
    p.want_which = calloc(bytes(&p), 1);
    assert_non_null(p.which);
    assert_non_null(p.want_which);
    return p;
}

static struct problem problem_draw(struct noise *noise) {
    const struct shape s = shape_draw(noise);
    return problem_of(noise, &s, noise_int(noise, 1, 9));
}

static void problem_free(struct problem *p) {
    tensor_free(&p->x);
    tensor_free(&p->y);
    tensor_free(&p->g);
    for (int t = 0; t < p->s.n_tap; t++) {
        free(p->valid[t]);
    }
    free(p->weight);
    free(p->which);
    free(p->want_which);
}

static void run_max(const struct nas_kernels *k, const struct problem *p, struct tensor *y,
                    uint8_t *which) {
    const ptrdiff_t at = p->s.n0 * p->x.grid.image;
    memset(which, 99, bytes(p));
    k->max_pool(p->channels, p->s.n_tap, p->s.tap, (const mn_real *const *)p->valid, p->x.at + at,
                p->x.grid.channel, y->at + at, y->grid.channel, which + at,
                p->s.n * p->x.grid.image, p->s.len, y->mask, y->grid.image);
}

static void check_max(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    struct tensor got = tensor_copy(&p->y), want = tensor_copy(&p->y);
    tensor_fill(&got, p->s.n0, p->s.len, (mn_real)NAN);
    run_max(k, p, &got, p->which);
    run_max(&naive_kernels, p, &want, p->want_which);
    assert_memory_equal(p->which, p->want_which, bytes(p));
    for (size_t i = 0; i < got.reals; i++) {
        assert_true(got.all[i] == want.all[i]);
    }
    tensor_free(&got);
    tensor_free(&want);
}

static void check_max_dx(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    const ptrdiff_t at = p->s.n0 * p->x.grid.image, ws = p->s.n * p->x.grid.image;
    struct tensor y = tensor_copy(&p->y), got = tensor_copy(&p->y), want = tensor_copy(&p->y);
    struct tensor magnitude = tensor_abs(&p->y), g = tensor_abs(&p->g);
    run_max(&naive_kernels, p, &y, p->which);
    k->max_pool_dx(p->channels, p->s.n_tap, p->s.tap, p->which + at, ws, p->g.at + at,
                   p->g.grid.channel, got.at + at, got.grid.channel, p->s.len);
    naive_kernels.max_pool_dx(p->channels, p->s.n_tap, p->s.tap, p->which + at, ws, p->g.at + at,
                              p->g.grid.channel, want.at + at, want.grid.channel, p->s.len);
    naive_kernels.max_pool_dx(p->channels, p->s.n_tap, p->s.tap, p->which + at, ws, g.at + at,
                              g.grid.channel, magnitude.at + at, magnitude.grid.channel, p->s.len);
    expect_near(k->name, got.reals, got.all, want.all, magnitude.all, TOLERANCE);
    tensor_free(&y);
    tensor_free(&got);
    tensor_free(&want);
    tensor_free(&magnitude);
    tensor_free(&g);
}

static void run_avg(const struct nas_kernels *k, const struct problem *p, const struct tensor *x,
                    struct tensor *y) {
    const ptrdiff_t at = p->s.n0 * x->grid.image;
    k->avg_pool(p->channels, p->s.n_tap, p->s.tap, p->weight, x->at + at, x->grid.channel,
                y->at + at, y->grid.channel, p->s.len, x->grid.image);
}

static void check_avg(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    struct tensor got = tensor_copy(&p->y), want = tensor_copy(&p->y);
    struct tensor magnitude = tensor_abs(&p->y), x = tensor_abs(&p->x);
    tensor_fill(&got, p->s.n0, p->s.len, (mn_real)NAN);
    run_avg(k, p, &p->x, &got);
    run_avg(&naive_kernels, p, &p->x, &want);
    run_avg(&naive_kernels, p, &x, &magnitude);
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

static void test_max(void **state) {
    (void)state;
    each_problem(check_max, 1);
}

static void test_max_dx(void **state) {
    (void)state;
    each_problem(check_max_dx, 2);
}

static void test_avg(void **state) {
    (void)state;
    each_problem(check_avg, 3);
}

static void check_all(const struct nas_kernels *k, void *data) {
    check_max(k, data);
    check_max_dx(k, data);
    check_avg(k, data);
}

static void check_rows(struct noise *noise, int w, int n_tap) {
    const struct shape s = shape_rows(2, w, n_tap);
    struct problem p = problem_of(noise, &s, 1 + w % 3);
    each_table(check_all, &p);
    problem_free(&p);
}

/* Every number of pixels that the loops leave over, and every size of a window. */
static void test_tails(void **state) {
    (void)state;
    struct noise noise = {6};
    each_tail(check_rows, &noise);
}

/* A 3x3 window on a 3x3 image, by hand: the corner's window holds four pixels, all below zero, two
 * of them equal. */
static void check_by_hand(const struct nas_kernels *k, void *data) {
    (void)data;
    static const mn_real in[9] = {-4, -2, -7, -2, -5, -1, -3, -6, -8};
    static const mn_real want[9] = {-2, -1, -1, -2, -1, -1, -2, -1, -1};
    static const uint8_t tap[9] = {5, 8, 7, 2, 5, 4, 1, 2, 1};
    struct noise noise = {4};
    struct problem p = {.channels = 1,
                        .s = {.n = 1, .h = 3, .w = 3, .pad = 1, .n_tap = 9},
                        .x = tensor_make(1, 1, 3, 3, 1),
                        .y = tensor_make(1, 1, 3, 3, 1)};
    p.s.len = p.x.grid.span;
    p.which = calloc(bytes(&p), 1);
    assert_non_null(p.which);
    window_taps(&(struct window){3, 3, 1}, &p.x.grid, p.s.tap);
    draw_planes(&noise, &p);
    nas_grid_load(&p.x.grid, 1, 0, 1, in, p.x.at);
    run_max(k, &p, &p.y, p.which);
    for (int i = 0; i < 9; i++) {
        assert_true(p.y.at[i / 3 * 4 + i % 3] == want[i]);
        assert_int_equal(p.which[i / 3 * 4 + i % 3], tap[i]);
    }
    problem_free(&p);
}

static void test_by_hand(void **state) {
    (void)state;
    each_table(check_by_hand, NULL);
}

/* A value that is no number must show in the output, not vanish. */
static void check_nan(const struct nas_kernels *k, void *data) {
    (void)data;
    struct noise noise = {5};
    struct problem p = problem_draw(&noise);
    struct tensor y = tensor_copy(&p.y);
    for (ptrdiff_t at = 0; at < p.x.grid.image; at++) {
        if (p.x.mask[at] != 0) {
            p.x.at[p.s.n0 * p.x.grid.image + at] = (mn_real)NAN;
        }
    }
    run_max(k, &p, &y, p.which);
    assert_true(isnan(y.at[p.s.n0 * p.x.grid.image]));
    tensor_free(&y);
    problem_free(&p);
}

static void test_nan(void **state) {
    (void)state;
    each_table(check_nan, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_max),     cmocka_unit_test(test_max_dx), cmocka_unit_test(test_avg),
        cmocka_unit_test(test_by_hand), cmocka_unit_test(test_nan),    cmocka_unit_test(test_tails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
