/* SPDX-License-Identifier: MIT */
/* Records by their columns: as JSON and back, as lines of CSV, for people. */
#include "store/records.h"

#include "../support/check.h"

#include <math.h>

static const struct nas_columns *const columns = &nas_record_columns;

static struct nas_record sample(void) {
    return (struct nas_record){.accuracy_mean = 0.75,
                               .accuracy_ci95 = NAN,
                               .tasks = 4,
                               .prune_gap = 0.125,
                               .prune_gap_ci95 = 0.0625,
                               .parameters_mean = 1e-5,
                               .batch_norm = "support",
                               .seed = 9007199254740993,
                               .state = "a \"b\"",
                               .episodes = 0x00ff00ff00ff00ff};
}

/* Equal numbers, or both none. */
static void check_same(double a, double b) {
    assert_true(a == b || (isnan(a) && isnan(b)));
}

static void test_json_and_back(void **state) {
    const struct nas_record from = sample();
    struct nas_record to;
    struct nas_arena arena = {0};
    json_t *object = nas_columns_json(columns, NAS_IN_TEST, &from);
    assert_non_null(object);
    assert_true(json_is_null(json_object_get(object, "accuracy_ci95")));
    assert_null(json_object_get(object, "episodes_file"));
    assert_null(json_object_get(object, "step")); /* of another output */
    assert_string_equal(json_string_value(json_object_get(object, "episodes")), "00ff00ff00ff00ff");
    assert_true(nas_columns_read(columns, NAS_IN_TEST, object, &arena, &to));
    for (const struct nas_column *c = NULL;
         (c = nas_column_next(columns, NAS_IN_TEST, c)) != NULL;) {
        check_same(nas_column_real(c, &from), nas_column_real(c, &to));
    }
    assert_int_equal(to.seed, from.seed);
    assert_true(to.episodes == from.episodes && to.episodes_file == NULL);
    assert_string_equal(to.state, from.state);
    json_decref(object);
    nas_arena_fini(&arena);
}

/* Values of another type than the column's are as if they were missing. */
static void test_json_of_another_form(void **state) {
    struct nas_record to;
    struct nas_arena arena = {0};
    json_t *object = json_pack("{s:s, s:f, s:i, s:n}", "accuracy_mean", "high", "tasks", 1.5,
                               "state", 3, "seed");
    assert_true(nas_columns_read(columns, NAS_IN_TEST, object, &arena, &to));
    assert_true(isnan(to.accuracy_mean) && to.tasks == 0 && to.state == NULL && to.seed == 0);
    json_decref(object);
    assert_true(nas_columns_read(columns, NAS_IN_TEST, NULL, &arena, &to));
    assert_true(isnan(to.loss_mean) && to.batch_norm == NULL && to.episodes == 0);
    nas_arena_fini(&arena);
}

static void test_text_that_is_no_utf8(void **state) {
    struct nas_record from = sample();
    from.state = "\xff";
    assert_null(nas_columns_json(columns, NAS_IN_TEST, &from));
}

static void test_csv(void **state) {
    static const struct nas_column of_record[] = {
        {"a", NAS_COLUMN_REAL, NAS_UNIT_SHARE, 1, "a", offsetof(struct nas_record, accuracy_mean)},
        {"b", NAS_COLUMN_REAL, NAS_UNIT_HALF, 1, NULL, offsetof(struct nas_record, accuracy_ci95)},
        {"c", NAS_COLUMN_INT, NAS_UNIT_PLAIN, 2, NULL, offsetof(struct nas_record, tasks)},
        {"d", NAS_COLUMN_TEXT, NAS_UNIT_PLAIN, 1, NULL, offsetof(struct nas_record, state)},
        {"e", NAS_COLUMN_HASH, NAS_UNIT_PLAIN, 1, NULL, offsetof(struct nas_record, episodes)},
        {"f", NAS_COLUMN_TEXT, NAS_UNIT_PLAIN, 1, NULL, offsetof(struct nas_record, split)}};
    static const struct nas_columns some = {6, of_record};
    const struct nas_record from = sample();
    char text[256];
    struct nas_csv_line line = {.out = fmemopen(text, sizeof text, "w")};
    assert_non_null(line.out);
    nas_columns_csv_names(&some, 1, &line);
    nas_csv_end(&line);
    nas_columns_csv(&some, 1, &from, &line);
    nas_csv_end(&line);
    nas_columns_csv(&some, NAS_IN_ALL, NULL, &line);
    nas_csv_end(&line);
    fclose(line.out);
    assert_string_equal(text, "a,b,d,e,f\n0.75,,\"a \"\"b\"\"\",00ff00ff00ff00ff,\n,,,,,\n");
}

static const char *show(const char *name, const struct nas_record *record, char out[64]) {
    const struct nas_column *c = NULL;
    do {
        c = nas_column_next(columns, NAS_IN_TEST, c);
        assert_non_null(c);
    } while (strcmp(c->name, name) != 0);
    return nas_column_show(columns, NAS_IN_TEST, c, record, " +- ", out, 64);
}

static void test_for_people(void **state) {
    const struct nas_record from = sample();
    char out[64];
    assert_string_equal(show("accuracy_mean", &from, out), "75.00%"); /* its half width is none */
    assert_string_equal(show("prune_gap", &from, out), "+12.50% +- 6.25%");
    assert_string_equal(show("tasks", &from, out), "4");
    assert_string_equal(show("batch_norm", &from, out), "support");
    assert_string_equal(show("split", &from, out), "unknown");
}

/* A half width belongs to the mean before it, and the mean over the runs of an arm is a real. */
static void test_table(void **state) {
    for (const struct nas_column *c = NULL;
         (c = nas_column_next(columns, NAS_IN_ALL, c)) != NULL;) {
        if (c->unit == NAS_UNIT_HALF) {
            assert_true(c > columns->at && nas_column_half(columns, c->outputs, c - 1) == c);
        }
        assert_true((c->outputs & NAS_IN_ARMS) == 0 || c->type == NAS_COLUMN_REAL);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_and_back),        cmocka_unit_test(test_json_of_another_form),
        cmocka_unit_test(test_text_that_is_no_utf8), cmocka_unit_test(test_csv),
        cmocka_unit_test(test_for_people),           cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
