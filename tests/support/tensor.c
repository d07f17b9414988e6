/* SPDX-License-Identifier: MIT */
#include "support/tensor.h"

#include "base/ctx.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint32_t noise_bits(struct noise *noise) {
    noise->state = noise->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(noise->state >> 33);
}

int noise_int(struct noise *noise, int low, int high) {
    return low + (int)(noise_bits(noise) % (uint32_t)(high - low + 1));
}

mn_real noise_real(struct noise *noise) {
    return (mn_real)(noise_bits(noise) / 1073741824.0 - 1);
}

static mn_real *reals(size_t n) {
    mn_real *x = calloc(n > 0 ? n : 1, sizeof *x);
    assert_non_null(x);
    return x;
}

struct tensor tensor_make(int channels, int n, int h, int w, int pad) {
    struct tensor t = {.channels = channels};
    nas_grid_init(&t.grid, n, h, w, pad);
    t.reals = nas_grid_reals(&t.grid, channels);
    t.all = reals(t.reals);
    t.at = t.all + nas_grid_base(&t.grid);
    t.mask = reals((size_t)t.grid.image);
    nas_grid_mask(&t.grid, t.mask);
    t.grid.mask = t.mask;
    return t;
}

struct tensor tensor_noise(struct noise *noise, int channels, int n, int h, int w, int pad) {
    struct tensor t = tensor_make(channels, n, h, w, pad);
    for (int c = 0; c < channels; c++) {
        for (ptrdiff_t p = 0; p < n * t.grid.image; p++) {
            if (t.mask[p % t.grid.image] != 0) {
                t.at[c * t.grid.channel + p] = noise_real(noise);
            }
        }
    }
    return t;
}

struct tensor tensor_copy(const struct tensor *t) {
    struct tensor copy = tensor_make(t->channels, t->grid.n, t->grid.h, t->grid.w, t->grid.pad);
    memcpy(copy.all, t->all, t->reals * sizeof *t->all);
    return copy;
}

struct tensor tensor_abs(const struct tensor *t) {
    struct tensor copy = tensor_copy(t);
    for (size_t i = 0; i < copy.reals; i++) {
        copy.all[i] = (mn_real)fabs((double)copy.all[i]);
    }
    return copy;
}

void tensor_free(struct tensor *t) {
    free(t->all);
    free(t->mask);
    memset(t, 0, sizeof *t);
}

void tensor_fill(struct tensor *t, int n0, ptrdiff_t len, mn_real value) {
    for (int c = 0; c < t->channels; c++) {
        for (ptrdiff_t p = 0; p < len; p++) {
            t->at[c * t->grid.channel + n0 * t->grid.image + p] = value;
        }
    }
}

mn_real *noise_array(struct noise *noise, size_t n) {
    mn_real *x = reals(n);
    for (size_t i = 0; i < n; i++) {
        x[i] = noise_real(noise);
    }
    return x;
}

mn_real *abs_array(const mn_real *x, size_t n) {
    mn_real *y = reals(n);
    for (size_t i = 0; i < n; i++) {
        y[i] = (mn_real)fabs((double)x[i]);
    }
    return y;
}

static void expect_one(const char *what, size_t i, double got, double want, double magnitude,
                       double tolerance) {
    if (!(fabs(got - want) <= tolerance * magnitude)) {
        fail_msg("%s: element %zu is %.17g, not %.17g (magnitude %g)", what, i, got, want,
                 magnitude);
    }
}

void expect_near(const char *what, size_t n, const mn_real *got, const mn_real *want,
                 const mn_real *magnitude, double tolerance) {
    for (size_t i = 0; i < n; i++) {
        expect_one(what, i, (double)got[i], (double)want[i], (double)magnitude[i], tolerance);
    }
}

void expect_near_double(const char *what, size_t n, const double *got, const double *want,
                        const double *magnitude, double tolerance) {
    for (size_t i = 0; i < n; i++) {
        expect_one(what, i, got[i], want[i], magnitude[i], tolerance);
    }
}

int window_reach(const struct window *w) {
    const int most = w->kh > w->kw ? w->kh : w->kw;
    return most / 2 * w->dilation;
}

int window_taps(const struct window *w, const struct nas_grid *grid, ptrdiff_t *tap) {
    for (int t = 0; t < w->kh * w->kw; t++) {
        const int dy = (t / w->kw - (w->kh - 1) / 2) * w->dilation;
        const int dx = (t % w->kw - (w->kw - 1) / 2) * w->dilation;
        tap[t] = (ptrdiff_t)dy * grid->row + dx;
    }
    return w->kh * w->kw;
}

struct shape shape_draw(struct noise *noise) {
    static const struct window windows[] = {{1, 1, 1}, {1, 5, 1}, {5, 1, 1}, {3, 3, 1}, {3, 3, 2},
                                            {5, 5, 1}, {5, 5, 2}, {1, 7, 1}, {2, 2, 1}};
    struct shape s = {.n = noise_int(noise, 1, 5),
                      .h = noise_int(noise, 1, 11),
                      .w = noise_int(noise, 1, 11),
                      .pad = noise_int(noise, 1, 4)};
    struct nas_grid grid;
    nas_grid_init(&grid, s.n, s.h, s.w, s.pad);
    const struct window *window;
    do {
        window = &windows[noise_int(noise, 0, 8)];
    } while (window_reach(window) > s.pad);
    s.n_tap = window_taps(window, &grid, s.tap);
    s.n0 = noise_int(noise, 0, s.n - 1);
    const int images = noise_int(noise, 1, s.n - s.n0);
    s.len = images * grid.image - (noise_int(noise, 0, 1) ? grid.image - grid.span : 0);
    return s;
}

struct shape shape_rows(int n, int w, int n_tap) {
    struct shape s = {.n = n, .h = 1, .w = w, .pad = 2, .n_tap = n_tap};
    struct nas_grid grid;
    ptrdiff_t tap[MOST_TAPS];
    nas_grid_init(&grid, n, s.h, w, s.pad);
    window_taps(&(struct window){5, 5, 1}, &grid, tap);
    for (int t = 0; t < n_tap; t++) { /* from the middle on: windows of any size hold the pixel */
        s.tap[t] = tap[(t + MOST_TAPS / 2) % MOST_TAPS];
    }
    s.len = (n - 1) * grid.image + grid.span;
    return s;
}

const int long_rows[] = {1006, 1007, 1022, 1023, 1038, 2045, 2046, 2047};
const int n_long_rows = sizeof long_rows / sizeof *long_rows;

void each_tail(void (*check)(struct noise *noise, int width, int n_tap), struct noise *noise) {
    for (int w = 1; w <= MOST_TAIL; w++) {
        check(noise, w, 9);
    }
    for (int i = 0; i < n_long_rows; i++) {
        check(noise, long_rows[i], 9);
    }
    for (int n_tap = 1; n_tap <= MOST_TAPS; n_tap++) {
        check(noise, 37, n_tap);
    }
}

void each_table(void (*check)(const struct nas_kernels *k, void *data), void *data) {
    static int told[8];
    struct nas_ctx ctx;
    nas_ctx_init(&ctx, NULL);
    assert_int_equal(nas_gemm_init(&ctx.pub), MN_OK);
    for (int i = 0; nas_kernel_names[i + 1] != NULL; i++) {
        const char *name = nas_kernel_names[i + 1];
        const struct nas_kernels *k = nas_kernels_find(name);
        if (k != NULL) {
            check(k, data);
        } else if (told[i]++ == 0) {
            print_message("not checked: this processor or build has no %s kernels\n", name);
        }
    }
}
