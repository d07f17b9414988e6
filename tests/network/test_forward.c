/* SPDX-License-Identifier: MIT */
/* Logits and loss against the plain-loop reference, in double and in float. */
#include "reference.h"

#include "backend/cpu/kernels/kernel.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static const char *const all_ops[] = {
    "max_pool_3x3", "avg_pool_3x3", "skip_connect",  "conv_1x5_5x1", "conv_3x3",
    "sep_conv_3x3", "dil_conv_3x3", "none",          "sep_conv_5x5", "sep_conv_7x7",
    "dil_conv_5x5", "conv_7x1_1x7", "dense_conv_3x3"};
enum { OPS = sizeof all_ops / sizeof all_ops[0] };

static void check_partial(int partial, int n_ops, const char *const *ops, int k, double threshold,
                          int height, int width) {
    char config[2048], names[1024] = "", what[256], space_name[64];
    snprintf(space_name, sizeof space_name, partial > 1 ? "use: pc_darts, k: %d" : "use: darts",
             partial);
    for (int i = 0; i < n_ops; i++) {
        strcat(strcat(names, i > 0 ? ", " : ""), ops[i]);
    }
    snprintf(config, sizeof config,
             "task: {ways: 4}\n"
             "search_space: {%s, cells: 3, nodes: 2, channels: %d, reduction_cells: [1],\n"
             "  ops: [%s]}\n"
             "op_mixer: {use: soft_prune, t_max: 1.2, t_min: 0.2, threshold: %g}\n"
             "input_mixer: {use: soft_prune, k: %d, t_max: 1.2, t_min: 0.2, threshold: %g}\n",
             space_name, 4 * partial, names, threshold, k, threshold);
    snprintf(what, sizeof what, "%d candidates, 1/%d of the channels, k %d, threshold %g, %dx%d",
             n_ops, partial, k, threshold, height, width);
    struct net net;
    net_open(&net, config, 3, 2, height, width);
    net.pass.progress = 0.3;
    net_pass(&net);
    const struct reference_space space = {.channels = 4 * partial,
                                          .cells = 3,
                                          .nodes = 2,
                                          .n_ops = n_ops,
                                          .ops = ops,
                                          .reduction = {0, 1, 0},
                                          .tau_op = 1.2 - 0.3 * (1.2 - 0.2),
                                          .tau_in = 1.2 - 0.3 * (1.2 - 0.2),
                                          .threshold = threshold,
                                          .k = k,
                                          .partial = partial};
    double *logits = calloc((size_t)(net.n * net.dims.ways), sizeof *logits), loss;
    reference_one_shot(&net, &space, logits, &loss);
    reference_check(&net, logits, loss, what);
    free(logits);
    net_close(&net);
}

static void check_one_shot(int n_ops, const char *const *ops, int k, double threshold, int height,
                           int width) {
    check_partial(1, n_ops, ops, k, threshold, height, width);
}

static void test_all_candidates(void **state) {
    (void)state;
    check_one_shot(OPS, all_ops, 2, 0.01, 8, 8);
    check_one_shot(OPS, all_ops, 2, 0.01, 9, 7);
}

static void test_each_candidate(void **state) {
    (void)state;
    for (int i = 0; i < OPS; i++) {
        if (strcmp(all_ops[i], "none") != 0) { /* alone it gives constant logits: no test */
            check_one_shot(1, &all_ops[i], 1, 0, 8, 6);
        }
    }
}

static void test_combinations(void **state) {
    (void)state;
    for (int k = 1; k <= 3; k++) {
        check_one_shot(7, all_ops, k, 0, 7, 8);
    }
}

/* Weights of seven candidates lie about 1/7: 0.15 skips about half of them. */
static void test_threshold(void **state) {
    (void)state;
    check_one_shot(7, all_ops, 2, 0.15, 8, 8);
    check_one_shot(7, all_ops, 2, 0.99, 8, 8);
}

static void test_partial_channels(void **state) {
    (void)state;
    check_partial(2, OPS, all_ops, 2, 0.01, 8, 8);
    check_partial(2, 7, all_ops, 1, 0, 9, 7); /* odd sizes: pooled by what is there */
    check_partial(3, 7, all_ops, 2, 0, 7, 6);
    check_partial(4, 7, all_ops, 2, 0.15, 8, 8);
}

static void test_conv4(void **state) {
    (void)state;
    static const int sizes[][2] = {{28, 28}, {21, 18}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct net net;
        net_open(&net, "task: {ways: 4}\nsearch_space: {use: conv4, channels: 5, blocks: 4}\n", 3,
                 2, sizes[i][0], sizes[i][1]);
        double *logits = calloc((size_t)(net.n * net.dims.ways), sizeof *logits), loss;
        net_pass(&net);
        reference_conv4(&net, 5, 4, logits, &loss);
        reference_check(&net, logits, loss, "conv4");
        free(logits);
        net_close(&net);
    }
}

/* 20-way Omniglot: the counts of the REPTILE paper's network, and of METANAS's at C = 28. */
static void test_parameters(void **state) {
    (void)state;
    struct net net;
    net_open(&net, "task: {ways: 20}\nsearch_space: {use: conv4, channels: 32}\n", 1, 1, 28, 28);
    assert_int_equal(net_parameters(&net), 28980);
    net_close(&net);
    net_open(&net, "task: {ways: 20}\nsearch_space: {use: conv4, channels: 64}\n", 1, 1, 28, 28);
    assert_int_equal(net_parameters(&net), 113236);
    net_close(&net);
}

/* Every kernel table gives the same network. */
static void test_kernels(void **state) {
    (void)state;
    for (const char *const *name = nas_kernel_names + 1; *name != NULL; name++) {
        struct net net;
        if (nas_kernels_find(*name) == NULL) {
            print_message("this processor has no %s: not tested\n", *name);
            continue;
        }
        double losses[2];
        for (int own = 0; own < 2; own++) {
            char config[256];
            snprintf(config, sizeof config,
                     "run: {kernels: %s}\ntask: {ways: 4}\n"
                     "search_space: {use: darts, channels: 6, cells: 2}\n",
                     own ? *name : "auto");
            net_open(&net, config, 3, 1, 12, 12);
            losses[own] = net_pass(&net);
            net_close(&net);
        }
        assert_true(fabs(losses[0] - losses[1]) <= REFERENCE_TOLERANCE * fabs(losses[0]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_candidate),   cmocka_unit_test(test_all_candidates),
        cmocka_unit_test(test_combinations),     cmocka_unit_test(test_threshold),
        cmocka_unit_test(test_partial_channels), cmocka_unit_test(test_conv4),
        cmocka_unit_test(test_parameters),       cmocka_unit_test(test_kernels)};
    return net_run(tests);
}
