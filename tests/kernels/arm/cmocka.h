/* SPDX-License-Identifier: MIT */
#ifndef TEST_KERNELS_ARM_CMOCKA_H
#define TEST_KERNELS_ARM_CMOCKA_H

/* What the tests of the kernels use of cmocka, for a processor that this machine has no cmocka of:
 * the first assertion that fails ends the program. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

#define cmocka_unit_test(f)                                                                        \
    { #f, f }
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    run_tests(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)

#define print_message printf
#define fail_msg(...) (printf(__VA_ARGS__), putchar('\n'), exit(1))
#define _fail(file, line) (printf("%s:%d: failed\n", file, line), exit(1))
#define assert_true(x) ((x) ? (void)0 : fail_at(#x, __FILE__, __LINE__))
#define assert_null(x) assert_true((x) == NULL)
#define assert_non_null(x) assert_true((x) != NULL)
#define assert_int_equal(a, b) assert_true((a) == (b))
#define assert_ptr_equal(a, b) assert_true((a) == (b))
#define assert_memory_equal(a, b, n) assert_true(memcmp(a, b, n) == 0)

static inline void fail_at(const char *what, const char *file, int line) {
    printf("%s:%d: not so: %s\n", file, line, what);
    exit(1);
}

static inline int run_tests(const struct CMUnitTest *tests, size_t n, int (*setup)(void **),
                            int (*teardown)(void **)) {
    void *state = NULL;
    if (setup != NULL && setup(&state) != 0) {
        fail_at("setup", __FILE__, __LINE__);
    }
    for (size_t i = 0; i < n; i++) {
        printf("[ RUN      ] %s\n", tests[i].name);
        tests[i].run(&state);
    }
    if (teardown != NULL && teardown(&state) != 0) {
        fail_at("teardown", __FILE__, __LINE__);
    }
    printf("%zu passed\n", n);
    return 0;
}

#endif
