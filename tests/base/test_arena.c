/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int aligned(const void *at) {
    return (uintptr_t)at % 64 == 0;
}

static void every_block_is_aligned_and_apart(void **state) {
    enum { N = 400 };
    struct nas_arena arena = {0};
    unsigned char *at[N];
    size_t bytes[N];
    for (size_t i = 0; i < N; i++) {
        bytes[i] = i * i % 1777;
        at[i] = nas_arena_take(&arena, bytes[i]);
        assert_non_null(at[i]);
        assert_true(aligned(at[i]));
        memset(at[i], (int)(i % 251), bytes[i]);
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < bytes[i]; k++) {
            assert_int_equal(at[i][k], i % 251);
        }
    }
    nas_arena_fini(&arena);
    assert_null(arena.first);
}

static void zeroed_clears_what_was_written_before(void **state) {
    struct nas_arena arena = {0};
    const size_t mark = nas_arena_mark(&arena);
    memset(nas_arena_take(&arena, 1000), 0xFF, 1000);
    nas_arena_release(&arena, mark);
    const unsigned char *at = nas_arena_zeroed(&arena, 1000);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(at[i], 0);
    }
    nas_arena_fini(&arena);
}

static void release_gives_back_what_came_after_the_mark(void **state) {
    struct nas_arena arena = {0};
    char *kept = nas_arena_text(&arena, "kept");
    const size_t mark = nas_arena_mark(&arena);
    void *first = nas_arena_take(&arena, 100);
    nas_arena_take(&arena, 1 << 20);
    nas_arena_take(&arena, 1 << 21);
    nas_arena_release(&arena, mark);
    assert_int_equal(nas_arena_mark(&arena), mark);
    assert_ptr_equal(nas_arena_take(&arena, 100), first);
    assert_string_equal(kept, "kept");
    nas_arena_release(&arena, 0);
    assert_ptr_equal(nas_arena_take(&arena, 1), kept);
    nas_arena_fini(&arena);
}

/* Marks nest: each release puts the arena where it stood, also across blocks. */
static void marks_nest(void **state) {
    struct nas_arena arena = {0};
    size_t marks[40];
    void *at[40];
    for (int i = 0; i < 40; i++) {
        marks[i] = nas_arena_mark(&arena);
        at[i] = nas_arena_take(&arena, (size_t)i * 5003);
    }
    for (int i = 39; i >= 0; i--) {
        nas_arena_release(&arena, marks[i]);
        assert_ptr_equal(nas_arena_take(&arena, (size_t)i * 5003), at[i]);
        nas_arena_release(&arena, marks[i]);
    }
    nas_arena_fini(&arena);
}

/* A step as the host makes them: small and large pieces, in an order that differs by step. */
static void one_step(struct nas_arena *arena, int step) {
    static const size_t sizes[] = {40000, 1 << 20, 17, 300000, 0, 66000};
    const size_t outer = nas_arena_mark(arena);
    for (size_t i = 0; i < 6; i++) {
        const size_t inner = nas_arena_mark(arena);
        assert_non_null(nas_arena_take(arena, sizes[(i + (size_t)step) % 6]));
        if (i % 2 == 0) {
            nas_arena_release(arena, inner);
        }
    }
    nas_arena_release(arena, outer);
}

static void a_loop_stops_allocating(void **state) {
    struct nas_arena arena = {0};
    for (int step = 0; step < 60; step++) {
        one_step(&arena, step);
    }
    const uint64_t warm = nas_arena_system_calls();
    assert_true(warm > 0);
    for (int step = 0; step < 6000; step++) {
        one_step(&arena, step);
    }
    assert_int_equal(nas_arena_system_calls(), warm);
    nas_arena_fini(&arena);
}

static void sizes_that_overflow_are_refused(void **state) {
    struct nas_arena arena = {0};
    assert_null(nas_arena_take(&arena, SIZE_MAX));
    assert_null(nas_arena_take(&arena, SIZE_MAX - 63));
    assert_null(nas_arena_array(&arena, SIZE_MAX / 2, 4));
    assert_null(nas_arena_array(&arena, 4, SIZE_MAX / 2));
    assert_null(nas_arena_array(&arena, (size_t)1 << 33, (size_t)1 << 33));
    assert_null(nas_arena_zeroed(&arena, SIZE_MAX / 2));
    assert_non_null(nas_arena_array(&arena, 0, 8));
    assert_non_null(nas_arena_array(&arena, 8, 0));
    assert_non_null(nas_arena_take(&arena, 8)); /* still usable */
    nas_arena_fini(&arena);
}

static void texts_are_copies(void **state) {
    struct nas_arena arena = {0};
    char text[] = "abc";
    const char *copy = nas_arena_text(&arena, text);
    const char *made = nas_arena_format(&arena, "%s-%d", text, 42);
    text[0] = 'x';
    assert_string_equal(copy, "abc");
    assert_string_equal(made, "abc-42");
    char *wide = nas_arena_format(&arena, "%0100000d", 7);
    assert_int_equal(strlen(wide), 100000);
    assert_int_equal(wide[99999], '7');
    assert_string_equal(nas_arena_text(&arena, ""), "");
    nas_arena_fini(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_is_aligned_and_apart),
        cmocka_unit_test(zeroed_clears_what_was_written_before),
        cmocka_unit_test(release_gives_back_what_came_after_the_mark),
        cmocka_unit_test(marks_nest),
        cmocka_unit_test(a_loop_stops_allocating),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(texts_are_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
