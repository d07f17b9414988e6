/* SPDX-License-Identifier: MIT */
#include "case.h"
#include "config/override.h"
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The arena's blocks run out after a number of them: reading then ends with a counted fault, even
 * where there is no memory left for its text. */

static int blocks_left;

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return blocks_left-- > 0 ? __real_aligned_alloc(alignment, size) : NULL;
}

/* A configuration of about 40 blocks. */
static char *long_text(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    fputs("s:\n  title: x\n  ops: [a", out);
    for (int i = 0; i < 10000; i++) {
        fprintf(out, ", op_%d", i);
    }
    fputs("]\n", out);
    fclose(out);
    return text;
}

/* 1 when all was read. */
static int read_with(int blocks, const char *text) {
    struct told told;
    struct everything x;
    told_begin(&told);
    blocks_left = blocks;
    struct nas_yaml *root = told_parse(&told, text);
    assert_true(root != NULL || told.faults.count > 0);
    if (root != NULL) {
        nas_override_apply(&told.arena, root, "s.sizes=[1, 2, 3]", 1, &told.faults);
        nas_schema_bind(&told.arena, &everything_options, nas_yaml_get(root, "s"), NULL, "x", &x,
                        &told.faults);
    }
    const int done = told.faults.count == 0;
    if (done) {
        assert_int_equal(x.ops.n, 10001);
        assert_string_equal(x.ops.at[10000], "op_9999");
        assert_int_equal(x.sizes.n, 3);
    }
    blocks_left = 1 << 30;
    told_end(&told);
    return done;
}

static void running_out_of_memory_is_a_fault(void **state) {
    char *text = long_text();
    int blocks = 0;
    while (!read_with(blocks, text)) {
        blocks++;
        assert_true(blocks < 1000);
    }
    assert_true(blocks > 10); /* the failures fell into reading, setting and binding */
    assert_true(read_with(blocks + 1, text));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(running_out_of_memory_is_a_fault)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
