/* SPDX-License-Identifier: MIT */
#include "case.h"
#include "options.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metanas/rng.h"

#include <cmocka.h>

static struct told told;

static int setup(void **state) {
    told_begin(&told);
    return 0;
}

static int teardown(void **state) {
    told_end(&told);
    return 0;
}

/* Bind section `s` of `text` as "unit x". */
static struct everything bound(const char *text) {
    struct everything out;
    memset(&out, 0xAB, sizeof out);
    nas_schema_bind(&told.arena, &everything_options, nas_yaml_get(told_parse(&told, text), "s"),
                    "use", "unit x", &out, &told.faults);
    return out;
}

static struct strict bound_strict(const char *text) {
    struct strict out = {0};
    nas_schema_bind(&told.arena, &strict_options, nas_yaml_get(told_parse(&told, text), "s"), "use",
                    "unit y", &out, &told.faults);
    return out;
}

static void check_defaults(const struct everything *x) {
    assert_int_equal(x->steps, 5);
    assert_true(x->rate == 0.005);
    assert_true(x->share == 0.5);
    assert_true(x->fast);
    assert_string_equal(x->title, "none: yet");
    assert_string_equal(x->path, "");
    assert_int_equal(x->anneal, 1);
    assert_int_equal(x->sizes.n, 3);
    assert_int_equal(x->sizes.at[0], 8);
    assert_int_equal(x->sizes.at[1], 16);
    assert_int_equal(x->sizes.at[2], 32);
    assert_int_equal(x->rates.n, 0);
    assert_int_equal(x->ops.n, 2);
    assert_string_equal(x->ops.at[0], "skip");
    assert_string_equal(x->ops.at[1], "conv_3x3");
    assert_int_equal(x->old, 3);
    assert_int_equal(x->cost.budget, 7);
    assert_true(x->cost.weight == 0.5);
}

static void a_section_lies_in_the_section(void **state) {
    const struct everything x = bound("s: {steps: 6, cost: {weight: 0.25, budget: 30_000}}\n");
    assert_string_equal(told_text(&told), "");
    assert_int_equal(x.cost.budget, 30000);
    assert_true(x.cost.weight == 0.25);
    assert_int_equal(x.steps, 6);
}

static void faults_of_a_section_in_the_section(void **state) {
    bound("s:\n  cost: {budgett: 1, weight: 2}\n  rate: {a: 1}\n");
    assert_string_equal(
        told_text(&told),
        "t.yaml:2:10: unit x: unknown key 'cost.budgett'; did you mean 'cost.budget'?\n"
        "t.yaml:2:30: unit x: cost.weight: 2 is out of range: expected real, 0 to 1\n"
        "t.yaml:3:9: unit x: rate: a section was given: expected real, 0 to 1000\n");
}

static void a_value_in_place_of_a_section(void **state) {
    bound("s: {cost: 3}\n");
    assert_string_equal(told_text(&told),
                        "t.yaml:1:11: unit x: cost: expected a section (key: value lines)\n");
}

static void missing_keys_take_their_defaults(void **state) {
    static const char *const texts[] = {"", "s:\n", "s: {}\n", "s: {use: x}\n"};
    for (int i = 0; i < 4; i++) {
        const struct everything x = bound(texts[i]);
        check_defaults(&x);
    }
    assert_string_equal(told_text(&told), "");
}

static void every_type_is_read(void **state) {
    const struct everything x = bound("s:\n"
                                      "  use: x\n"
                                      "  steps: 1_0\n"
                                      "  rate: 1e-3\n"
                                      "  share: .25\n"
                                      "  fast: false\n"
                                      "  title: 12\n"
                                      "  path: /abs/olute\n"
                                      "  anneal: cosine\n"
                                      "  sizes: [1, 64]\n"
                                      "  rates: [0, 1, 0.5]\n"
                                      "  ops: []\n"
                                      "  low: -1_000_000\n"
                                      "  high: -1e300\n");
    assert_string_equal(told_text(&told), "");
    assert_int_equal(x.steps, 10);
    assert_true(x.rate == 0.001);
    assert_true(x.share == 0.25);
    assert_false(x.fast);
    assert_string_equal(x.title, "12");
    assert_string_equal(x.path, "/abs/olute");
    assert_int_equal(x.anneal, 2);
    assert_int_equal(x.sizes.n, 2);
    assert_int_equal(x.sizes.at[1], 64);
    assert_int_equal(x.rates.n, 3);
    assert_true(x.rates.at[2] == 0.5);
    assert_int_equal(x.ops.n, 0);
    assert_int_equal(x.low, -1000000);
    assert_true(x.high == -1e300);
}

/* The next whole number after 2^53 is no double. */
static void whole_numbers_are_compared_as_integers(void **state) {
    const struct everything x = bound("s: {low: -9007199254740992}");
    assert_string_equal(told_text(&told), "");
    assert_int_equal(x.low, -9007199254740992);
    bound("s: {low: -9007199254740993}");
    assert_int_equal(told.faults.count, 1);
    const struct everything y = bound("s: {low: 9223372036854775807}");
    assert_int_equal(told.faults.count, 1);
    assert_int_equal(y.low, INT64_MAX);
}

/* One line under "s:", so every fault stands in line 2. */
static void wrong_values_are_told_with_what_was_expected(void **state) {
    static const char *const cases[][2] = {
        {"steps: ten", "2:10: unit x: steps: 'ten' is not a whole number: expected int, 1 to 100"},
        {"steps: 1.5", "2:10: unit x: steps: '1.5' is not a whole number: expected int, 1 to 100"},
        {"steps: '5'",
         "2:10: unit x: steps: '5' in quotes is not a whole number: expected int, 1 to 100"},
        {"steps: 0", "2:10: unit x: steps: 0 is out of range: expected int, 1 to 100"},
        {"steps: 101", "2:10: unit x: steps: 101 is out of range: expected int, 1 to 100"},
        {"steps: [1]", "2:10: unit x: steps: a list was given: expected int, 1 to 100"},
        {"steps: {a: 1}", "2:10: unit x: steps: a section was given: expected int, 1 to 100"},
        {"steps:", "2:9: unit x: steps: no value was given: expected int, 1 to 100"},
        {"steps: 0x10",
         "2:10: unit x: steps: '0x10' is not a whole number: expected int, 1 to 100"},
        {"rate: nan", "2:9: unit x: rate: 'nan' is not a number: expected real, 0 to 1000"},
        {"rate: .inf", "2:9: unit x: rate: '.inf' is not a number: expected real, 0 to 1000"},
        {"rate: inf", "2:9: unit x: rate: 'inf' is not a number: expected real, 0 to 1000"},
        {"rate: 0,5", "2:9: unit x: rate: '0,5' is not a number: expected real, 0 to 1000"},
        {"rate: -1e-9", "2:9: unit x: rate: -1e-9 is out of range: expected real, 0 to 1000"},
        {"share: 0", "2:10: unit x: share: 0 is out of range: expected real, above 0 to below 1"},
        {"share: 1.0",
         "2:10: unit x: share: 1.0 is out of range: expected real, above 0 to below 1"},
        {"high: 7", "2:9: unit x: high: 7 is out of range: expected real, below 7"},
        {"low: -1e16", "2:8: unit x: low: '-1e16' is not a whole number: expected int, at least "
                       "-9007199254740992"},
        {"fast: yes", "2:9: unit x: fast: 'yes' is not true or false: write true"},
        {"fast: NO", "2:9: unit x: fast: 'NO' is not true or false: write false"},
        {"fast: on", "2:9: unit x: fast: 'on' is not true or false: write true"},
        {"fast: Off", "2:9: unit x: fast: 'Off' is not true or false: write false"},
        {"fast: True", "2:9: unit x: fast: 'True' is not true or false: write true"},
        {"fast: 0", "2:9: unit x: fast: '0' is not true or false: write false"},
        {"fast: maybe", "2:9: unit x: fast: 'maybe' is not true or false: expected true or false"},
        {"fast: \"true\"",
         "2:9: unit x: fast: 'true' in quotes is not true or false: expected true or false"},
        {"title: [a]", "2:10: unit x: title: a list was given: expected text"},
        {"path: {a: b}", "2:9: unit x: path: a section was given: expected path"},
        {"anneal: cosin",
         "2:11: unit x: anneal: unknown value 'cosin': expected one of: none, linear, cosine; did "
         "you mean 'cosine'?"},
        {"anneal: quadratic",
         "2:11: unit x: anneal: unknown value 'quadratic': expected one of: none, linear, cosine"},
        {"anneal: Linear",
         "2:11: unit x: anneal: unknown value 'Linear': expected one of: none, linear, cosine; did "
         "you mean 'linear'?"},
        {"anneal: []",
         "2:11: unit x: anneal: a list was given: expected one of: none, linear, cosine"},
        {"sizes: 8", "2:10: unit x: sizes: '8' is not a list: expected list of int, 1 to 64"},
        {"sizes:", "2:9: unit x: sizes: no value was given: expected list of int, 1 to 64"},
        {"sizes: [8, x]",
         "2:14: unit x: sizes: 'x' is not a whole number: expected list of int, 1 to 64"},
        {"sizes: [8, 65]",
         "2:14: unit x: sizes: 65 is out of range: expected list of int, 1 to 64"},
        {"rates: [[0]]", "2:11: unit x: rates: a list was given: expected list of real, 0 to 1"},
        {"ops: skip", "2:8: unit x: ops: 'skip' is not a list: expected list of text"},
        {"ops: [a, {b: c}]", "2:12: unit x: ops: a section was given: expected list of text"},
        {"stepz: 1", "2:3: unit x: unknown key 'stepz'; did you mean 'steps'?"},
        {"tilte: 1", "2:3: unit x: unknown key 'tilte'; did you mean 'title'?"},
        {"ues: y", "2:3: unit x: unknown key 'ues'; did you mean 'use'?"},
        {"momentum: 1",
         "2:3: unit x: unknown key 'momentum'; known here: use, steps, rate, share, fast, title, "
         "path, anneal, sizes, rates, ops, old, low, cost.budget, cost.weight, high"},
        {"old: 4", "2:3: warning: unit x: 'old' is deprecated: use steps"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256], expected[512];
        told_end(&told);
        told_begin(&told);
        snprintf(text, sizeof text, "s:\n  %s\n", cases[i][0]);
        snprintf(expected, sizeof expected, "t.yaml:%s\n", cases[i][1]);
        bound(text);
        assert_string_equal(told_text(&told), expected);
        assert_int_equal(told.faults.count, strstr(expected, "warning") == NULL);
    }
}

static void a_deprecated_option_still_works(void **state) {
    assert_int_equal(bound("s: {old: 4}\n").old, 4);
}

static void a_faulty_value_leaves_the_default(void **state) {
    const struct everything x = bound("s: {steps: 0, rate: x, fast: 1, title: [], anneal: z}\n");
    assert_int_equal(told.faults.count, 5);
    check_defaults(&x);
}

static void a_section_must_be_a_map(void **state) {
    bound("s: [1, 2]\n");
    bound("s: word\n");
    assert_string_equal(told_text(&told),
                        "t.yaml:1:4: unit x: expected a section (key: value lines)\n"
                        "t.yaml:1:4: unit x: expected a section (key: value lines)\n");
}

static void required_keys_point_to_the_section(void **state) {
    bound_strict("r: 1\ns:\n  ops: [a]\n");
    bound_strict("r: 1\ns:\n");
    bound_strict("r: 1\n");
    assert_string_equal(told_text(&told),
                        "t.yaml:2:1: unit y: the key 'cells' is required: how many cells\n"
                        "t.yaml:2:1: unit y: the key 'cells' is required: how many cells\n"
                        "unit y: the key 'cells' is required: how many cells\n");
}

static void hundreds_of_unknown_keys_are_all_reported(void **state) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    fputs("s:\n", out);
    for (int i = 0; i < 600; i++) {
        fprintf(out, "  unknown_%d: 1\n", i);
    }
    fclose(out);
    bound(text);
    assert_int_equal(told.faults.count, 600);
    assert_int_equal(told.faults.last->mark.line, 601);
    free(text);
}

/* A value of any length leaves the message readable. */
static void endless_values_are_cut_in_messages(void **state) {
    char *value = repeated("x", 5000);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    fprintf(out, "s:\n  steps: %s\n  %.900s: 1\n", value, value);
    fclose(out);
    bound(text);
    const char *said = told_text(&told);
    assert_non_null(strstr(said, "xxx' is not a whole number: expected int, 1 to 100\n"));
    assert_non_null(strstr(said, "xxx'; known here: use, steps"));
    assert_true(strlen(said) < 600);
    free(text);
    free(value);
}

/* ---- paths and merged files --------------------------------------------------------------- */

static void paths_are_relative_to_their_file(void **state) {
    char here[4096], expected[8192];
    assert_non_null(getcwd(here, sizeof here));
    const struct everything x = bound("s: {path: data/a}\n"); /* t.yaml has no folder */
    snprintf(expected, sizeof expected, "%s/data/a", here);
    assert_string_equal(x.path, expected);

    const char *text = "s: {path: ../b}\n";
    struct nas_yaml *root =
        nas_yaml_parse(&told.arena, "/etc/runs/c.yaml", text, strlen(text), &told.faults);
    struct everything y;
    nas_schema_bind(&told.arena, &everything_options, nas_yaml_get(root, "s"), NULL, "u", &y,
                    &told.faults);
    assert_string_equal(y.path, "/etc/runs/../b");

    nas_yaml_get(nas_yaml_get(root, "s"), "path")->mark = (struct nas_mark){"argument 1", 0, 0};
    nas_schema_bind(&told.arena, &everything_options, nas_yaml_get(root, "s"), NULL, "u", &y,
                    &told.faults);
    snprintf(expected, sizeof expected, "%s/../b", here);
    assert_string_equal(y.path, expected);
    assert_int_equal(told.faults.count, 0);
}

static void a_merged_file_gives_what_the_section_does_not(void **state) {
    char folder[256], main_path[512], file_path[512], expected[1024];
    struct strict x = {0};
    folder_new(folder, sizeof folder);
    file_write(folder, "g.yaml", "cells: 4\nops: [a, b]\ndata: images\n", file_path,
               sizeof file_path);
    file_write(folder, "c.yaml", "s:\n  file: g.yaml\n  ops: [mine]\n", main_path,
               sizeof main_path);
    struct nas_yaml *root = nas_yaml_read(&told.arena, main_path, &told.faults);
    nas_schema_bind(&told.arena, &strict_options, nas_yaml_get(root, "s"), NULL, "u", &x,
                    &told.faults);
    assert_string_equal(told_text(&told), "");
    assert_int_equal(x.cells, 4);
    assert_int_equal(x.ops.n, 1);
    assert_string_equal(x.ops.at[0], "mine");
    snprintf(expected, sizeof expected, "%s/images", folder);
    assert_string_equal(x.data, expected);
    folder_remove(folder, (const char *const[]){"g.yaml", "c.yaml", NULL});
}

static void faults_of_a_merged_file_point_there(void **state) {
    char folder[256], main_path[512], file_path[512], expected[4096];
    struct strict x = {0};
    folder_new(folder, sizeof folder);
    file_write(folder, "g.yaml", "cells: 99\nopps: [a]\n", file_path, sizeof file_path);
    file_write(folder, "c.yaml", "s:\n  file: g.yaml\nt:\n  file: none.yaml\n", main_path,
               sizeof main_path);
    struct nas_yaml *root = nas_yaml_read(&told.arena, main_path, &told.faults);
    nas_schema_bind(&told.arena, &strict_options, nas_yaml_get(root, "s"), NULL, "u", &x,
                    &told.faults);
    nas_schema_bind(&told.arena, &strict_options, nas_yaml_get(root, "t"), NULL, "v", &x,
                    &told.faults);
    snprintf(expected, sizeof expected,
             "%s:1:8: u: cells: 99 is out of range: expected int, 1 to 20\n"
             "%s:2:1: u: unknown key 'opps'; did you mean 'ops'?\n"
             "%s/none.yaml: cannot read: No such file or directory\n"
             "%s:4:9: v: file: the file could not be used\n"
             "%s:3:1: v: the key 'cells' is required: how many cells\n",
             file_path, file_path, folder, main_path, main_path);
    assert_string_equal(told_text(&told), expected);
    folder_remove(folder, (const char *const[]){"g.yaml", "c.yaml", NULL});
}

/* ---- writing ------------------------------------------------------------------------------ */

static const char *written(const struct everything *x) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    fputs("s:\n", out);
    nas_schema_write(&everything_options, x, 2, out);
    fclose(out);
    const char *copy = nas_arena_text(&told.arena, text);
    free(text);
    return copy;
}

static void check_same(const struct everything *a, const struct everything *b) {
    assert_int_equal(a->steps, b->steps);
    assert_memory_equal(&a->rate, &b->rate, sizeof a->rate);
    assert_memory_equal(&a->share, &b->share, sizeof a->share);
    assert_int_equal(a->fast, b->fast);
    assert_string_equal(a->title, b->title);
    assert_string_equal(a->path, b->path);
    assert_int_equal(a->anneal, b->anneal);
    assert_int_equal(a->sizes.n, b->sizes.n);
    assert_memory_equal(a->sizes.at, b->sizes.at, (size_t)a->sizes.n * sizeof a->sizes.at[0]);
    assert_int_equal(a->rates.n, b->rates.n);
    assert_memory_equal(a->rates.at, b->rates.at, (size_t)a->rates.n * sizeof a->rates.at[0]);
    assert_int_equal(a->ops.n, b->ops.n);
    for (int64_t i = 0; i < a->ops.n; i++) {
        assert_string_equal(a->ops.at[i], b->ops.at[i]);
    }
    assert_int_equal(a->old, b->old);
    assert_int_equal(a->low, b->low);
    assert_memory_equal(&a->high, &b->high, sizeof a->high);
    assert_int_equal(a->cost.budget, b->cost.budget);
    assert_memory_equal(&a->cost.weight, &b->cost.weight, sizeof a->cost.weight);
}

static void check_round_trip(const struct everything *x) {
    const char *text = written(x);
    const struct everything back = bound(text);
    if (told.faults.count > 0) {
        fail_msg("%s was not read back: %s", text, told_text(&told));
    }
    check_same(x, &back);
}

static void defaults_are_spelled_out(void **state) {
    const struct everything x = bound("");
    assert_string_equal(written(&x), "s:\n"
                                     "  steps: 5\n"
                                     "  rate: 0.005\n"
                                     "  share: 0.5\n"
                                     "  fast: true\n"
                                     "  title: \"none: yet\"\n"
                                     "  path: \"\"\n"
                                     "  anneal: linear\n"
                                     "  sizes: [8, 16, 32]\n"
                                     "  rates: []\n"
                                     "  ops: [skip, conv_3x3]\n"
                                     "  low: 0\n"
                                     "  cost:\n"
                                     "    budget: 7\n"
                                     "    weight: 0.5\n"
                                     "  high: 0\n");
    check_round_trip(&x);
}

static void a_deprecated_option_is_written_where_it_was_set(void **state) {
    struct everything x = bound("");
    x.old = 8;
    assert_non_null(strstr(written(&x), "\n  old: 8\n"));
    check_round_trip(&x);
}

static void merge_paths_are_left_out(void **state) {
    static const char *const ops[] = {"a"};
    const struct strict x = {3, "/some/file", "/d", {ops, 1}};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    nas_schema_write(&strict_options, &x, 0, out);
    fclose(out);
    assert_string_equal(text, "cells: 3\ndata: /d\nops: [a]\n");
    free(text);
}

static void every_text_round_trips(void **state) {
    static const char *const texts[] = {"",
                                        "plain",
                                        "two words",
                                        " leading",
                                        "trailing ",
                                        "true",
                                        "No",
                                        "null",
                                        "~",
                                        "1.5",
                                        "-3",
                                        "1e3",
                                        "a: b",
                                        "a:b",
                                        "a #b",
                                        "#a",
                                        "- a",
                                        "-",
                                        "--- a",
                                        "? a",
                                        "a?",
                                        "[a",
                                        "a]",
                                        "{a}",
                                        "a, b",
                                        "&a",
                                        "*a",
                                        "!a",
                                        "|",
                                        ">",
                                        "%a",
                                        "@a",
                                        "`a",
                                        "=",
                                        "'",
                                        "it's",
                                        "\"",
                                        "say \"x\"",
                                        "back\\slash",
                                        "C:\\n",
                                        "\\",
                                        "line\nbreak",
                                        "\n",
                                        "cr\r\nlf",
                                        "tab\there",
                                        "\t",
                                        "bell\a",
                                        "\x01\x1f\x7f",
                                        "\xC3\xA4 \xC3\xB6",
                                        "\xE6\xBC\xA2\xE5\xAD\x97",
                                        "\xF0\x9F\x98\x80",
                                        "nel\xC2\x85x",
                                        "c1 \xC2\x80\xC2\x9F",
                                        "ls\xE2\x80\xA8ps\xE2\x80\xA9",
                                        "ls \xE2\x80\xA8 x",
                                        "ps \xE2\x80\xA9 x",
                                        "\xEF\xBB\xBF bom",
                                        "\xEF\xBF\xBF",
                                        "nbsp\xC2\xA0",
                                        "...",
                                        "<<",
                                        "a  b   c"};
    enum { N = sizeof texts / sizeof texts[0] };
    struct everything x = bound("");
    for (size_t i = 0; i < N; i++) {
        x.title = texts[i];
        x.ops = (struct mn_texts){&texts[i], 1};
        check_round_trip(&x);
    }
    x.ops = (struct mn_texts){texts, N};
    check_round_trip(&x);
}

/* A text of up to 12 characters, most of them special to YAML; lives in the arena. */
static const char *any_text(struct mn_rng *rng) {
    static const char *const parts[] = {
        "a",  "1",  ".", "-", " ", ":",  "#", ",",    "[", "}", "\"",       "'",        "\\",  "?",
        "\n", "\t", "!", "&", "|", "\r", "%", "true", "_", "e", "\xC3\xA4", "\xC2\x85", "\x02"};
    char text[64] = "";
    for (uint32_t n = mn_rng_below(rng, 13); n > 0; n--) {
        strcat(text, parts[mn_rng_below(rng, sizeof parts / sizeof parts[0])]);
    }
    return nas_arena_text(&told.arena, text);
}

static double any_real(struct mn_rng *rng, double low, double high) {
    for (;;) {
        const uint64_t bits = (uint64_t)mn_rng_u32(rng) << 32 | mn_rng_u32(rng);
        double x;
        memcpy(&x, &bits, sizeof x);
        if (isfinite(x) && x >= low && x <= high) {
            return x;
        }
    }
}

static void random_instances_round_trip(void **state) {
    struct mn_rng rng = mn_rng_make(21, MN_RNG_PLUGIN, 0, 0, 0, 0);
    for (int round = 0; round < 1500; round++) {
        told_end(&told);
        told_begin(&told);
        int64_t sizes[5];
        double rates[5];
        const char *ops[5];
        for (int i = 0; i < 5; i++) {
            sizes[i] = 1 + mn_rng_below(&rng, 64);
            rates[i] = any_real(&rng, 0, 1);
            ops[i] = any_text(&rng);
        }
        const struct everything x = {
            .steps = 1 + mn_rng_below(&rng, 100),
            .rate = any_real(&rng, 0, 1000),
            .share = any_real(&rng, DBL_TRUE_MIN, 1 - DBL_EPSILON),
            .fast = mn_rng_below(&rng, 2) == 1,
            .title = any_text(&rng),
            .path = nas_arena_format(&told.arena, "/%s", any_text(&rng)),
            .anneal = (int32_t)mn_rng_below(&rng, 3),
            .sizes = {sizes, mn_rng_below(&rng, 6)},
            .rates = {rates, mn_rng_below(&rng, 6)},
            .ops = {ops, mn_rng_below(&rng, 6)},
            .old = mn_rng_below(&rng, 10),
            .low = (int64_t)((uint64_t)mn_rng_u32(&rng) << 31 | mn_rng_u32(&rng) >> 1),
            .high = any_real(&rng, -DBL_MAX, 6),
            .cost = {mn_rng_below(&rng, 1000), any_real(&rng, 0, 1)}};
        check_round_trip(&x);
    }
}

static void ranges_and_defaults_for_people(void **state) {
    static const char *const cases[][2] = {{"int, 1 to 100", "5"},
                                           {"real, 0 to 1000", "0.005"},
                                           {"real, above 0 to below 1", "0.5"},
                                           {"true or false", "true"},
                                           {"text", "none: yet"},
                                           {"path", "(none)"},
                                           {"one of: none, linear, cosine", "linear"},
                                           {"list of int, 1 to 64", "[8, 16,32]"},
                                           {"list of real, 0 to 1", "[]"},
                                           {"list of text", "[skip, conv_3x3]"},
                                           {"int, 0 to 9", "3"},
                                           {"int, at least -9007199254740992", "0"},
                                           {"int, 0 to 1000000000", "7"},
                                           {"real, 0 to 1", "0.5"},
                                           {"real, below 7", "0"}};
    char text[128];
    for (uint32_t i = 0; i < everything_options.n; i++) {
        const struct mn_opt *o = &everything_options.at[i];
        assert_string_equal(nas_option_range(o, text, sizeof text), cases[i][0]);
        assert_string_equal(nas_option_default(o, text, sizeof text), cases[i][1]);
    }
    assert_string_equal(nas_option_default(&strict_options.at[0], text, sizeof text), "(required)");
    assert_string_equal(nas_option_range(&everything_options.at[6], text, 12), "one of: non");
}

/* The table of everything with all of it deprecated: at its default nothing of it is written, but
 * lists, and all of it that has another value. */
static void deprecated_options_of_every_type(void **state) {
    enum { MOST = 32 };
    struct mn_opt table[MOST];
    const uint32_t n = everything_options.n;
    assert_in_range(n, 1, MOST);
    for (uint32_t i = 0; i < n; i++) {
        table[i] = everything_options.at[i];
        table[i].flags |= MN_OPT_DEPRECATED;
    }
    const struct nas_options options = {table, n};
    struct everything x = bound("s: {}\n");
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    nas_schema_write(&options, &x, 0, out);
    fclose(out);
    assert_string_equal(text, "sizes: [8, 16, 32]\nrates: []\nops: [skip, conv_3x3]\n");
    free(text);
    x = bound("s: {steps: 6, rate: 1, fast: false, title: t, path: /p, anneal: cosine, "
              "cost: {weight: 1}}\n");
    out = open_memstream(&text, &length);
    nas_schema_write(&options, &x, 0, out);
    fclose(out);
    const char *const lines[] = {"steps: 6\n",          "rate: 1\n", "fast: false\n",
                                 "title: t\n",          "path: ",    "anneal: cosine\n",
                                 "cost:\n  weight: 1\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_non_null(strstr(text, lines[i]));
    }
    assert_null(strstr(text, "share"));
    free(text);
}

/* More keys than a message holds are cut with dots. */
static void many_known_keys_are_cut(void **state) {
    enum { KEYS = 100 };
    static struct mn_opt table[KEYS];
    static char keys[KEYS][16];
    for (int i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "option_%d", i);
        table[i] = everything_options.at[0];
        table[i].key = keys[i];
    }
    const struct nas_options options = {table, KEYS};
    struct everything x;
    struct nas_yaml *root = told_parse(&told, "s: {momentum: 2}\n");
    nas_schema_bind(&told.arena, &options, nas_yaml_get(root, "s"), NULL, "u", &x, &told.faults);
    assert_int_equal(told.faults.count, 1);
    const char *said = told.faults.first->text;
    assert_non_null(strstr(said, "known here: option_0, option_1, "));
    assert_string_equal(said + strlen(said) - 5, ", ...");
    assert_null(strstr(said, "option_99"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(missing_keys_take_their_defaults),
        CASE(every_type_is_read),
        CASE(a_section_lies_in_the_section),
        CASE(faults_of_a_section_in_the_section),
        CASE(a_value_in_place_of_a_section),
        CASE(whole_numbers_are_compared_as_integers),
        CASE(wrong_values_are_told_with_what_was_expected),
        CASE(a_deprecated_option_still_works),
        CASE(a_faulty_value_leaves_the_default),
        CASE(a_section_must_be_a_map),
        CASE(required_keys_point_to_the_section),
        CASE(hundreds_of_unknown_keys_are_all_reported),
        CASE(endless_values_are_cut_in_messages),
        CASE(paths_are_relative_to_their_file),
        CASE(a_merged_file_gives_what_the_section_does_not),
        CASE(faults_of_a_merged_file_point_there),
        CASE(defaults_are_spelled_out),
        CASE(a_deprecated_option_is_written_where_it_was_set),
        CASE(merge_paths_are_left_out),
        CASE(every_text_round_trips),
        CASE(random_instances_round_trip),
        CASE(ranges_and_defaults_for_people),
        CASE(deprecated_options_of_every_type),
        CASE(many_known_keys_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
