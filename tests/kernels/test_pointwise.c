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
    int channels, accumulate;
    struct tensor x, y, g;
};

static struct problem problem_of(struct noise *noise, const struct shape *shape, int channels) {
    struct problem p = {.s = *shape, .channels = channels, .accumulate = noise_int(noise, 0, 1)};
    p.x = tensor_noise(noise, p.channels, p.s.n, p.s.h, p.s.w, p.s.pad);
    p.y = tensor_noise(noise, p.channels, p.s.n, p.s.h, p.s.w, p.s.pad);
    p.g = tensor_noise(noise, p.channels, p.s.n, p.s.h, p.s.w, p.s.pad);
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
}

/* What an operation does to a tensor that starts as p->y. */
typedef void (*operation)(const struct nas_kernels *k, const struct problem *p, struct tensor *y);

static void relu(const struct nas_kernels *k, const struct problem *p, struct tensor *y) {
    const ptrdiff_t at = p->s.n0 * y->grid.image;
    k->relu(p->channels, p->x.at + at, p->x.grid.channel, y->at + at, y->grid.channel, p->s.len);
}

static void relu_dx(const struct nas_kernels *k, const struct problem *p, struct tensor *y) {
    const ptrdiff_t at = p->s.n0 * y->grid.image;
    k->relu_dx(p->channels, p->x.at + at, p->x.grid.channel, p->g.at + at, p->g.grid.channel,
               y->at + at, y->grid.channel, p->s.len, p->accumulate);
}

static void axpy(const struct nas_kernels *k, const struct problem *p, struct tensor *y) {
    const ptrdiff_t at = p->s.n0 * y->grid.image;
    k->axpy(p->channels, (mn_real)-0.7, p->x.at + at, p->x.grid.channel, y->at + at,
            y->grid.channel, p->s.len, p->accumulate);
}

static void check_operation(const struct nas_kernels *k, const struct problem *p, operation run,
                            int reads_y) {
    struct tensor got = tensor_copy(&p->y), magnitude = tensor_abs(&p->y);
    if (!reads_y) {
        tensor_fill(&got, p->s.n0, p->s.len, (mn_real)NAN);
    }
    struct tensor want = tensor_copy(&got);
    run(k, p, &got);
    run(&naive_kernels, p, &want);
    for (size_t i = 0; i < magnitude.reals; i++) {
        magnitude.all[i] += (mn_real)fabs((double)want.all[i]);
    }
    expect_near(k->name, got.reals, got.all, want.all, magnitude.all, TOLERANCE);
    tensor_free(&got);
    tensor_free(&want);
    tensor_free(&magnitude);
}

static void check_all(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    check_operation(k, p, relu, 0);
    check_operation(k, p, relu_dx, p->accumulate);
    check_operation(k, p, axpy, p->accumulate);
}

static void each_problem(void (*check)(const struct nas_kernels *, void *), uint64_t seed) {
    struct noise noise = {seed};
    for (int i = 0; i < 100; i++) {
        struct problem p = problem_draw(&noise);
        each_table(check, &p);
        problem_free(&p);
    }
}

static void test_operations(void **state) {
    (void)state;
    each_problem(check_all, 1);
}

static void check_rows(struct noise *noise, int w) {
    const struct shape s = shape_rows(2, w, 1);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        struct problem p = problem_of(noise, &s, 2);
        p.accumulate = accumulate;
        each_table(check_all, &p);
        problem_free(&p);
    }
}

static void test_tails(void **state) {
    (void)state;
    struct noise noise = {5};
    for (int w = 1; w <= MOST_TAIL; w++) {
        check_rows(&noise, w);
    }
    for (int i = 0; i < n_long_rows; i++) {
        check_rows(&noise, long_rows[i]);
    }
}

static void check_relu_nan(const struct nas_kernels *k, void *data) {
    (void)data;
    mn_real x[2 * NAS_LANES] = {(mn_real)NAN, -1, 1}, y[2 * NAS_LANES];
    k->relu(1, x, NAS_LANES, y, NAS_LANES, NAS_LANES);
    assert_true(isnan(y[0]));
    assert_true(y[1] == 0 && y[2] == 1);
}

static void test_relu_keeps_nan(void **state) {
    (void)state;
    each_table(check_relu_nan, NULL);
}

/* ---- stride 2 ----------------------------------------------------------------------------- */

struct halves {
    int n;
    struct tensor x, phases; /* phases: 4 C channels, phase q from channel q C on */
};

static struct halves halves_draw(struct noise *noise, int h, int w) {
    const int c = noise_int(noise, 1, 4), n = noise_int(noise, 1, 3), pad = noise_int(noise, 1, 4);
    return (struct halves){
        .n = noise_int(noise, 1, n),
        .x = tensor_noise(noise, c, n, h, w, pad),
        .phases = tensor_make(4 * c, n, (h + 1) / 2, (w + 1) / 2, noise_int(noise, 1, 4))};
}

static void halves_free(struct halves *p) {
    tensor_free(&p->x);
    tensor_free(&p->phases);
}

static void check_split(const struct nas_kernels *k, void *data) {
    const struct halves *p = data;
    const int c = p->x.channels;
    struct tensor got = tensor_copy(&p->phases), want = tensor_copy(&p->phases);
    k->split(&p->x.grid, &got.grid, c, p->n, p->x.at, got.at, c * got.grid.channel);
    naive_kernels.split(&p->x.grid, &want.grid, c, p->n, p->x.at, want.at, c * want.grid.channel);
    for (size_t i = 0; i < got.reals; i++) {
        assert_true(got.all[i] == want.all[i]);
    }
    tensor_free(&got);
    tensor_free(&want);
}

static void check_merge(const struct nas_kernels *k, void *data) {
    struct halves *p = data;
    const int c = p->x.channels;
    struct noise noise = {9};
    struct tensor phases = tensor_noise(&noise, 4 * c, p->phases.grid.n, p->phases.grid.h,
                                        p->phases.grid.w, p->phases.grid.pad);
    struct tensor got = tensor_copy(&p->x), want = tensor_copy(&p->x);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        k->merge(&got.grid, &phases.grid, c, p->n, phases.at, c * phases.grid.channel, got.at,
                 accumulate);
        naive_kernels.merge(&want.grid, &phases.grid, c, p->n, phases.at, c * phases.grid.channel,
                            want.at, accumulate);
        for (size_t i = 0; i < got.reals; i++) {
            assert_true(got.all[i] == want.all[i]);
        }
    }
    tensor_free(&phases);
    tensor_free(&got);
    tensor_free(&want);
}

/* Every small shape, then rows of every length that vectors leave over. */
static void each_halves(void (*check)(const struct nas_kernels *, void *), uint64_t seed) {
    struct noise noise = {seed};
    for (int i = 0; i < 81 + 2 * MOST_TAIL; i++) {
        struct halves p = i < 81 ? halves_draw(&noise, 1 + i / 9, 1 + i % 9)
                                 : halves_draw(&noise, 1 + i % 3, i - 80);
        each_table(check, &p);
        halves_free(&p);
    }
}

static void test_split(void **state) {
    (void)state;
    each_halves(check_split, 3);
}

static void test_merge(void **state) {
    (void)state;
    each_halves(check_merge, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),     cmocka_unit_test(test_tails),
        cmocka_unit_test(test_relu_keeps_nan), cmocka_unit_test(test_split),
        cmocka_unit_test(test_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
