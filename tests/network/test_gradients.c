/* SPDX-License-Identifier: MIT */
/* Gradients in double against central differences, at 1e-6: every candidate at both strides and at
 * odd and even sizes, every mixer, batch-norm mode, cell and whole network. */
#include "net.h"

#include "learn/latencies.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

static const int sizes[][2] = {{6, 6}, {7, 5}, {5, 6}};

static void check_config(const char *config, const char *what, int height, int width) {
    struct net net;
    net_open(&net, config, 3, 2, height, width);
    net_check_gradients(&net, what);
    net_close(&net);
}

/* One cell of one node with a single candidate; in a reduction cell its stride is 2. */
static void check_op(const char *op, int stride) {
    char config[512], what[128];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        snprintf(config, sizeof config,
                 "task: {ways: 3}\n"
                 "search_space: {use: darts, cells: 1, nodes: 1, channels: 4, ops: [%s], "
                 "reduction_cells: [%d]}\n"
                 "op_mixer: {use: softmax}\ninput_mixer: {use: sum}\n",
                 op, stride == 2 ? 0 : -1);
        snprintf(what, sizeof what, "%s, stride %d, %dx%d", op, stride, sizes[i][0], sizes[i][1]);
        check_config(config, what, sizes[i][0], sizes[i][1]);
    }
}

static void test_candidates(void **state) {
    static const char *const ops[] = {
        "max_pool_3x3", "avg_pool_3x3", "skip_connect",  "conv_1x5_5x1", "conv_3x3",
        "sep_conv_3x3", "dil_conv_3x3", "none",          "sep_conv_5x5", "sep_conv_7x7",
        "dil_conv_5x5", "conv_7x1_1x7", "dense_conv_3x3"};
    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        check_op(ops[i], 1);
        check_op(ops[i], 2);
    }
}

static const char cell[] = "task: {ways: 3}\n"
                           "search_space: {use: darts, cells: 2, nodes: 2, channels: 4, "
                           "ops: [max_pool_3x3, skip_connect, conv_1x5_5x1, sep_conv_3x3, none]}\n"
                           "op_mixer: {use: %s}\ninput_mixer: {use: %s}\n";

static void check_mixers(const char *op, const char *input) {
    static const double progress[] = {0, 0.4, 1};
    char config[1024], what[256];
    for (size_t i = 0; i < sizeof progress / sizeof progress[0]; i++) {
        struct net net;
        snprintf(config, sizeof config, cell, op, input);
        snprintf(what, sizeof what, "{%s}, {%s}, progress %g", op, input, progress[i]);
        net_open(&net, config, 3, 1, 8, 8);
        net.pass.progress = progress[i];
        net.pass.flags |= MN_PASS_TRAINING;
        net_check_gradients(&net, what);
        net_close(&net);
    }
}

static void test_mixers(void **state) {
    (void)state;
    check_mixers("softmax", "sum");
    check_mixers("soft_prune, t_min: 0.3", "sum");
    check_mixers("soft_prune, t_min: 0.3", "soft_prune, k: 1, t_min: 0.3");
    check_mixers("soft_prune, t_min: 0.3", "soft_prune, k: 2, t_min: 0.3");
    check_mixers("soft_prune, t_min: 0.3", "soft_prune, k: 3, t_min: 0.3");
    check_mixers("gumbel", "soft_prune");
    check_mixers("relu_softmax", "soft_prune");
    check_mixers("entmax", "entmax");
    check_mixers("darts_minus, t_min: 0.3", "soft_prune");
    check_mixers("fair_darts", "soft_prune"); /* its zero-one loss is part of the loss */
}

/* Mixers that draw, in a pass that does not: test_drawn.c has the others. */
static void test_means(void **state) {
    static const char *const ops[] = {"gdas", "proxyless"};
    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        struct net net;
        char config[1024];
        snprintf(config, sizeof config, cell, ops[i], "soft_prune");
        net_open(&net, config, 3, 1, 8, 8);
        net_check_gradients(&net, ops[i]);
        assert_true(net.out.skip_share <= 0);
        net_close(&net);
    }
}

/* A threshold that skips some candidates and combinations: the gradient is that of what is
 * computed. */
static void test_skipping(void **state) {
    struct net net;
    char config[1024];
    (void)state;
    snprintf(config, sizeof config, cell, "soft_prune, threshold: 0.2, t_min: 0.4",
             "soft_prune, threshold: 0.2, t_min: 0.4");
    net_open(&net, config, 3, 1, 8, 8);
    net.pass.progress = 1;
    net_pass(&net);
    int skipped = 0;
    for (int64_t i = 0; i < net.dims.n_choices; i++) {
        skipped += net.mixture[i] == 0;
    }
    assert_true(skipped > 0);
    assert_true(net.out.skip_share > 0 && net.out.skip_share < 1);
    net_check_gradients(&net, "skipping");
    net_close(&net);
}

/* The table of run.latency with made-up times of all candidates of a network. */
static void write_latencies(const char *config, const char *path) {
    struct net net;
    struct nas_arena arena = {0};
    struct nas_latencies all;
    net_open(&net, config, 3, 1, 8, 8);
    assert_int_equal(nas_latency_sites(net.ctx, net.model, &arena, &all), MN_OK);
    assert_true(all.n > 4);
    for (int64_t i = 0; i < all.n; i++) {
        all.at[i].ns = 100 + 37.5 * (double)i;
    }
    assert_int_equal(nas_latencies_write(net.ctx, path, &all), MN_OK);
    nas_arena_fini(&arena);
    net_close(&net);
}

/* A cost in the objective, with budgets under and over what the mixtures leave. */
static void test_cost(void **state) {
    static const char *const mixers[][2] = {
        {"softmax", "sum"},
        {"soft_prune, t_min: 0.3", "soft_prune, t_min: 0.3"},
        {"soft_prune, threshold: 0.2, t_min: 0.4", "soft_prune, threshold: 0.2, t_min: 0.4"}};
    static const double budgets[] = {0, 0.5, 2};
    (void)state;
    for (size_t i = 0; i < sizeof mixers / sizeof mixers[0]; i++) {
        for (int k = 0; k < 3; k++) {
            struct net net;
            char config[1024], what[128];
            struct mn_cost cost = {
                .size = sizeof cost, .of = (k + (int)i) % NAS_COSTS, .weight = 0.7};
            snprintf(config, sizeof config, cell, mixers[i][0], mixers[i][1]);
            if (cost.of == MN_COST_LATENCY) {
                const size_t n = strlen(config);
                char path[] = "/tmp/metanas-latency-XXXXXX";
                close(mkstemp(path));
                write_latencies(config, path);
                snprintf(config + n, sizeof config - n, "run: {latency: %s}\n", path);
                net_open(&net, config, 3, 1, 8, 8);
                unlink(path);
            } else {
                net_open(&net, config, 3, 1, 8, 8);
            }
            net.pass.progress = 1;
            net.pass.cost = &cost;
            net_pass(&net);
            assert_true(net.out.cost > 0);
            cost.budget = budgets[k] * net.out.cost;
            snprintf(what, sizeof what, "cost of %d, budget %g, {%s}", cost.of, cost.budget,
                     mixers[i][0]);
            net_check_gradients(&net, what);
            net_close(&net);
        }
    }
}

/* A term of the mixture weights that the caller of a pass brings along: here what the choices cost,
 * as the host tells it, in each of the four ways that weights, skipping and masks combine. */
static void test_terms_of_the_mixture(void **state) {
    static const char *const mixers[][2] = {
        {"softmax", "sum"},
        {"soft_prune, threshold: 0.2, t_min: 0.4", "soft_prune, threshold: 0.2, t_min: 0.4"}};
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct net net;
        char config[1024];
        snprintf(config, sizeof config, cell, mixers[i / 2][0], mixers[i / 2][1]);
        net_open(&net, config, 3, 1, 8, 8);
        mn_real *d = calloc((size_t)net.dims.n_choices, sizeof *d);
        assert_non_null(d);
        for (int32_t m = 0; m < net.dims.n_mixtures; m++) {
            struct mn_mixture about;
            assert_int_equal(mn_model_mixture(net.ctx, net.model, m, &about), MN_OK);
            for (int64_t c = 0; c < about.n_choices; c++) {
                for (int k = 0; k < about.n_items; k++) {
                    d[about.first_choice + c] +=
                        (mn_real)(about.holds[c * about.n_items + k] ? about.macs[k] / 1e4 : 0);
                }
            }
        }
        struct mn_mixture none;
        assert_int_equal(mn_model_mixture(net.ctx, net.model, net.dims.n_mixtures, &none),
                         MN_INTERNAL);
        net.pass.progress = 1;
        net.pass.d_mixture = d;
        if (i % 2 == 1) {
            assert_int_equal(mn_model_prune(net.ctx, net.model, &net.at, net.keep), MN_OK);
            net.pass.keep = net.keep;
        }
        net_check_gradients(&net, "a term of the mixture");
        free(d);
        net_close(&net);
    }
}

/* What a decided network costs is what is left of it. */
static void test_cost_of_decided(void **state) {
    struct net net;
    char config[1024];
    int64_t left;
    struct mn_cost cost = {.size = sizeof cost, .of = MN_COST_PARAMETERS, .weight = 1};
    (void)state;
    snprintf(config, sizeof config, cell, "softmax", "sum");
    net_open(&net, config, 3, 1, 8, 8);
    assert_int_equal(mn_model_prune(net.ctx, net.model, &net.at, net.keep), MN_OK);
    net.pass.keep = net.keep;
    net.pass.cost = &cost;
    net_pass(&net);
    assert_int_equal(nas_model_parameters(net.ctx, net.model, net.keep, &left), MN_OK);
    assert_true(fabs(net.out.cost - (double)left) < 1e-6);
    net.pass.keep = NULL;
    net_pass(&net);
    assert_true(net.out.cost < (double)net_parameters(&net));
    cost.weight = NAN;
    const struct mn_set batch = {.n = net.n, .images = net.images, .labels = net.labels};
    assert_int_equal(mn_model_pass(net.ctx, net.model, &net.at, &batch, &net.pass, &net.out),
                     MN_INTERNAL);
    net_close(&net);
}

/* Partial channels and edge normalisation, at even and odd sizes, whole and pruned. */
static void test_pc_darts(void **state) {
    static const char *const mixers[] = {"soft_prune", "softmax", "relu_softmax"};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct net net;
        char config[1024];
        snprintf(config, sizeof config,
                 "task: {ways: 3}\n"
                 "search_space: {use: pc_darts, k: %d, cells: 2, nodes: 2, channels: 12,\n"
                 "  ops: [max_pool_3x3, skip_connect, conv_1x5_5x1, sep_conv_3x3, none]}\n"
                 "op_mixer: {use: %s}\ninput_mixer: {use: pc_darts}\n",
                 i == 0 ? 3 : 2, mixers[i]);
        net_open(&net, config, 3, 1, sizes[i][0], sizes[i][1]);
        net_check_gradients(&net, "pc_darts");
        assert_int_equal(mn_model_prune(net.ctx, net.model, &net.at, net.keep), MN_OK);
        net.pass.keep = net.keep;
        net_check_gradients(&net, "pc_darts, pruned");
        net_close(&net);
    }
}

static void test_pruned(void **state) {
    struct net net;
    char config[1024];
    (void)state;
    snprintf(config, sizeof config, cell, "softmax", "sum");
    net_open(&net, config, 3, 1, 8, 8);
    assert_int_equal(mn_model_prune(net.ctx, net.model, &net.at, net.keep), MN_OK);
    net.pass.keep = net.keep;
    net_check_gradients(&net, "hard pruned");
    net_close(&net);
}

/* Statistics given from outside, as those of the support set are. */
static void test_given_statistics(void **state) {
    static const char *const spaces[] = {
        "search_space: {use: darts, cells: 2, nodes: 1, channels: 4}",
        "search_space: {use: conv4, channels: 4, blocks: 2}",
        "search_space: {use: darts, cells: 1, nodes: 1, channels: 4, affine: true}"};
    (void)state;
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        struct net net;
        char config[512];
        snprintf(config, sizeof config, "task: {ways: 3}\n%s\n", spaces[i]);
        net_open(&net, config, 3, 1, 8, 8);
        net.pass.stats_out = net.stats;
        const double own = net_pass(&net);
        net.pass.stats_out = NULL;
        net.pass.stats = net.stats;
        /* The batch's own statistics, given back, change nothing. */
        assert_true(fabs(net_pass(&net) - own) < 1e-12);
        for (int64_t j = 0; j < net.dims.n_stats; j++) {
            net.stats[j] = (mn_real)(0.1 + 1.2 * (double)net.stats[j]);
        }
        net_check_gradients(&net, spaces[i]);
        net_close(&net);
    }
}

static void test_affine_and_fixed(void **state) {
    (void)state;
    check_config("task: {ways: 3}\nsearch_space: {use: conv4, channels: 4, blocks: 3}\n", "conv4",
                 13, 11);
    check_config("task: {ways: 3}\n"
                 "search_space: {use: darts, cells: 2, nodes: 2, channels: 4, affine: true}\n"
                 "genotype: {normal: ['conv_1x5_5x1 0, sep_conv_3x3 1 0.5', 'skip_connect 0 0.3, "
                 "dil_conv_3x3 2'],\n"
                 "  reduction: ['skip_connect 0, sep_conv_3x3 1', 'avg_pool_3x3 1, conv_3x3 1']}\n",
                 "genotype", 7, 8);
}

static void test_other_spaces(void **state) {
    (void)state;
    check_config("task: {ways: 3}\n"
                 "search_space: {use: mb_chain, channels: 3, widths: [4, 6], features: 5,\n"
                 "  ops: [mb_conv_3x3_e3, mb_conv_5x5_e3]}\n"
                 "input_mixer: {use: sum}\n",
                 "mb_chain", 7, 6);
    check_config("task: {ways: 3}\nsearch_space: {use: nasbench201, channels: 2, cells: 1}\n"
                 "input_mixer: {use: sum}\n",
                 "nasbench201", 8, 8);
    check_config("task: {ways: 3}\nsearch_space: {use: nasbench201, channels: 2, cells: 1}\n"
                 "genotype: {cell: ['dense_conv_3x3 0 0.4', 'skip_connect 0 2, none 1', "
                 "'avg_pool_3x3 1, dense_conv_1x1 2, skip_connect 2 0.3']}\n",
                 "nasbench201, fixed", 8, 12);
}

static void test_drop_path(void **state) {
    struct net net;
    (void)state;
    net_open(&net,
             "task: {ways: 3}\n"
             "search_space: {use: darts, cells: 2, nodes: 1, channels: 4, drop_path: 0.4}\n",
             4, 1, 7, 7);
    const double without = net_pass(&net);
    net.pass.flags |= MN_PASS_TRAINING;
    net.pass.step = 3;
    assert_true(fabs(net_pass(&net) - without) > 1e-6);
    net_check_gradients(&net, "drop path");
    net_close(&net);
}

/* The paper's network: four cells, three nodes, seven candidates, pairs of inputs. */
/* Heads and losses; those that compare with a support set take the batch for it, then the second
 * half of the images. */
static void check_head(const char *head, const char *loss) {
    char config[1024], what[256];
    for (int apart = 0; apart < 2; apart++) {
        struct net net;
        snprintf(config, sizeof config,
                 "task: {ways: 3}\nhead: {use: %s}\nloss: {use: %s}\n"
                 "search_space: {use: darts, cells: 1, nodes: 1, channels: 4, "
                 "ops: [sep_conv_3x3, skip_connect]}\n",
                 head, loss);
        snprintf(what, sizeof what, "{%s}, {%s}, apart: %d", head, loss, apart);
        net_open(&net, config, 12, 1, 6, 5);
        for (int i = 0; i < net.n; i++) {
            net.labels[i] = i % 3;
        }
        net.n = 6;
        const size_t image = (size_t)(net.dims.channels * net.dims.height * net.dims.width);
        const struct mn_set support = {
            .n = 6, .images = net.images + 6 * image, .labels = net.labels + 6};
        net.pass.support = apart ? &support : NULL;
        net_check_gradients(&net, what);
        net_close(&net);
    }
}

static void test_heads(void **state) {
    (void)state;
    check_head("linear", "cross_entropy, smoothing: 0.1");
    check_head("cosine", "focal");
    check_head("centroid", "cross_entropy");
    check_head("centroid, metric: cosine, scale: 5", "cross_entropy");
    check_head("ridge, lambda: 0.1", "cross_entropy");
}

/* The network without head and loss; a head that needs its support set does not see the pass. */
static void test_features(void **state) {
    static const char *const heads[] = {"linear", "ridge"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct net net;
        char config[1024];
        snprintf(config, sizeof config, "%shead: {use: %s}\n", cell, heads[i]);
        char both[1200];
        snprintf(both, sizeof both, config, "softmax", "soft_prune");
        net_open(&net, both, 3, 1, 8, 8);
        net_pass(&net);
        mn_real *before = calloc((size_t)(3 * net.dims.n_features), sizeof *before);
        assert_non_null(before);
        mn_vec_copy(3 * net.dims.n_features, net.features, before);
        net.pass.flags |= MN_PASS_FEATURES;
        net.labels[0] = 99; /* nobody looks */
        net_check_gradients(&net, "features");
        net_pass(&net);
        assert_memory_equal(before, net.features,
                            (size_t)(3 * net.dims.n_features) * sizeof *before);
        assert_true(net.out.loss == 0 && net.out.hits == 0);
        net.pass.d_features = NULL;
        const struct mn_set batch = {.n = 3, .images = net.images, .labels = net.labels};
        assert_int_equal(mn_model_pass(net.ctx, net.model, &net.at, &batch, &net.pass, &net.out),
                         MN_INTERNAL);
        free(before);
        net_close(&net);
    }
}

static void test_whole_network(void **state) {
    (void)state;
    check_config("task: {ways: 3}\nsearch_space: {use: darts, channels: 4}\n", "whole network", 12,
                 12);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_candidates),
                                       cmocka_unit_test(test_mixers),
                                       cmocka_unit_test(test_means),
                                       cmocka_unit_test(test_skipping),
                                       cmocka_unit_test(test_cost),
                                       cmocka_unit_test(test_cost_of_decided),
                                       cmocka_unit_test(test_terms_of_the_mixture),
                                       cmocka_unit_test(test_pc_darts),
                                       cmocka_unit_test(test_pruned),
                                       cmocka_unit_test(test_given_statistics),
                                       cmocka_unit_test(test_affine_and_fixed),
                                       cmocka_unit_test(test_other_spaces),
                                       cmocka_unit_test(test_drop_path),
                                       cmocka_unit_test(test_heads),
                                       cmocka_unit_test(test_features),
                                       cmocka_unit_test(test_whole_network)};
    return net_run(tests);
}
