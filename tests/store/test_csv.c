/* SPDX-License-Identifier: MIT */
/* Tables and lines of JSON, as they lie in run and sweep directories. */
#include "../../tools/metanas/report/interval.h"
#include "store/csv.h"
#include "store/jsonl.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct reading {
    struct nas_ctx context;
    struct nas_arena arena;
    struct nas_csv table;
    int status;
};

static void read_text(struct reading *r, const char *text, size_t length) {
    memset(r, 0, sizeof *r);
    nas_ctx_init(&r->context, NULL);
    r->status = nas_csv_parse(&r->context.pub, &r->arena, "t.csv", text, length, &r->table);
}

static void done(struct reading *r) {
    nas_arena_fini(&r->arena);
    nas_ctx_fini(&r->context);
}

static void takes(const char *text, int columns, int64_t rows, const char *last) {
    struct reading r;
    read_text(&r, text, strlen(text));
    assert_string_equal(nas_ctx_message(&r.context.pub), "");
    assert_int_equal(r.status, MN_OK);
    assert_int_equal(r.table.n_columns, columns);
    assert_int_equal(r.table.n_rows, rows);
    assert_string_equal(nas_csv_cell(&r.table, rows - 1, columns - 1), last);
    done(&r);
}

static void refuses(const char *text, const char *message) {
    struct reading r;
    read_text(&r, text, strlen(text));
    assert_int_equal(r.status, MN_IO);
    assert_string_equal(nas_ctx_message(&r.context.pub), message);
    done(&r);
}

static void test_forms(void **state) {
    (void)state;
    takes("a,b\n1,2\n", 2, 1, "2");
    takes("a,b\r\n1,2\r\n3,4", 2, 2, "4");
    takes("\xEF\xBB\xBF\"a\",b\n1,\"x, \"\"y\"\"\nz\"\n", 2, 1, "x, \"y\"\nz");
    takes("a,b\n1,", 2, 1, "");
    takes("a\n\n", 1, 1, "");
    takes("a,b\n1,x\"y\n", 2, 1, "x\"y");
    refuses("", "t.csv: the file is empty");
    refuses("a,b\n1\n", "t.csv:2: 1 field; the head has 2");
    refuses("a\n\"1", "t.csv:2: a quote is not closed");
}

/* More fields than commas and ends of lines: they were written beyond the end of their array. */
static void test_text_behind_quote(void **state) {
    (void)state;
    enum { N = 20000 };
    char *text = malloc(3 * N + 1);
    assert_non_null(text);
    for (size_t i = 0; i < N; i++) {
        memcpy(text + 3 * i, "\"\"x", 3);
    }
    text[3 * N] = '\0';
    refuses(text, "t.csv:1: text follows the quote that ends a field");
    refuses("a\n\"1\"\"", "t.csv:2: a quote is not closed");
    refuses("a\n\"1\" ", "t.csv:2: text follows the quote that ends a field");
    free(text);
}

static void test_zero_byte(void **state) {
    (void)state;
    struct reading r;
    read_text(&r, "a,b\n1\0,2\n", 9);
    assert_int_equal(r.status, MN_IO);
    assert_string_equal(nas_ctx_message(&r.context.pub), "t.csv: holds a zero byte: not a table");
    done(&r);
}

static void test_columns_by_name(void **state) {
    (void)state;
    static const char text[] = "z,x_mean,x_ci95,y,y_low,y_high,z\n1,2,0.5,3,2.5,nan,7\n";
    struct reading r;
    struct interval at;
    double ends[2];
    read_text(&r, text, strlen(text));
    assert_int_equal(nas_csv_column(&r.table, "z"), 0); /* the first of two */
    assert_int_equal(nas_csv_column(&r.table, "y_high"), 5);
    assert_int_equal(nas_csv_column(&r.table, "y_hig"), -1);
    assert_int_equal(nas_csv_column(&r.table, "zz"), -1);
    assert_int_equal(nas_csv_column(&r.table, ""), -1);
    assert_true(interval_of(&r.table, "x", &at));
    interval_ends(&r.table, 0, &at, ends);
    assert_true(ends[0] == 1.5 && ends[1] == 2.5);
    assert_true(interval_of(&r.table, "y", &at));
    interval_ends(&r.table, 0, &at, ends);
    assert_true(ends[0] == 2.5 && isnan(ends[1]));
    assert_false(interval_of(&r.table, "z", &at));
    done(&r);
}

/* What a spreadsheet would take for a formula is text. */
static void test_text_cells_begin_no_formula(void **state) {
    static const char *const texts[][2] = {{"a \"b\", c", "\"a \"\"b\"\", c\""},
                                           {"=1+1", "\"'=1+1\""},
                                           {"+x", "\"'+x\""},
                                           {"-x", "\"'-x\""},
                                           {"@x", "\"'@x\""},
                                           {"\tx", "\"'\tx\""},
                                           {"\rx", "\"'\rx\""},
                                           {"", "\"\""},
                                           {"x=1", "\"x=1\""}};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[64];
        FILE *out = fmemopen(text, sizeof text, "w");
        assert_non_null(out);
        nas_csv_put_text(out, texts[i][0]);
        fclose(out);
        assert_string_equal(text, texts[i][1]);
    }
}

/* ---- lines -------------------------------------------------------------------------------- */

static int add_value(void *data, struct mn_ctx *ctx, json_t *object) {
    double *sum = data;
    (void)ctx;
    *sum += json_number_value(json_object_get(object, "x"));
    return MN_OK;
}

static int sum_of(struct nas_ctx *context, const char *text, double *sum) {
    nas_ctx_init(context, NULL);
    *sum = 0;
    return nas_jsonl_parse(&context->pub, "m.jsonl", text, strlen(text), add_value, sum);
}

static void test_lines(void **state) {
    (void)state;
    struct nas_ctx context;
    double sum;
    assert_int_equal(sum_of(&context, "{\"x\":1}\n{\"y\":9}\n{\"x\":2.5}\n", &sum), MN_OK);
    assert_true(sum == 3.5);
    assert_int_equal(sum_of(&context, "{\"x\":1}\n{\"x\":2", &sum), MN_OK); /* not written whole */
    assert_true(sum == 1);
    assert_int_equal(sum_of(&context, "{\"x\":1}\n{\"x\":2\n", &sum), MN_IO);
    assert_ptr_equal(strstr(nas_ctx_message(&context.pub), "m.jsonl:2:"),
                     nas_ctx_message(&context.pub));
    nas_ctx_fini(&context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),     cmocka_unit_test(test_text_behind_quote),
        cmocka_unit_test(test_zero_byte), cmocka_unit_test(test_columns_by_name),
        cmocka_unit_test(test_lines),     cmocka_unit_test(test_text_cells_begin_no_formula),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
