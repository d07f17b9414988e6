/* SPDX-License-Identifier: MIT */
#include "base/ctx.h"
#include "support/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_tables_by_name(void **state) {
    (void)state;
    const struct nas_kernels *best = nas_kernels_find("auto");
    assert_non_null(best);
    assert_ptr_equal(best, nas_kernels_find(best->name));
    assert_null(nas_kernels_find("avx1024"));
    assert_null(nas_kernels_find(""));
    assert_non_null(nas_kernels_find("openblas"));
    assert_non_null(nas_kernels_find("generic"));
    for (const char *const *name = nas_kernel_names + 1; *name != NULL; name++) {
        const struct nas_kernels *k = nas_kernels_find(*name);
        assert_true(k == NULL || strcmp(k->name, *name) == 0);
    }
}

static mn_real element(const mn_real *a, int ld, int trans, int row, int column) {
    return trans ? a[column * ld + row] : a[row * ld + column];
}

/* Leading dimensions are larger than the rows, and what lies between rows stays. */
static void check_product(struct noise *noise, int ta, int tb) {
    enum { LD = 23 };
    const int m = noise_int(noise, 1, 19), n = noise_int(noise, 1, 19), k = noise_int(noise, 1, 19);
    mn_real *a = noise_array(noise, LD * LD), *b = noise_array(noise, LD * LD),
            *c = noise_array(noise, LD * LD), before[LD * LD];
    memcpy(before, c, sizeof before);
    nas_gemm(ta, tb, m, n, k, (mn_real)0.5, a, LD, b, LD, (mn_real)-0.25, c, LD);
    for (int i = 0; i < LD * LD; i++) {
        const int row = i / LD, column = i % LD, inside = row < m && column < n;
        double want = (double)before[i] * (inside ? -0.25 : 1);
        for (int j = 0; inside && j < k; j++) {
            want +=
                0.5 * (double)element(a, LD, ta, row, j) * (double)element(b, LD, tb, j, column);
        }
        const double got = (double)c[i], magnitude = inside ? 1 + k : 0;
        expect_near_double("product", 1, &got, &want, &magnitude, TOLERANCE);
    }
    free(a);
    free(b);
    free(c);
}

static void test_product(void **state) {
    (void)state;
    struct nas_ctx ctx;
    nas_ctx_init(&ctx, NULL);
    assert_int_equal(nas_gemm_init(&ctx.pub), MN_OK);
    struct noise noise = {1};
    for (int i = 0; i < 40; i++) {
        check_product(&noise, i & 1, i >> 1 & 1);
    }
}

static void test_init_leaves_one_thread(void **state) {
    (void)state;
    struct nas_ctx ctx;
    nas_ctx_init(&ctx, NULL);
    const int status = nas_gemm_init(&ctx.pub);
    if (status != MN_OK) { /* only a build on OpenMP may refuse, and must say what to do */
        assert_int_equal(status, MN_UNSUPPORTED);
        assert_non_null(strstr(nas_ctx_message(&ctx.pub), "OMP_NUM_THREADS"));
    }
    nas_ctx_fini(&ctx);
}

static void test_version_names_library(void **state) {
    (void)state;
    const char *version = nas_gemm_version();
    assert_int_equal(strncmp(version, "OpenBLAS ", 9), 0);
    assert_non_null(strchr(version, '.'));
    assert_non_null(strchr(version, '('));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_by_name),
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_init_leaves_one_thread),
        cmocka_unit_test(test_version_names_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
