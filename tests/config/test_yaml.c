/* SPDX-License-Identifier: MIT */
#include "case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void check_mark(struct nas_mark mark, int line, int column) {
    assert_string_equal(mark.file, "t.yaml");
    assert_int_equal(mark.line, line);
    assert_int_equal(mark.column, column);
}

static void a_tree_keeps_every_place(void **state) {
    struct told told;
    told_begin(&told);
    const struct nas_yaml *root =
        told_parse(&told, "# comment\nrun:\n  seed: 12\n  'name':   \"a b\"\nops: [x, {y: z}]\n");
    assert_int_equal(told.faults.count, 0);
    const struct nas_yaml *run = nas_yaml_get(root, "run");
    const struct nas_yaml *seed = nas_yaml_get(run, "seed"), *name = nas_yaml_get(run, "name");
    check_mark(run->key_mark, 2, 1);
    check_mark(run->mark, 3, 3);
    check_mark(seed->key_mark, 3, 3);
    check_mark(seed->mark, 3, 9);
    assert_string_equal(seed->text, "12");
    assert_int_equal(seed->quoted, 0);
    check_mark(name->key_mark, 4, 3);
    check_mark(name->mark, 4, 13);
    assert_string_equal(name->text, "a b");
    assert_int_equal(name->quoted, 1);
    const struct nas_yaml *ops = nas_yaml_get(root, "ops");
    assert_int_equal(ops->kind, NAS_YAML_LIST);
    check_mark(ops->first->mark, 5, 7);
    check_mark(ops->first->next->mark, 5, 10);
    check_mark(nas_yaml_get(ops->first->next, "y")->mark, 5, 14);
    assert_null(ops->first->next->next);
    assert_null(nas_yaml_get(root, "Run"));
    assert_null(nas_yaml_get(ops, "x"));
    assert_null(nas_yaml_get(NULL, "x"));
    told_end(&told);
}

static void an_empty_file_is_an_empty_map(void **state) {
    static const char *const texts[] = {"", "\n\n", "# nothing\n", "---\n", "{}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct told told;
        told_begin(&told);
        const struct nas_yaml *root = told_parse(&told, texts[i]);
        assert_non_null(root);
        assert_int_equal(root->kind, NAS_YAML_MAP);
        assert_null(root->first);
        assert_int_equal(told.faults.count, 0);
        told_end(&told);
    }
}

static void refusals_point_at_their_place(void **state) {
    static const char *const cases[][2] = {
        {"a: 1\nb: 2\na: 3\n", "t.yaml:3:1: duplicate key 'a'; it was given in line 1 already\n"},
        {"run:\n  x: 1\n  x: 1\n",
         "t.yaml:3:3: duplicate key 'x'; it was given in line 2 already\n"},
        {"a: {b: 1, \"b\": 2}\n",
         "t.yaml:1:11: duplicate key 'b'; it was given in line 1 already\n"},
        {"a: &here 1\n", "t.yaml:1:4: anchors (&here) are not supported; write the value out\n"},
        {"a: 1\nb: *a\n", "t.yaml:2:4: aliases (*a) are not supported; write the value out\n"},
        {"a: !!int 1\n",
         "t.yaml:1:4: tags (tag:yaml.org,2002:int) are not supported; write the plain value\n"},
        {"a: !x [1]\n", "t.yaml:1:4: tags (!x) are not supported; write the plain value\n"},
        {"a: 1\n---\nb: 2\n",
         "t.yaml:2:1: a second document starts here; a configuration is one document\n"},
        {"? [a, b]\n: 1\n", "t.yaml:1:3: a key must be plain text\n"},
        {"{a: 1}: 2\n", "t.yaml:1:1: a key must be plain text\n"},
        {"- a\n- b\n", "t.yaml:1:1: a configuration is a map of sections (key: value)\n"},
        {"\n  word\n", "t.yaml:2:3: a configuration is a map of sections (key: value)\n"},
        {"a: \"x\\0y\"\n", "t.yaml:1:4: the text holds a zero byte\n"},
        {"a: [[[[[[[[[[1]]]]]]]]]]\n", "t.yaml:1:13: nested deeper than 10 levels\n"},
        {"a: {b: {c: {d: {e: {f: {g: {h: {i: {j: {k: 1}}}}}}}}}}\n",
         "t.yaml:1:40: nested deeper than 10 levels\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_told(cases[i][0], strlen(cases[i][0]), cases[i][1]);
    }
    check_told("a: [[[[[1]]]]]\n", 15, "");
    check_told("a: {b: {c: {d: {e: {f: 1}}}}}\n", 30, "");
}

static void broken_syntax_points_at_its_place(void **state) {
    static const struct {
        const char *text, *place;
    } cases[] = {
        {"a: 1\nb: [1, 2\n", "t.yaml:3:1: not valid YAML: "},
        {"a: {b: 1\n", "t.yaml:2:1: not valid YAML: "},
        {"a: \"no end\nb: 1\n", "t.yaml:3:1: not valid YAML: "},
        {"a: 'no end", "t.yaml:1:11: not valid YAML: "},
        {"run:\n  seed: 1\n name: x\n", "t.yaml:3:2: not valid YAML: "},
        {"a:\n\tb: 1\n", "t.yaml:2:1: not valid YAML: "},
        {"a: b: c\n", "t.yaml:1:5: not valid YAML: "},
        {"a: ]\n", "t.yaml:1:4: not valid YAML: "},
        {"a: @x\n", "t.yaml:1:4: not valid YAML: "},
        {"a: 1\nword\nb: 2\n", "t.yaml:3:1: not valid YAML: "},
        {"a: \"\\q\"\n", "t.yaml:1:5: not valid YAML: "},
        {"%YAML 9.9\n---\na: 1\n", "t.yaml:1:1: not valid YAML: "},
        {"a: 1\nb: \x01\n", "t.yaml:2:4: not valid YAML: control characters"},
        {"a: 1\n\nbc: \xC3\xA4\xFFx\n", "t.yaml:3:6: not valid YAML: invalid leading UTF-8"},
        {"a: 1\nb: \xC3", "t.yaml:2:4: not valid YAML: incomplete UTF-8"},
        {"\x7F"
         "ELF\x02\x01\x01",
         "t.yaml:1:1: not valid YAML: control characters"},
        {"PK\x03\x04", "t.yaml:1:3: not valid YAML: control characters"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct told told;
        told_begin(&told);
        assert_null(told_parse(&told, cases[i].text));
        const char *text = told_text(&told);
        if (strncmp(text, cases[i].place, strlen(cases[i].place)) != 0) {
            fail_msg("case %zu: expected '%s', got '%s'", i, cases[i].place, text);
        }
        assert_int_equal(told.faults.count, 1);
        told_end(&told);
    }
}

static void all_faults_of_a_file_are_reported(void **state) {
    static const char text[] = "a: &x 1\n"
                               "b: *x\n"
                               "c:\n"
                               "  d: 1\n"
                               "  d: !t 2\n"
                               "a: 5\n"
                               "e: [&y 1, *y]\n"
                               "f: \"open\n";
    static const char expected[] =
        "t.yaml:1:4: anchors (&x) are not supported; write the value out\n"
        "t.yaml:2:4: aliases (*x) are not supported; write the value out\n"
        "t.yaml:5:6: tags (!t) are not supported; write the plain value\n"
        "t.yaml:5:3: duplicate key 'd'; it was given in line 4 already\n"
        "t.yaml:6:1: duplicate key 'a'; it was given in line 1 already\n"
        "t.yaml:7:5: anchors (&y) are not supported; write the value out\n"
        "t.yaml:7:11: aliases (*y) are not supported; write the value out\n"
        "t.yaml:9:1: not valid YAML: found unexpected end of stream while scanning a quoted "
        "scalar\n";
    check_told(text, strlen(text), expected);
}

static void hundreds_of_faults_are_all_reported(void **state) {
    char *text = repeated("same: &a [*a]\n", 400);
    struct told told;
    told_begin(&told);
    assert_non_null(told_parse(&told, text));
    assert_int_equal(told.faults.count, 3 * 400 - 1);
    assert_int_equal(told.faults.last->mark.line, 400);
    told_end(&told);
    free(text);
}

/* ---- bombs -------------------------------------------------------------------------------- */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void the_size_is_limited(void **state) {
    enum { LIMIT = 1 << 20 };
    char *text = malloc(LIMIT + 1);
    memset(text, '#', LIMIT + 1);
    check_told(text, LIMIT, "");
    check_told(text, LIMIT + 1, "t.yaml: more than 1048576 bytes: too large for a configuration\n");
    free(text);
}

static void the_number_of_values_is_limited(void **state) {
    char *items = repeated("a,", 200000);
    struct told told;
    told_begin(&told);
    const char *text = nas_arena_format(&told.arena, "x: [%s]\n", items);
    assert_null(told_parse(&told, text));
    /* The map, the key and the list come before the items, each of which is 2 columns wide. */
    assert_string_equal(told_text(&told),
                        "t.yaml:1:199999: more than 100000 values: too large to be meant\n");
    told_end(&told);
    free(items);
}

static void the_number_of_keys_is_limited(void **state) {
    struct told told;
    told_begin(&told);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; i < 30000; i++) {
        fprintf(out, "key_%d: 1\n", i);
    }
    fclose(out);
    assert_null(told_parse(&told, text));
    assert_string_equal(told_text(&told),
                        "t.yaml:1001:1: more than 1000 keys in one section: too many\n");
    told_end(&told);
    free(text);
}

static void billion_laughs_do_not_expand(void **state) {
    static const char text[] = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
                               "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
                               "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
                               "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n";
    struct told told;
    told_begin(&told);
    told_parse(&told, text);
    assert_int_equal(told.faults.count, 4 + 27);
    assert_true(nas_arena_mark(&told.arena) < 1 << 17);
    told_end(&told);
}

static void nasty_repetitions_end_soon(void **state) {
    static const char *const pieces[] = {
        "[",     "{",    "- ", "? ", ": ", "a: ",  "&a ",  "*a ", "! ",  "'",     "\"",  "|\n",
        "---\n", "%A\n", ",",  "[]", "{a", "a: [", "- - ", "\n ", "#\n", "...\n", "<<: "};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        char *text = repeated(pieces[i], (1 << 20) / strlen(pieces[i]));
        struct told told;
        const double start = now();
        told_begin(&told);
        told_parse(&told, text);
        assert_true(nas_arena_mark(&told.arena) < (size_t)200 << 20);
        told_end(&told);
        free(text);
        if (now() - start > 5) {
            fail_msg("a repetition of '%s' took %.1f s", pieces[i], now() - start);
        }
    }
}

/* ---- files -------------------------------------------------------------------------------- */

static void files_are_read(void **state) {
    char folder[256], path[512], expected[1024];
    struct told told;
    folder_new(folder, sizeof folder);
    told_begin(&told);
    file_write(folder, "a.yaml", "a: 1\na: 2\n", path, sizeof path);
    char borrowed[512];
    snprintf(borrowed, sizeof borrowed, "%s", path);
    assert_non_null(nas_yaml_read(&told.arena, borrowed, &told.faults));
    memset(borrowed, 'x', strlen(borrowed)); /* marks must not borrow the caller's path */
    snprintf(expected, sizeof expected,
             "%s:2:1: duplicate key 'a'; it was given in line 1 already\n", path);
    assert_string_equal(told_text(&told), expected);
    told_end(&told);
    folder_remove(folder, (const char *const[]){"a.yaml", NULL});
}

static void unreadable_files_are_faults(void **state) {
    char folder[256], expected[1024];
    struct told told;
    folder_new(folder, sizeof folder);
    told_begin(&told);
    assert_null(nas_yaml_read(&told.arena, "no/such/file.yaml", &told.faults));
    assert_null(nas_yaml_read(&told.arena, folder, &told.faults));
    snprintf(expected, sizeof expected,
             "no/such/file.yaml: cannot read: No such file or directory\n"
             "%s: cannot read: Is a directory\n",
             folder);
    assert_string_equal(told_text(&told), expected);
    told_end(&told);
    folder_remove(folder, (const char *const[]){NULL});
}

static void a_file_without_end_is_refused(void **state) {
    struct told told;
    told_begin(&told);
    assert_null(nas_yaml_read(&told.arena, "/dev/zero", &told.faults));
    assert_string_equal(told_text(&told),
                        "/dev/zero: more than 1048576 bytes: too large for a configuration\n");
    told_end(&told);
}

static void put_replaces_in_place_or_appends(void **state) {
    struct told told;
    told_begin(&told);
    struct nas_yaml *root = told_parse(&told, "a: 1\nb: 2\nc: 3\n");
    struct nas_yaml *value = nas_yaml_parse_value(&told.arena, "v", "20", &told.faults);
    struct nas_yaml *other = nas_yaml_parse_value(&told.arena, "v", "[4]", &told.faults);
    assert_true(nas_yaml_put(&told.arena, root, "b", value));
    assert_true(nas_yaml_put(&told.arena, root, "d", other));
    assert_string_equal(root->first->next->key, "b");
    assert_string_equal(root->first->next->text, "20");
    assert_string_equal(root->first->next->next->key, "c");
    assert_ptr_equal(root->first->next->next->next, other);
    assert_null(other->next);
    assert_ptr_equal(nas_yaml_get(root, "d"), other);
    assert_null(nas_yaml_parse_value(&told.arena, "v", "", &told.faults));
    assert_int_equal(told.faults.count, 0);
    told_end(&told);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_keeps_every_place),
        cmocka_unit_test(an_empty_file_is_an_empty_map),
        cmocka_unit_test(refusals_point_at_their_place),
        cmocka_unit_test(broken_syntax_points_at_its_place),
        cmocka_unit_test(all_faults_of_a_file_are_reported),
        cmocka_unit_test(hundreds_of_faults_are_all_reported),
        cmocka_unit_test(the_size_is_limited),
        cmocka_unit_test(the_number_of_values_is_limited),
        cmocka_unit_test(the_number_of_keys_is_limited),
        cmocka_unit_test(billion_laughs_do_not_expand),
        cmocka_unit_test(nasty_repetitions_end_soon),
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(unreadable_files_are_faults),
        cmocka_unit_test(a_file_without_end_is_refused),
        cmocka_unit_test(put_replaces_in_place_or_appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
