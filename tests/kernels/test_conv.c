/* SPDX-License-Identifier: MIT */
#include "support/naive.h"
#include "support/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One convolution with its inputs, and its result by the naive table. */
struct problem {
    struct shape s;
    int n_out, n_in, accumulate, masked;
    struct tensor x, y; /* y before the call */
    struct tensor want, magnitude;
    size_t n_w;
    mn_real *w;
    ptrdiff_t so, si, st; /* strides of w, and of dw */
};

static void run_conv(const struct nas_kernels *k, const struct problem *p, const struct tensor *x,
                     const mn_real *w, struct tensor *y) {
    const struct shape *s = &p->s;
    const ptrdiff_t at = s->n0 * x->grid.image;
    const size_t room = k->packed(p->n_out, p->n_in, s->n_tap);
    mn_real *packed = malloc((room + 1) * sizeof *packed);
    assert_non_null(packed);
    packed[room] = 7;
    k->pack(p->n_out, p->n_in, s->n_tap, w, p->so, p->si, p->st, packed);
    assert_true(packed[room] == 7);
    k->conv(p->n_out, p->n_in, s->n_tap, s->tap, packed, x->at + at, x->grid.channel, y->at + at,
            y->grid.channel, s->len, p->masked ? y->mask : NULL, y->grid.image, p->accumulate);
    free(packed);
}

/* Weights as [out][in][tap], or transposed as a backward pass reads them. */
static void draw_weights(struct noise *noise, struct problem *p) {
    const int transposed = noise_int(noise, 0, 1);
    p->n_w = (size_t)(p->n_out * p->n_in * p->s.n_tap);
    p->w = noise_array(noise, p->n_w);
    p->so = transposed ? p->s.n_tap : (ptrdiff_t)p->n_in * p->s.n_tap;
    p->si = transposed ? (ptrdiff_t)p->n_out * p->s.n_tap : p->s.n_tap;
    p->st = 1;
}

static struct problem problem_of(struct noise *noise, const struct shape *shape, int n_out,
                                 int n_in) {
    struct problem p = {.s = *shape,
                        .n_out = n_out,
                        .n_in = n_in,
                        .accumulate = noise_int(noise, 0, 1),
                        .masked = noise_int(noise, 0, 3) > 0};
    const struct shape *s = &p.s;
    draw_weights(noise, &p);
    p.x = tensor_noise(noise, n_in, s->n, s->h, s->w, s->pad);
    p.y = tensor_noise(noise, n_out, s->n, s->h, s->w, s->pad);
    if (!p.accumulate) { /* what is overwritten must not be read */
        tensor_fill(&p.y, s->n0, s->len, (mn_real)NAN);
    }
    return p;
}

static struct problem problem_draw(struct noise *noise, int n_out, int n_in) {
    const struct shape s = shape_draw(noise);
    return problem_of(noise, &s, n_out, n_in);
}

static void problem_free(struct problem *p) {
    tensor_free(&p->x);
    tensor_free(&p->y);
    tensor_free(&p->want);
    tensor_free(&p->magnitude);
    free(p->w);
}

static void problem_solve(struct problem *p) {
    struct tensor x = tensor_abs(&p->x), y = tensor_abs(&p->y);
    mn_real *w = abs_array(p->w, p->n_w);
    p->want = tensor_copy(&p->y);
    p->magnitude = tensor_make(p->n_out, p->s.n, p->s.h, p->s.w, p->s.pad);
    if (p->accumulate) {
        tensor_free(&p->magnitude);
        p->magnitude = y;
        memset(&y, 0, sizeof y);
    }
    run_conv(&naive_kernels, p, &p->x, p->w, &p->want);
    run_conv(&naive_kernels, p, &x, w, &p->magnitude);
    tensor_free(&x);
    tensor_free(&y);
    free(w);
}

/* All reals around the range must stay, which a magnitude of zero or the naive run demands. */
static void check_conv(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    struct tensor y = tensor_copy(&p->y), again = tensor_copy(&p->y);
    run_conv(k, p, &p->x, p->w, &y);
    expect_near(k->name, y.reals, y.all, p->want.all, p->magnitude.all, TOLERANCE);
    run_conv(k, p, &p->x, p->w, &again);
    assert_memory_equal(y.all, again.all, y.reals * sizeof *y.all);
    tensor_free(&y);
    tensor_free(&again);
}

static void check_dw(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    const struct shape *s = &p->s;
    const ptrdiff_t at = s->n0 * p->x.grid.image;
    struct tensor g = tensor_copy(&p->want), gm = tensor_abs(&g), xm = tensor_abs(&p->x);
    mn_real *got = abs_array(p->w, p->n_w), *want = abs_array(p->w, p->n_w),
            *magnitude = abs_array(p->w, p->n_w);
    k->conv_dw(p->n_out, p->n_in, s->n_tap, s->tap, g.at + at, g.grid.channel, p->x.at + at,
               p->x.grid.channel, s->len, got, p->so, p->si, p->st);
    naive_kernels.conv_dw(p->n_out, p->n_in, s->n_tap, s->tap, g.at + at, g.grid.channel,
                          p->x.at + at, p->x.grid.channel, s->len, want, p->so, p->si, p->st);
    naive_kernels.conv_dw(p->n_out, p->n_in, s->n_tap, s->tap, gm.at + at, gm.grid.channel,
                          xm.at + at, xm.grid.channel, s->len, magnitude, p->so, p->si, p->st);
    expect_near(k->name, p->n_w, got, want, magnitude, TOLERANCE);
    free(got);
    free(want);
    free(magnitude);
    tensor_free(&g);
    tensor_free(&gm);
    tensor_free(&xm);
}

/* ---- bfloat16 ----------------------------------------------------------------------------- */

/* Eight bits of mantissa, to nearest, of two the even one. */
static mn_real reduced(mn_real x) {
    int exponent;
    const double mantissa = frexp((double)x, &exponent);
    return (mn_real)ldexp(nearbyint(ldexp(mantissa, 8)), exponent - 8);
}

static void reduce(size_t n, mn_real *x) {
    for (size_t i = 0; i < n; i++) {
        x[i] = reduced(x[i]);
    }
}

/* Products of reduced numbers are exact in float, so the naive table gives their sums but for
 * rounding; and to reduce what the kernels reduce changes no bit. */
static void check_reduced(const struct problem *p) {
    static int told;
    const struct nas_kernels *k = nas_kernels_find("bf16");
    if (k == NULL) {
        if (told++ == 0) {
            print_message("not checked: this processor or build has no bf16 kernels\n");
        }
        return;
    }
    struct problem q = *p;
    q.x = tensor_copy(&p->x);
    q.y = tensor_copy(&p->y);
    q.w = malloc(p->n_w * sizeof *q.w);
    assert_non_null(q.w);
    memcpy(q.w, p->w, p->n_w * sizeof *q.w);
    reduce(q.x.reals, q.x.all);
    reduce(q.n_w, q.w);
    problem_solve(&q);
    check_conv(k, &q);
    struct tensor rounded = tensor_copy(&q.y), whole = tensor_copy(&q.y);
    run_conv(k, &q, &q.x, q.w, &rounded);
    run_conv(k, &q, &p->x, p->w, &whole);
    assert_memory_equal(rounded.all, whole.all, whole.reals * sizeof *whole.all);
    reduce(q.want.reals, q.want.all); /* the gradient of the weights' test */
    check_dw(k, &q);
    tensor_free(&rounded);
    tensor_free(&whole);
    problem_free(&q);
}

static void test_reduced_by_hand(void **state) {
    (void)state;
    assert_true((double)reduced((mn_real)1.00390625) == 1);        /* a tie: the even one below */
    assert_true((double)reduced((mn_real)1.01171875) == 1.015625); /* and above */
    assert_true((double)reduced((mn_real)-3.1415927) == -3.140625);
    assert_true((double)reduced(0) == 0);
}

/* ---- all sizes ---------------------------------------------------------------------------- */

/* Every number of channels from 1 to 33 on either side, so every block height and its tail. */
static void each_problem(void (*check)(const struct nas_kernels *, void *), uint64_t seed) {
    struct noise noise = {seed};
    for (int i = 0; i < 99; i++) {
        const int any = noise_int(&noise, 1, 33), c = 1 + i % 33;
        struct problem p = i < 66 ? problem_draw(&noise, c, i < 33 ? any : 1 + any / 4)
                                  : problem_draw(&noise, any, c);
        problem_solve(&p);
        each_table(check, &p);
        check_reduced(&p);
        problem_free(&p);
    }
}

static void test_conv(void **state) {
    (void)state;
    each_problem(check_conv, 1);
}

static void test_conv_dw(void **state) {
    (void)state;
    each_problem(check_dw, 2);
}

/* 28 channels over rows that no tile divides, one image and a batch: the largest blocks. */
static void check_long(const struct nas_kernels *k, void *data) {
    check_conv(k, data);
    check_dw(k, data);
}

static void test_long_range(void **state) {
    (void)state;
    struct noise noise = {3};
    struct problem p = {.n_out = 28, .n_in = 5, .masked = 1};
    p.s = (struct shape){.n = 6, .h = 28, .w = 28, .pad = 2, .n0 = 1, .n_tap = 5};
    p.x = tensor_noise(&noise, 5, 6, 28, 28, 2);
    p.y = tensor_make(28, 6, 28, 28, 2);
    p.s.len = 4 * p.x.grid.image + p.x.grid.span;
    window_taps(&(struct window){5, 1, 1}, &p.x.grid, p.s.tap);
    draw_weights(&noise, &p);
    problem_solve(&p);
    each_table(check_long, &p);
    problem_free(&p);
}

/* ---- five taps in a row or a column ------------------------------------------------------- */

/* Kernels may compute these in fewer products (core/num/winograd.c). */
static struct problem five_taps(struct noise *noise, int n_out, int n_in, int h, int w) {
    struct problem p = {.n_out = n_out, .n_in = n_in, .masked = 1};
    const int down = noise_int(noise, 0, 1);
    const struct window window = {down ? 5 : 1, down ? 1 : 5, 1};
    p.s = (struct shape){.n = 3, .h = h, .w = w, .pad = noise_int(noise, 2, 4), .n_tap = 5};
    draw_weights(noise, &p);
    p.x = tensor_noise(noise, n_in, 3, h, w, p.s.pad);
    p.y = tensor_noise(noise, n_out, 3, h, w, p.s.pad);
    p.accumulate = noise_int(noise, 0, 1);
    window_taps(&window, &p.x.grid, p.s.tap);
    p.s.n0 = noise_int(noise, 0, 1);
    p.s.len = p.x.grid.image + p.x.grid.span;
    return p;
}

/* Every width from 1 to 40, and every number of channels on either side. */
static void test_five_taps(void **state) {
    (void)state;
    struct noise noise = {6};
    for (int i = 0; i < 120; i++) {
        const int size = 1 + i % 40, most = i < 40 ? 12 : 4, other = noise_int(&noise, 1, most),
                  channels = noise_int(&noise, 12, 40);
        const int n_out = i < 40 ? channels : size;
        struct problem p = i < 80 ? five_taps(&noise, n_out, noise_int(&noise, 1, 40), other,
                                              i < 40 ? size : noise_int(&noise, 14, 30))
                                  : five_taps(&noise, channels, size, noise_int(&noise, 1, 9),
                                              noise_int(&noise, 1, 16));
        problem_solve(&p);
        each_table(check_conv, &p);
        problem_free(&p);
    }
}

/* Pixels that would spoil another image even if they came in as rounding errors only. */
static void make_huge(struct tensor *x, int n) {
    for (int c = 0; c < x->channels; c++) {
        for (ptrdiff_t i = 0; i < x->grid.image; i++) {
            mn_real *at = x->at + c * x->grid.channel + n * x->grid.image + i;
            *at = x->mask[i] != 0 ? (mn_real)1e9 : *at;
        }
    }
}

/* The range image by image, each among huge ones. */
static void run_apart(const struct nas_kernels *k, const struct problem *p, struct tensor *y) {
    for (int n = p->s.n0; n < p->s.n0 + 2; n++) {
        struct tensor x = tensor_copy(&p->x);
        struct problem one = *p;
        for (int other = 0; other < p->s.n; other++) {
            if (other != n) {
                make_huge(&x, other);
            }
        }
        one.s.n0 = n;
        one.s.len = n == p->s.n0 ? x.grid.image : x.grid.span;
        run_conv(k, &one, &x, p->w, y);
        tensor_free(&x);
    }
}

static void check_apart(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    struct tensor together = tensor_copy(&p->y), apart = tensor_copy(&p->y);
    if (strcmp(k->name, "openblas") != 0) { /* whose order is its own */
        run_conv(k, p, &p->x, p->w, &together);
        run_apart(k, p, &apart);
        expect_near(k->name, apart.reals, together.all, apart.all, apart.all, 0);
    }
    tensor_free(&together);
    tensor_free(&apart);
}

/* An image's outputs are the same, not nearly the same, whatever is computed with it, and whatever
 * lies around. */
static void test_images_apart(void **state) {
    (void)state;
    struct noise noise = {7};
    for (int i = 0; i < 60; i++) {
        struct problem p =
            five_taps(&noise, noise_int(&noise, 1, 40), noise_int(&noise, 1, 40),
                      noise_int(&noise, 1, 15), i % 2 ? 14 : noise_int(&noise, 1, 40));
        each_table(check_apart, &p);
        problem_free(&p);
    }
}

static double error_of(const struct tensor *y, const struct tensor *want, const struct shape *s) {
    double sum = 0;
    for (int c = 0; c < y->channels; c++) {
        for (ptrdiff_t i = 0; i < s->len; i++) {
            const ptrdiff_t at = c * y->grid.channel + s->n0 * y->grid.image + i;
            const double e = (double)y->at[at] - (double)want->at[at];
            sum += y->mask[i % y->grid.image] != 0 ? e * e : 0;
        }
    }
    return sqrt(sum);
}

/* Without a mask, products are computed one by one. */
static void check_error(const struct nas_kernels *k, void *data) {
    const struct problem *p = data;
    struct problem plain = *p;
    struct tensor y = tensor_copy(&p->y), one_by_one = tensor_copy(&p->y);
    plain.masked = 0;
    run_conv(k, p, &p->x, p->w, &y);
    run_conv(k, &plain, &p->x, p->w, &one_by_one);
    const double error = error_of(&y, &p->want, &p->s),
                 bound = 4 * error_of(&one_by_one, &p->want, &p->s);
    if (!(error <= bound)) {
        fail_msg("%s: error %g, over four times that of single products: %g", k->name, error,
                 bound);
    }
    tensor_free(&y);
    tensor_free(&one_by_one);
}

/* Fewer products must not cost much precision: inputs as after a ReLU. */
static void test_error(void **state) {
    (void)state;
    struct noise noise = {8};
    for (int i = 0; i < 8; i++) {
        struct problem p =
            five_taps(&noise, 28, noise_int(&noise, 12, 40), 14, noise_int(&noise, 12, 30));
        for (size_t r = 0; r < p.x.reals; r++) {
            p.x.all[r] = p.x.all[r] > 0 ? p.x.all[r] : 0;
        }
        p.accumulate = 0;
        problem_solve(&p);
        each_table(check_error, &p);
        problem_free(&p);
    }
}

/* ---- tails -------------------------------------------------------------------------------- */

static void solve_and_check(struct noise *noise, const struct shape *s, int n_out, int n_in) {
    struct problem p = problem_of(noise, s, n_out, n_in);
    problem_solve(&p);
    each_table(check_long, &p);
    check_reduced(&p);
    problem_free(&p);
}

/* The taps of a stride-2 convolution lie in four tensors far from each other. */
static void test_phases(void **state) {
    (void)state;
    struct noise noise = {9};
    for (int i = 0; i < 40; i++) {
        const struct shape s = shape_rows(2, noise_int(&noise, 1, 70), 1 + i % MOST_TAPS);
        struct problem p =
            problem_of(&noise, &s, noise_int(&noise, 1, 30), noise_int(&noise, 1, 40));
        tensor_free(&p.x);
        p.x = tensor_noise(&noise, 4 * p.n_in, s.n, s.h, s.w, s.pad);
        for (int t = 0; t < s.n_tap; t++) {
            p.s.tap[t] += t % 4 * p.n_in * p.x.grid.channel;
        }
        problem_solve(&p);
        each_table(check_long, &p);
        check_reduced(&p);
        problem_free(&p);
    }
}

/* Every pair of block heights: of outputs up to two blocks of the largest kernel and more, of
 * inputs up to two blocks of the weight gradients'. */
static void test_channel_tails(void **state) {
    (void)state;
    struct noise noise = {6};
    const struct shape s = shape_rows(2, 13, 3);
    for (int n_out = 1; n_out <= 30; n_out++) {
        for (int n_in = 1; n_in <= 11; n_in++) {
            solve_and_check(&noise, &s, n_out, n_in);
        }
    }
}

static void test_pixel_tails(void **state) {
    (void)state;
    struct noise noise = {7};
    for (int w = 1; w <= MOST_TAIL; w++) {
        const struct shape s = shape_rows(2, w, 3);
        solve_and_check(&noise, &s, 1 + w % 16, 3);
    }
    for (int i = 0; i < n_long_rows; i++) {
        const struct shape s = shape_rows(2, long_rows[i], 3);
        solve_and_check(&noise, &s, 7, 2);
    }
}

static void test_tap_tails(void **state) {
    (void)state;
    struct noise noise = {8};
    for (int n_tap = 1; n_tap <= MOST_TAPS; n_tap++) {
        const struct shape s = shape_rows(2, 21, n_tap);
        solve_and_check(&noise, &s, 9, 4);
    }
}

/* ---- against the definition --------------------------------------------------------------- */

enum { N = 2, CO = 3, CI = 4, H = 5, W = 6 };

static double pixel(const mn_real *nchw, int channels, int n, int c, int y, int x) {
    return y < 0 || y >= H || x < 0 || x >= W ? 0
                                              : (double)nchw[((n * channels + c) * H + y) * W + x];
}

static double defined(const mn_real *w, const mn_real *x, int n, int o, int at_y, int at_x) {
    double sum = 0;
    for (int i = 0; i < CI; i++) {
        for (int t = 0; t < 9; t++) {
            sum += (double)w[(o * CI + i) * 9 + t] *
                   pixel(x, CI, n, i, at_y + (t / 3 - 1) * 2, at_x + (t % 3 - 1) * 2);
        }
    }
    return sum;
}

/* A 3x3 convolution with dilation 2 by bounds checks on unpadded images. */
static void check_defined(const struct nas_kernels *k, void *data) {
    (void)data;
    struct noise noise = {4};
    struct tensor x = tensor_make(CI, N, H, W, 2), y = tensor_make(CO, N, H, W, 2);
    mn_real *in = noise_array(&noise, N * CI * H * W), *w = noise_array(&noise, CO * CI * 9),
            *packed = noise_array(&noise, k->packed(CO, CI, 9)), out[N * CO * H * W];
    ptrdiff_t tap[9];
    window_taps(&(struct window){3, 3, 2}, &x.grid, tap);
    nas_grid_load(&x.grid, CI, 0, N, in, x.at);
    k->pack(CO, CI, 9, w, CI * 9, 9, 1, packed);
    k->conv(CO, CI, 9, tap, packed, x.at, x.grid.channel, y.at, y.grid.channel, N * y.grid.image,
            y.mask, y.grid.image, 0);
    nas_grid_store(&y.grid, CO, 0, N, y.at, out);
    for (int i = 0; i < N * CO * H * W; i++) {
        const int column = i % W, row = i / W % H, o = i / W / H % CO, n = i / W / H / CO;
        const double want = defined(w, in, n, o, row, column), got = (double)out[i], one = 40;
        expect_near_double(k->name, 1, &got, &want, &one, TOLERANCE);
    }
    free(in);
    free(w);
    free(packed);
    tensor_free(&x);
    tensor_free(&y);
}

static void test_definition(void **state) {
    (void)state;
    each_table(check_defined, NULL);
}

/* ---- adjoints ----------------------------------------------------------------------------- */

/* <conv(x), g> = <x, conv'(g)> = <w, dw>: what the backward pass relies on. */
static void check_adjoint(const struct nas_kernels *k, void *data) {
    struct problem *p = data;
    const struct shape *s = &p->s;
    struct tensor y = tensor_make(p->n_out, s->n, s->h, s->w, s->pad);
    struct tensor dx = tensor_make(p->n_in, s->n, s->h, s->w, s->pad);
    struct problem back = *p;
    for (int t = 0; t < s->n_tap; t++) {
        back.s.tap[t] = -s->tap[t];
    }
    back.n_out = p->n_in;
    back.n_in = p->n_out;
    back.so = p->si;
    back.si = p->so;
    run_conv(k, p, &p->x, p->w, &y);
    run_conv(k, &back, &p->y, p->w, &dx);
    mn_real *dw = calloc(p->n_w, sizeof *dw);
    assert_non_null(dw);
    k->conv_dw(p->n_out, p->n_in, s->n_tap, s->tap, p->y.at, p->y.grid.channel, p->x.at,
               p->x.grid.channel, s->len, dw, p->so, p->si, p->st);
    double forward = 0, backward = 0, weights = 0, size = 0;
    for (size_t i = 0; i < y.reals; i++) {
        forward += (double)y.all[i] * (double)p->y.all[i];
        size += fabs((double)y.all[i] * (double)p->y.all[i]);
    }
    for (size_t i = 0; i < dx.reals; i++) {
        backward += (double)dx.all[i] * (double)p->x.all[i];
    }
    for (size_t i = 0; i < p->n_w; i++) {
        weights += (double)dw[i] * (double)p->w[i];
    }
    expect_near_double(k->name, 1, &backward, &forward, &size, TOLERANCE);
    expect_near_double(k->name, 1, &weights, &forward, &size, TOLERANCE);
    free(dw);
    tensor_free(&y);
    tensor_free(&dx);
}

static void test_adjoint(void **state) {
    (void)state;
    struct noise noise = {5};
    for (int i = 0; i < 20; i++) {
        struct problem p = problem_draw(&noise, noise_int(&noise, 1, 33), noise_int(&noise, 1, 33));
        tensor_free(&p.y);
        p.y = tensor_noise(&noise, p.n_out, p.s.n, p.s.h, p.s.w, p.s.pad);
        p.s.n0 = 0;
        p.s.len = p.s.n * p.x.grid.image;
        p.masked = 1;
        p.accumulate = 0;
        each_table(check_adjoint, &p);
        problem_free(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),        cmocka_unit_test(test_conv_dw),
        cmocka_unit_test(test_long_range),  cmocka_unit_test(test_definition),
        cmocka_unit_test(test_adjoint),     cmocka_unit_test(test_reduced_by_hand),
        cmocka_unit_test(test_phases),      cmocka_unit_test(test_channel_tails),
        cmocka_unit_test(test_pixel_tails), cmocka_unit_test(test_tap_tails),
        cmocka_unit_test(test_five_taps),   cmocka_unit_test(test_images_apart),
        cmocka_unit_test(test_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
