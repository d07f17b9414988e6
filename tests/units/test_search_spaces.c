/* SPDX-License-Identifier: MIT */
#include "check.h"
#include "record.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

struct bench {
    struct mock mock;
    struct mn_builder *builder;
    struct unit unit;
    const struct mn_search_space *table;
    struct mn_dims dims;
};

static void bench_open(struct bench *b, const char *space) {
    memset(b, 0, sizeof *b);
    mock_init(&b->mock);
    b->dims = (struct mn_dims){
        .size = sizeof b->dims, .ways = 20, .channels = 1, .height = 28, .width = 28};
    b->builder = malloc(sizeof *b->builder);
    assert_non_null(b->builder);
    record_install(&b->mock, b->builder, &b->dims);
    b->unit = unit_open(space, MN_SEARCH_SPACE);
    b->table = b->unit.about->vtable;
    assert_int_equal(b->table->size, sizeof *b->table);
    if (strcmp(space, "mb_chain") != 0 && strcmp(space, "nasbench201") != 0) {
        unit_int(&b->unit, "channels", strcmp(space, "conv4") == 0 ? 32 : 28);
    }
}

static void bench_close(struct bench *b) {
    unit_close(&b->unit);
    free(b->builder);
    mock_fini(&b->mock);
}

static int check(struct bench *b) {
    return b->table->check != NULL ? b->table->check(b->unit.self, &b->mock.ctx) : MN_OK;
}

static int build(struct bench *b) {
    return b->table->build(b->unit.self, &b->mock.ctx, &b->dims, b->builder);
}

static void build_anew(struct bench *b) {
    record_install(&b->mock, b->builder, &b->dims);
    assert_int_equal(check(b), MN_OK);
    assert_int_equal(build(b), MN_OK);
}

static void expect_text(const char *got, const char *expected) {
    if (strcmp(got, expected) != 0) {
        fail_msg("got:\n%s\nexpected:\n%s", got, expected);
    }
}

static void expect_in(const struct bench *b, const char *line) {
    if (strstr(b->builder->text, line) == NULL) {
        fail_msg("no '%s' in:\n%s", line, b->builder->text);
    }
}

static void expect_not_in(const struct bench *b, const char *part) {
    if (strstr(b->builder->text, part) != NULL) {
        fail_msg("'%s' in:\n%s", part, b->builder->text);
    }
}

static int count(const struct bench *b, const char *part) {
    int n = 0;
    for (const char *at = strstr(b->builder->text, part); at != NULL; at = strstr(at + 1, part)) {
        n++;
    }
    return n;
}

/* Replace every '*' by the candidates. */
static void fill_in(const char *text, const char *ops, char *out, size_t size) {
    size_t n = 0;
    for (; *text != '\0'; text++) {
        const size_t length = *text == '*' ? strlen(ops) : 1;
        assert_true(n + length < size);
        memcpy(out + n, *text == '*' ? ops : text, length);
        n += length;
    }
    out[n] = '\0';
}

/* ---- darts -------------------------------------------------------------------------------- */

#define PAPER_OPS                                                                                  \
    "max_pool_3x3,avg_pool_3x3,skip_connect,conv_1x5_5x1,conv_3x3,sep_conv_3x3,dil_conv_3x3"

/* The network of the paper: cells 1 and 3 halve the image, so the older input of cell 2 comes by a
 * factorized reduce; 2 + 3 + 4 edges a cell. */
static const char paper_network[] =
    "drop_path 0 0\n"
    "conv stem 0: channels 84, kernel 3, stride 1, a -> 1\n"
    "conv cells.0.preproc0 1: channels 28, kernel 1, stride 1, r -> 2\n"
    "conv cells.0.preproc1 1: channels 28, kernel 1, stride 1, r -> 3\n"
    "node cells.0.nodes.0 [normal.0]: channels 28, -: 2/1 * | 3/1 * -> 4\n"
    "node cells.0.nodes.1 [normal.1]: channels 28, -: 2/1 * | 3/1 * | 4/1 * -> 5\n"
    "node cells.0.nodes.2 [normal.2]: channels 28, -: 2/1 * | 3/1 * | 4/1 * | 5/1 * -> 6\n"
    "concat cells.0: 4 5 6 -> 7\n"
    "conv cells.1.preproc0 1: channels 28, kernel 1, stride 1, r -> 8\n"
    "conv cells.1.preproc1 7: channels 28, kernel 1, stride 1, r -> 9\n"
    "node cells.1.nodes.0 [reduction.0]: channels 28, -: 8/2 * | 9/2 * -> 10\n"
    "node cells.1.nodes.1 [reduction.1]: channels 28, -: 8/2 * | 9/2 * | 10/1 * -> 11\n"
    "node cells.1.nodes.2 [reduction.2]: channels 28, -: 8/2 * | 9/2 * | 10/1 * | 11/1 * -> 12\n"
    "concat cells.1: 10 11 12 -> 13\n"
    "reduce cells.2.preproc0 7: channels 28, - -> 14\n"
    "conv cells.2.preproc1 13: channels 28, kernel 1, stride 1, r -> 15\n"
    "node cells.2.nodes.0 [normal.0]: channels 28, -: 14/1 * | 15/1 * -> 16\n"
    "node cells.2.nodes.1 [normal.1]: channels 28, -: 14/1 * | 15/1 * | 16/1 * -> 17\n"
    "node cells.2.nodes.2 [normal.2]: channels 28, -: 14/1 * | 15/1 * | 16/1 * | 17/1 * -> 18\n"
    "concat cells.2: 16 17 18 -> 19\n"
    "conv cells.3.preproc0 13: channels 28, kernel 1, stride 1, r -> 20\n"
    "conv cells.3.preproc1 19: channels 28, kernel 1, stride 1, r -> 21\n"
    "node cells.3.nodes.0 [reduction.0]: channels 28, -: 20/2 * | 21/2 * -> 22\n"
    "node cells.3.nodes.1 [reduction.1]: channels 28, -: 20/2 * | 21/2 * | 22/1 * -> 23\n"
    "node cells.3.nodes.2 [reduction.2]: channels 28, -: 20/2 * | 21/2 * | 22/1 * | 23/1 * -> 24\n"
    "concat cells.3: 22 23 24 -> 25\n"
    "head head 25: average\n";

static void darts_builds_the_paper_network(void **state) {
    char expected[16384];
    struct bench b;
    bench_open(&b, "darts");
    fill_in(paper_network, PAPER_OPS, expected, sizeof expected);
    assert_int_equal(check(&b), MN_OK);
    assert_int_equal(build(&b), MN_OK);
    expect_text(b.builder->text, expected);
    bench_close(&b);
}

static void every_size_of_darts_is_an_option(void **state) {
    static const char *const ops[] = {"none", "conv_3x3"};
    struct bench b;
    bench_open(&b, "darts");
    unit_int(&b.unit, "cells", 1);
    unit_int(&b.unit, "nodes", 1);
    unit_int(&b.unit, "channels", 16);
    unit_int(&b.unit, "stem_multiplier", 2);
    unit_texts(&b.unit, "ops", ops, 2);
    unit_real(&b.unit, "drop_path", 0.25);
    unit_bool(&b.unit, "drop_path_ramp", true);
    unit_bool(&b.unit, "affine", true);
    build_anew(&b);
    expect_text(b.builder->text,
                "drop_path 0.25 1\n"
                "conv stem 0: channels 32, kernel 3, stride 1, a -> 1\n"
                "conv cells.0.preproc0 1: channels 16, kernel 1, stride 1, ra -> 2\n"
                "conv cells.0.preproc1 1: channels 16, kernel 1, stride 1, ra -> 3\n"
                "node cells.0.nodes.0 [normal.0]: channels 16, a: 2/1 none,conv_3x3 | 3/1 "
                "none,conv_3x3 -> 4\n"
                "concat cells.0: 4 -> 5\n"
                "head head 5: average\n");
    bench_close(&b);
}

/* A factorized reduce stands exactly where the cell before was a reduction cell. */
static void reduction_cells_can_be_chosen(void **state) {
    const int64_t none[] = {-1}, two[] = {1, 2}, first[] = {0};
    struct bench b;
    bench_open(&b, "darts");
    unit_ints(&b.unit, "reduction_cells", none, 1);
    build_anew(&b);
    expect_not_in(&b, "reduc");
    expect_not_in(&b, "/2 ");
    unit_ints(&b.unit, "reduction_cells", two, 2);
    build_anew(&b);
    assert_int_equal(count(&b, "\nreduce "), 2);
    expect_in(&b, "\nreduce cells.2.preproc0 7: channels 28, - -> 14\n");
    expect_in(&b, "\nreduce cells.3.preproc0 13: channels 28, - -> 20\n");
    expect_in(&b, "\nnode cells.2.nodes.0 [reduction.0]: channels 28, -: 14/2 ");
    expect_in(&b, "\nnode cells.3.nodes.0 [normal.0]: channels 28, -: 20/1 ");
    unit_ints(&b.unit, "reduction_cells", first, 1);
    unit_bool(&b.unit, "affine", true);
    build_anew(&b);
    assert_int_equal(count(&b, "\nreduce "), 1);
    expect_in(&b, "\nreduce cells.1.preproc0 1: channels 28, a -> 8\n");
    bench_close(&b);
}

/* 7 cells: 1, 3 and 5. */
static void odd_cells_reduce_by_default(void **state) {
    struct bench b;
    bench_open(&b, "darts");
    unit_int(&b.unit, "cells", 7);
    build_anew(&b);
    for (int cell = 0; cell < 7; cell++) {
        char line[64];
        snprintf(line, sizeof line, "\nnode cells.%d.nodes.0 [%s.0]", cell,
                 cell % 2 == 1 ? "reduction" : "normal");
        expect_in(&b, line);
    }
    assert_int_equal(count(&b, "\nreduce "), 3);
    bench_close(&b);
}

static void expect_bad(struct bench *b, const char *key, const char *text) {
    assert_int_equal(check(b), MN_CONFIG);
    mock_expect(&b->mock, MN_CONFIG, key, text);
}

static void darts_refuses_what_cannot_be(void **state) {
    static const char *const twice[] = {"conv_3x3", "none", "conv_3x3"};
    const int64_t beyond[] = {1, 4}, mixed[] = {-1, 2};
    struct bench b;
    bench_open(&b, "darts");
    unit_int(&b.unit, "channels", 27);
    expect_bad(&b, "channels", "27");
    unit_int(&b.unit, "channels", 4096);
    unit_int(&b.unit, "stem_multiplier", 17);
    expect_bad(&b, "stem_multiplier", "69632");
    unit_int(&b.unit, "channels", 28);
    unit_ints(&b.unit, "reduction_cells", beyond, 2);
    expect_bad(&b, "reduction_cells", "cell 4 does not exist");
    unit_ints(&b.unit, "reduction_cells", mixed, 2);
    expect_bad(&b, "reduction_cells", "-1");
    unit_ints(&b.unit, "reduction_cells", NULL, 0);
    unit_texts(&b.unit, "ops", twice, 3);
    expect_bad(&b, "ops", "conv_3x3");
    unit_texts(&b.unit, "ops", NULL, 0);
    expect_bad(&b, "ops", "0 candidates");
    bench_close(&b);
}

/* ---- pc_darts ----------------------------------------------------------------------------- */

/* The network of darts, with partial nodes. */
static void pc_darts_has_partial_nodes(void **state) {
    char expected[16384], *at = expected;
    struct bench b;
    bench_open(&b, "pc_darts");
    fill_in(paper_network, PAPER_OPS, expected, sizeof expected);
    build_anew(&b);
    for (const char *got = b.builder->text; *got != '\0'; got++, at++) {
        const size_t partial = strncmp(got, ", partial 2", 11) == 0 ? 11 : 0;
        got += partial;
        assert_int_equal(*got, *at);
    }
    assert_int_equal(*at, '\0');
    assert_int_equal(count(&b, ", partial 2: "), count(&b, "\nnode "));
    unit_int(&b.unit, "k", 4);
    unit_int(&b.unit, "channels", 24);
    build_anew(&b);
    assert_int_equal(count(&b, "channels 24, -, partial 4: "), 12);
    unit_int(&b.unit, "k", 1);
    build_anew(&b);
    expect_not_in(&b, "partial");
    bench_close(&b);
}

static void pc_darts_needs_channels_that_divide(void **state) {
    struct bench b;
    struct mn_budget got;
    bench_open(&b, "pc_darts");
    unit_int(&b.unit, "k", 4);
    expect_bad(&b, "channels", "28 is not a multiple of 2 k = 8");
    unit_int(&b.unit, "channels", 12);
    expect_bad(&b, "channels", "12 is not");
    unit_int(&b.unit, "channels", 16);
    assert_int_equal(check(&b), MN_OK);
    assert_int_equal(b.table->budget(b.unit.self, &b.mock.ctx, &got), MN_OK);
    assert_true(got.least == 8 && got.step == 8 && got.most == 4096);
    bench_close(&b);
}

/* ---- mb_chain ----------------------------------------------------------------------------- */

static void mb_chain_is_a_chain_of_blocks(void **state) {
    static const char *const ops[] = {"mb_conv_3x3_e3", "mb_conv_5x5_e6"};
    static const int64_t widths[] = {16, 24, 32};
    struct bench b;
    bench_open(&b, "mb_chain");
    unit_texts(&b.unit, "ops", ops, 2);
    unit_ints(&b.unit, "widths", widths, 3);
    build_anew(&b);
    expect_in(&b, "conv stem 0: channels 16, kernel 3, stride 1, Ra -> 1\n"
                  "node stages.0.blocks.0 [block0]: channels 16, a: 1/2 "
                  "mb_conv_3x3_e3,mb_conv_5x5_e6 -> 2\n"
                  "node stages.0.blocks.1 [block1]: channels 16, a: 2/1 "
                  "mb_conv_3x3_e3,mb_conv_5x5_e6,none -> 3\n"
                  "sum stages.0.sums.1: 2 3 -> 4\n"
                  "node stages.1.blocks.0 [block2]: channels 24, a: 4/2 ");
    expect_in(
        &b,
        "\nconv features 10: channels 64, kernel 1, stride 1, Ra -> 11\nhead head 11: average\n");
    unit_bool(&b.unit, "skip", 0);
    unit_int(&b.unit, "features", 0);
    build_anew(&b);
    expect_not_in(&b, "none");
    expect_in(&b, "\nhead head 10: average\n");
    bench_close(&b);
}

/* ---- nasbench201 -------------------------------------------------------------------------- */

static void nasbench201_is_three_stages_of_cells(void **state) {
    struct bench b;
    char text[8192];
    bench_open(&b, "nasbench201");
    unit_int(&b.unit, "cells", 1);
    build_anew(&b);
    fill_in("conv stem 0: channels 16, kernel 3, stride 1, a -> 1\n"
            "node cells.0.nodes.0 [cell.0]: channels 16, a: 1/1 * -> 2\n"
            "node cells.0.nodes.1 [cell.1]: channels 16, a: 1/1 * | 2/1 * -> 3\n"
            "node cells.0.nodes.2 [cell.2]: channels 16, a: 1/1 * | 2/1 * | 3/1 * -> 4\n"
            "conv blocks.0.conv_a 4: channels 32, kernel 3, stride 2, ra -> 5\n"
            "conv blocks.0.conv_b 5: channels 32, kernel 3, stride 1, ra -> 6\n"
            "avg_pool blocks.0.pool 4: 2, 2 -> 7\n"
            "conv blocks.0.shortcut 7: channels 32, kernel 1, stride 1, a -> 8\n"
            "sum blocks.0.sum: 6 8 -> 9\n"
            "node cells.1.nodes.0 [cell.0]: channels 32, a: 9/1 * -> 10\n",
            "none,skip_connect,dense_conv_1x1,dense_conv_3x3,avg_pool_3x3", text, sizeof text);
    expect_in(&b, text);
    expect_in(&b, "\nnode cells.2.nodes.2 [cell.2]: channels 64, ");
    unit_int(&b.unit, "cells", 2);
    unit_bool(&b.unit, "shared", 0);
    build_anew(&b);
    expect_in(&b, "\nnode cells.1.nodes.0 [cell1.0]: channels 16, ");
    bench_close(&b);
}

/* ---- conv4 -------------------------------------------------------------------------------- */

static void conv4_is_the_reptile_network(void **state) {
    struct bench b;
    bench_open(&b, "conv4");
    build_anew(&b);
    expect_text(b.builder->text, "conv blocks.0 0: channels 32, kernel 3, stride 1, Rba -> 1\n"
                                 "max_pool blocks.0.pool 1: 2, 2 -> 2\n"
                                 "conv blocks.1 2: channels 32, kernel 3, stride 1, Rba -> 3\n"
                                 "max_pool blocks.1.pool 3: 2, 2 -> 4\n"
                                 "conv blocks.2 4: channels 32, kernel 3, stride 1, Rba -> 5\n"
                                 "max_pool blocks.2.pool 5: 2, 2 -> 6\n"
                                 "conv blocks.3 6: channels 32, kernel 3, stride 1, Rba -> 7\n"
                                 "max_pool blocks.3.pool 7: 2, 2 -> 8\n"
                                 "head head 8: flatten\n");
    assert_int_equal(b.builder->n_w, 28980);
    unit_int(&b.unit, "channels", 64);
    build_anew(&b);
    assert_int_equal(b.builder->n_w, 113236);
    unit_int(&b.unit, "blocks", 2);
    build_anew(&b);
    assert_int_equal(count(&b, "conv blocks"), 2);
    bench_close(&b);
}

/* ---- size --------------------------------------------------------------------------------- */

static const char *const sized[] = {"darts", "pc_darts", "conv4"};

static void expect_budget(struct bench *b, int64_t weights) {
    struct mn_budget got;
    memset(&got, 9, sizeof got);
    assert_int_equal(b->table->budget(b->unit.self, &b->mock.ctx, &got), MN_OK);
    assert_int_equal(got.size, sizeof got);
    assert_int_equal(got.weights, weights);
    assert_string_equal(got.key, "parameters");
    assert_true(got.least >= 1 && got.step >= 1 && got.most >= got.least);
    assert_int_equal((got.most - got.least) % got.step, 0);
}

static void a_budget_takes_the_place_of_channels(void **state) {
    static const struct {
        const char *text;
        int64_t weights;
    } cases[] = {{"1", 1},         {"30000", 30000}, {"30k", 30000},
                 {"100k", 100000}, {"1M", 1000000},  {"1000000000000", 1000000000000},
                 {"007k", 7000}};
    for (size_t s = 0; s < sizeof sized / sizeof *sized; s++) {
        struct bench b;
        bench_open(&b, sized[s]);
        expect_budget(&b, 0);
        unit_int(&b.unit, "channels", 0);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            unit_text(&b.unit, "parameters", cases[i].text);
            expect_budget(&b, cases[i].weights);
        }
        bench_close(&b);
    }
}

/* As if channels had been given from the start. */
static void resize_decides(void **state) {
    struct bench b;
    bench_open(&b, "conv4");
    unit_int(&b.unit, "channels", 12);
    build_anew(&b);
    char *expected = strdup(b.builder->text);
    assert_non_null(expected);
    unit_int(&b.unit, "channels", 0);
    unit_text(&b.unit, "parameters", "5k");
    b.table->resize(b.unit.self, 12);
    expect_budget(&b, 0);
    build_anew(&b);
    expect_text(b.builder->text, expected);
    free(expected);
    bench_close(&b);
}

static void expect_no_budget(const char *space, const char *text) {
    struct bench b;
    struct mn_budget out;
    bench_open(&b, space);
    unit_int(&b.unit, "channels", 0);
    unit_text(&b.unit, "parameters", text);
    expect_bad(&b, "parameters", "is not a number of weights");
    assert_int_equal(b.table->budget(b.unit.self, &b.mock.ctx, &out), MN_CONFIG);
    mock_expect(&b.mock, MN_CONFIG, "parameters", text);
    bench_close(&b);
}

static void just_one_size_is_given(void **state) {
    static const char *const wrong[] = {
        "k",          "0",    "0k",  "-3",  "+3", "3.5k",          "3K",
        "3kk",        "30 k", " 30", "1e5", "M",  "1000000000001", "99999999999999999999",
        "9999999999M"};
    for (size_t s = 0; s < sizeof sized / sizeof *sized; s++) {
        struct bench b;
        bench_open(&b, sized[s]);
        unit_text(&b.unit, "parameters", "30k");
        expect_bad(&b, "parameters", "channels is given, too");
        unit_int(&b.unit, "channels", 0);
        unit_text(&b.unit, "parameters", "");
        expect_bad(&b, "channels", "neither channels nor parameters is given");
        bench_close(&b);
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            expect_no_budget(sized[s], wrong[i]);
        }
    }
}

/* The stem has at most 65536 channels, and cells come in halves. */
static void a_wide_stem_limits_the_channels(void **state) {
    struct bench b;
    struct mn_budget got;
    bench_open(&b, "darts");
    assert_int_equal(b.table->budget(b.unit.self, &b.mock.ctx, &got), MN_OK);
    assert_true(got.least == 2 && got.step == 2 && got.most == 4096);
    unit_int(&b.unit, "stem_multiplier", 63);
    assert_int_equal(b.table->budget(b.unit.self, &b.mock.ctx, &got), MN_OK);
    assert_true(got.most == 1040);
    unit_int(&b.unit, "channels", 1040);
    assert_int_equal(check(&b), MN_OK);
    unit_int(&b.unit, "channels", 1042);
    expect_bad(&b, "stem_multiplier", "65646");
    bench_close(&b);
}

/* ---- all ---------------------------------------------------------------------------------- */

/* The n-th builder call, or the n-th allocation, fails: build stops there with its status. */
static void failures_end_the_build(void **state) {
    static const char *const spaces[] = {"darts", "pc_darts", "conv4", "nasbench201"};
    for (size_t s = 0; s < sizeof spaces / sizeof *spaces; s++) {
        struct bench b;
        bench_open(&b, spaces[s]);
        build_anew(&b);
        const int calls = b.builder->calls;
        const int64_t scratch = b.mock.n_blocks;
        for (int n = 0; n < calls; n++) {
            record_install(&b.mock, b.builder, &b.dims);
            b.builder->fail_at = n;
            assert_int_equal(build(&b), MN_CONFIG);
            assert_int_equal(b.builder->calls, n + 1);
        }
        bench_close(&b);
        for (int64_t n = 0; n < scratch; n++) {
            bench_open(&b, spaces[s]);
            b.mock.memory_left = n;
            int status = check(&b);
            status = status == MN_OK ? build(&b) : status;
            assert_int_equal(status, MN_NOMEM);
            mock_expect(&b.mock, MN_NOMEM, NULL, "scratch");
            bench_close(&b);
        }
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(darts_builds_the_paper_network),
        cmocka_unit_test(every_size_of_darts_is_an_option),
        cmocka_unit_test(reduction_cells_can_be_chosen),
        cmocka_unit_test(odd_cells_reduce_by_default),
        cmocka_unit_test(darts_refuses_what_cannot_be),
        cmocka_unit_test(pc_darts_has_partial_nodes),
        cmocka_unit_test(pc_darts_needs_channels_that_divide),
        cmocka_unit_test(mb_chain_is_a_chain_of_blocks),
        cmocka_unit_test(nasbench201_is_three_stages_of_cells),
        cmocka_unit_test(conv4_is_the_reptile_network),
        cmocka_unit_test(a_budget_takes_the_place_of_channels),
        cmocka_unit_test(resize_decides),
        cmocka_unit_test(just_one_size_is_given),
        cmocka_unit_test(a_wide_stem_limits_the_channels),
        cmocka_unit_test(failures_end_the_build),
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
