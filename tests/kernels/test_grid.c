/* SPDX-License-Identifier: MIT */
#include "support/tensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct size {
    int n, h, w, pad;
};

static const struct size sizes[] = {{1, 1, 1, 1}, {2, 3, 5, 2},    {5, 28, 28, 2},  {3, 7, 7, 4},
                                    {4, 8, 6, 3}, {20, 14, 14, 4}, {64, 30, 30, 2}, {1, 84, 84, 4}};

static void check_size(const struct size *s) {
    struct nas_grid g;
    nas_grid_init(&g, s->n, s->h, s->w, s->pad);
    assert_int_equal(g.row, s->w + s->pad);
    assert_int_equal(g.span % NAS_LANES, 0);
    assert_int_equal(g.image % NAS_LANES, 0);
    assert_true(g.span >= s->h * g.row && g.span < s->h * g.row + NAS_LANES);
    assert_true(g.image >= g.span + s->pad * g.row);
    assert_true(g.channel >= s->n * g.image + g.guard);
    /* The furthest taps of the outermost vectors stay inside the allocation. */
    const ptrdiff_t reach = s->pad * g.row + s->pad, base = nas_grid_base(&g);
    const ptrdiff_t last = base + 2 * g.channel + s->n * g.image - 1;
    assert_true(base >= reach);
    assert_true(last + reach + 4 * NAS_LANES < (ptrdiff_t)nas_grid_reals(&g, 3));
}

static void test_sizes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_size(&sizes[i]);
    }
}

static void test_channels_differ_in_cache_set(void **state) {
    (void)state;
    for (int w = 1; w < 100; w++) {
        struct nas_grid g;
        nas_grid_init(&g, 8, w, w, 1 + w % 4);
        const ptrdiff_t bytes = g.channel * (ptrdiff_t)sizeof(mn_real) % 4096;
        assert_true(bytes >= 192 && bytes <= 4096 - 192);
        assert_int_equal(g.channel % NAS_LANES, 0);
    }
}

static void test_mask_marks_pixels(void **state) {
    (void)state;
    struct tensor t = tensor_make(1, 1, 5, 7, 3);
    for (ptrdiff_t p = 0; p < t.grid.image; p++) {
        const ptrdiff_t y = p / 10, x = p % 10;
        assert_true(t.mask[p] == (y < 5 && x < 7 ? 1 : 0));
    }
    tensor_free(&t);
}

/* Images 1 and 2 of four are loaded over garbage: pixels arrive, their padding becomes zero, and
 * the other images keep what they had. */
static void test_load_and_store(void **state) {
    (void)state;
    enum { C = 3, H = 4, W = 5, N = 2 };
    struct noise noise = {1};
    struct tensor t = tensor_make(C, 4, H, W, 2);
    mn_real *nchw = noise_array(&noise, N * C * H * W), back[N * C * H * W];
    tensor_fill(&t, 0, 4 * t.grid.image, 9);
    nas_grid_load(&t.grid, C, 1, 3, nchw, t.at);
    for (int c = 0; c < C; c++) {
        for (ptrdiff_t p = 0; p < 4 * t.grid.image; p++) {
            const ptrdiff_t n = p / t.grid.image - 1, in = p % t.grid.image;
            const ptrdiff_t y = in / t.grid.row, x = in % t.grid.row;
            mn_real want = y < H && x < W ? 1 : 0;
            if (n < 0 || n >= N) {
                want = 9;
            } else if (want != 0) {
                want = nchw[((n * C + c) * H + y) * W + x];
            }
            assert_true(t.at[c * t.grid.channel + p] == want);
        }
    }
    nas_grid_store(&t.grid, C, 1, 3, t.at, back);
    assert_memory_equal(back, nchw, sizeof back);
    free(nchw);
    tensor_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_channels_differ_in_cache_set),
        cmocka_unit_test(test_mask_marks_pixels),
        cmocka_unit_test(test_load_and_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
