/* SPDX-License-Identifier: MIT */
/* Section genotype: what it reads, and what it refuses. */
#include "check.h"

#include "base/ctx.h"
#include "network/fixed.h"

#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static struct nas_ctx context;
static struct mn_ctx *const ctx = &context.pub;
static struct nas_arena arena;

static int begin(void **state) {
    nas_ctx_init(&context, NULL);
    return 0;
}

static int end(void **state) {
    nas_arena_fini(&arena);
    nas_ctx_fini(&context);
    return 0;
}

static int read_text(const char *yaml, struct nas_fixed *out, struct nas_faults *faults) {
    *faults = (struct nas_faults){.arena = &arena};
    struct nas_yaml *root = nas_yaml_parse(&arena, "a.yaml", yaml, strlen(yaml), faults);
    assert_non_null(root);
    return nas_fixed_read(out, ctx, &arena, nas_yaml_get(root, "genotype"), faults);
}

static void expect_node(const struct nas_fixed *fixed, const char *group, const char *expected) {
    const struct nas_fixed_node *node = nas_fixed_find(fixed, group);
    char text[512];
    size_t n = 0;
    assert_non_null(node);
    for (int i = 0; i < node->n; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s %d %g", i > 0 ? ", " : "",
                              node->pairs[i].op, node->pairs[i].input, node->pairs[i].weight);
    }
    assert_string_equal(text, expected);
}

static void nodes_are_read(void **state) {
    struct nas_fixed fixed;
    struct nas_faults faults;
    assert_int_equal(
        read_text("genotype:\n"
                  "  normal: ['conv_3x3 1, none 1', '  skip_connect\t0 .25 ,conv_1x5_5x1 2 "
                  "1.00,none 1  12.5 ']\n"
                  "  block7:\n  - conv_3x3 0 1e-3\n",
                  &fixed, &faults),
        MN_OK);
    assert_int_equal(faults.count, 0);
    assert_int_equal(fixed.n, 3);
    expect_node(&fixed, "normal.0", "conv_3x3 1 1, none 1 1");
    expect_node(&fixed, "normal.1", "skip_connect 0 0.25, conv_1x5_5x1 2 1, none 1 12.5");
    expect_node(&fixed, "block7", "conv_3x3 0 0.001");
    assert_null(nas_fixed_find(&fixed, "normal.2"));
    assert_null(nas_fixed_find(&fixed, "norma.0"));
    assert_null(nas_fixed_find(&fixed, "block7.1"));
    assert_int_equal(read_text("a: 1\n", &fixed, &faults), MN_OK);
    assert_int_equal(fixed.n, 0);
}

static void expect_fault(const char *yaml, const char *text) {
    struct nas_fixed fixed;
    struct nas_faults faults;
    assert_int_equal(read_text(yaml, &fixed, &faults), MN_OK);
    assert_int_equal(faults.count, 1);
    if (strstr(faults.first->text, text) == NULL) {
        fail_msg("'%s' is not in '%s'", text, faults.first->text);
    }
    assert_true(faults.first->mark.line > 0);
}

static void malformed_nodes_are_named(void **state) {
    static const char *const nodes[] = {"",
                                        "conv_3x3 0,",
                                        "conv_3x3 0,,conv_3x3 1",
                                        "conv_3x3",
                                        "conv_3x3, skip_connect 1",
                                        "conv_3x3 x",
                                        "conv_3x3 -1",
                                        "conv-3x3 0",
                                        "conv_3x3 0 0",
                                        "conv_3x3 0 1000.5",
                                        "conv_3x3 0 -1",
                                        "conv_3x3 0 nan",
                                        "conv_3x3 0 1 1",
                                        "conv_3x3 0 conv_3x3 1",
                                        "conv_3x3 1x",
                                        "conv_3x3 64",
                                        "conv_3x3 99999999999999999999"};
    char yaml[256];
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        snprintf(yaml, sizeof yaml, "genotype: {cell: [none 0, '%s']}\n", nodes[i]);
        expect_fault(yaml, "genotype: cell: node 1: expected up to 64 pairs");
    }
    expect_fault("genotype: [none 0]\n", "expected types of cells");
    expect_fault("genotype: {cell: none 0}\n", "genotype: cell: expected a list of nodes");
    expect_fault("genotype: {cell: []}\n", "genotype: cell: expected a list of nodes");
    expect_fault("genotype: {cell: [[none 0]]}\n", "genotype: cell: node 0: expected");
}

static void as_many_pairs_as_edges(void **state) {
    char yaml[512];
    struct nas_fixed fixed;
    struct nas_faults faults;
    int n = snprintf(yaml, sizeof yaml, "genotype: {cell: ['a 0");
    for (int i = 1; i < 64; i++) {
        n += snprintf(yaml + n, sizeof yaml - (size_t)n, ",a 0");
    }
    snprintf(yaml + n, sizeof yaml - (size_t)n, "']}\n");
    assert_int_equal(read_text(yaml, &fixed, &faults), MN_OK);
    assert_int_equal(faults.count, 0);
    assert_int_equal(fixed.at[0].n, 64);
    snprintf(yaml + n, sizeof yaml - (size_t)n, ",a 0']}\n");
    expect_fault(yaml, "genotype: cell: node 0: expected up to 64 pairs");
}

/* In the notation of the paper's figures: operation and input of every pair. */
static void the_shipped_genotypes(void **state) {
    static const char *const autometa[] = {
        "conv_3x3 1 1, max_pool_3x3 1 1", "conv_1x5_5x1 2 1, max_pool_3x3 2 1",
        "conv_3x3 2 1, conv_1x5_5x1 3 1", "conv_3x3 3 1, conv_3x3 3 1",
        "conv_1x5_5x1 3 1, conv_3x3 2 1"};
    static const struct {
        const char *file, *nodes[6];
    } metanas[] = {{"metanas-omniglot",
                    {"dil_conv_3x3 0 1, sep_conv_3x3 1 1", "avg_pool_3x3 0 1, sep_conv_3x3 1 1",
                     "conv_1x5_5x1 0 1, conv_3x3 2 1", "skip_connect 0 1, sep_conv_3x3 1 1",
                     "conv_3x3 0 1, dil_conv_3x3 1 1", "dil_conv_3x3 0 1, conv_1x5_5x1 2 1"}},
                   {"metanas-miniimagenet",
                    {"conv_1x5_5x1 0 1, conv_3x3 1 1", "conv_3x3 0 1, sep_conv_3x3 2 1",
                     "dil_conv_3x3 1 1, conv_1x5_5x1 3 1", "sep_conv_3x3 0 1, conv_3x3 1 1",
                     "conv_3x3 0 1, sep_conv_3x3 2 1", "conv_3x3 0 1, dil_conv_3x3 1 1"}}};
    char yaml[4096], group[32];
    struct nas_fixed fixed;
    struct nas_faults faults;
    snprintf(yaml, sizeof yaml, "genotype: '%s/autometa.yaml'\n", GENOTYPES);
    assert_int_equal(read_text(yaml, &fixed, &faults), MN_OK);
    assert_int_equal(fixed.n, 10);
    for (int j = 0; j < 10; j++) {
        snprintf(group, sizeof group, "%s.%d", j < 5 ? "normal" : "reduction", j % 5);
        expect_node(&fixed, group, autometa[j % 5]);
    }
    for (size_t i = 0; i < sizeof metanas / sizeof metanas[0]; i++) {
        snprintf(yaml, sizeof yaml, "genotype: '%s/%s.yaml'\n", GENOTYPES, metanas[i].file);
        assert_int_equal(read_text(yaml, &fixed, &faults), MN_OK);
        assert_int_equal(fixed.n, 6);
        for (int j = 0; j < 6; j++) {
            snprintf(group, sizeof group, "%s.%d", j < 3 ? "normal" : "reduction", j % 3);
            expect_node(&fixed, group, metanas[i].nodes[j]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_are_read), cmocka_unit_test(malformed_nodes_are_named),
        cmocka_unit_test(as_many_pairs_as_edges), cmocka_unit_test(the_shipped_genotypes)};
    return cmocka_run_group_tests(tests, begin, end);
}
