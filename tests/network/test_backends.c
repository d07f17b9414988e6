/* SPDX-License-Identifier: MIT */
/* Every number of a pass on the backend `cpu` against the plain loops of the backend `reference`.
 */
#include "lane.h"
#include "net.h"
#include "reference.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static const char *const configs[] = {
    "search_space: {use: darts, cells: 3, nodes: 2, channels: 4, reduction_cells: [1],\n"
    "  drop_path: 0.3, affine: true, ops: [max_pool_3x3, avg_pool_3x3, skip_connect, "
    "conv_1x5_5x1,\n"
    "  conv_3x3, sep_conv_3x3, dil_conv_3x3, none, conv_7x1_1x7, dense_conv_3x3]}\n"
    "op_mixer: {use: softmax}\ninput_mixer: {use: soft_prune, t_max: 1, t_min: 0.4}\n",
    "search_space: {use: pc_darts, cells: 3, nodes: 2, channels: 8, reduction_cells: [1]}\n"
    "op_mixer: {use: soft_prune, threshold: 0.13}\ninput_mixer: {use: pc_darts}\n",
    "search_space: {use: darts, cells: 2, nodes: 2, channels: 4, reduction_cells: [1],\n"
    "  ops: [max_pool_3x3, conv_3x3, sep_conv_3x3]}\n"
    "op_mixer: {use: proxyless}\ninput_mixer: {use: soft_prune}\n",
    "search_space: {use: conv4, channels: 5, blocks: 2}\n",
    "search_space: {use: darts, cells: 2, nodes: 2, channels: 4, affine: true}\n"
    "genotype: {normal: ['conv_1x5_5x1 0, sep_conv_3x3 1 0.5', 'skip_connect 0 0.3, dil_conv_3x3 "
    "2'],\n"
    "  reduction: ['skip_connect 0, sep_conv_3x3 1', 'avg_pool_3x3 1, conv_3x3 1']}\n",
    "search_space: {use: mb_chain, channels: 3, widths: [4, 6], blocks: 2, features: 5,\n"
    "  ops: [mb_conv_3x3_e3, mb_conv_5x5_e6, ghost_conv_3x3, mb_conv_3x3_e3_se]}\n"
    "op_mixer: {use: soft_prune, threshold: 0.26}\ninput_mixer: {use: sum}\n",
    "search_space: {use: relu_head}\n",
    "search_space: {use: relu_head, flatten: true}\n",
};
/* Its residual blocks halve what is even alone. */
static const char even[] = "search_space: {use: nasbench201, channels: 3, cells: 1}\n"
                           "op_mixer: {use: softmax}\ninput_mixer: {use: sum}\n";
enum { CONFIGS = sizeof configs / sizeof configs[0] };

static void check_near(const char *what, const char *config, int64_t n, const mn_real *got,
                       const mn_real *expected) {
    double most = 1;
    for (int64_t i = 0; i < n; i++) {
        most = fabs((double)expected[i]) > most ? fabs((double)expected[i]) : most;
    }
    for (int64_t i = 0; i < n; i++) {
        if (!(fabs((double)got[i] - (double)expected[i]) <= REFERENCE_TOLERANCE * most)) {
            print_error("%s %lld is %.12g, the reference gives %.12g in\n%s", what, (long long)i,
                        (double)got[i], (double)expected[i], config);
            fail();
        }
    }
}

/* Both with the same options; the pass before has left what it was in the memory. */
static void check_pass(struct net *net, struct net *reference, const char *config) {
    reference->pass = net->pass;
    lane_spoil(net->context.workspace);
    const double loss = net_pass(net), expected = net_pass(reference);
    assert_true(fabs(loss - expected) <= REFERENCE_TOLERANCE * (1 + fabs(expected)));
    assert_int_equal(net->out.hits, reference->out.hits);
    assert_true(net->out.skip_share == reference->out.skip_share);
    check_near("logit", config, (int64_t)net->n * net->dims.ways, net->logits, reference->logits);
    check_near("mixture weight", config, net->dims.n_choices, net->mixture, reference->mixture);
    if ((net->pass.flags & MN_PASS_GRAD_W) != 0) {
        check_near("d_w", config, net->dims.n_w, net->grad.w, reference->grad.w);
    }
    if ((net->pass.flags & MN_PASS_GRAD_A) != 0) {
        check_near("d_a", config, net->dims.n_a, net->grad.a, reference->grad.a);
    }
}

static void check_config(const char *of, int n, int height, int width) {
    char config[2048];
    struct net net, reference;
    snprintf(config, sizeof config, "task: {ways: 4}\n%s", of);
    net_backend = "cpu";
    net_open(&net, config, n, 2, height, width);
    net_backend = "reference";
    net_open(&reference, config, n, 2, height, width);
    check_pass(&net, &reference, config);
    net.pass.flags = MN_PASS_TRAINING | MN_PASS_GRAD_W | MN_PASS_GRAD_A;
    check_pass(&net, &reference, config);
    net.pass.flags = MN_PASS_GRAD_A;
    check_pass(&net, &reference, config);
    net.pass.flags = 0;
    check_pass(&net, &reference, config);
    if (net.dims.n_choices > 0) {
        assert_int_equal(mn_model_prune(net.ctx, net.model, &net.at, net.keep), MN_OK);
        net.pass.keep = net.keep;
        net.pass.flags = MN_PASS_GRAD_W | MN_PASS_GRAD_A;
        check_pass(&net, &reference, config);
    }
    /* The moments of the batch, which become given ones. */
    net.pass = reference.pass = (struct mn_pass){.size = sizeof net.pass};
    net.pass.stats_out = net.stats;
    net_pass(&net);
    reference.pass.stats_out = reference.stats;
    net_pass(&reference);
    check_near("moment", config, net.dims.n_stats, net.stats, reference.stats);
    for (int64_t i = 0; i < net.dims.n_stats; i++) {
        net.stats[i] = (mn_real)(0.1 + 1.2 * (double)reference.stats[i]);
    }
    net.pass =
        (struct mn_pass){.size = sizeof net.pass, .flags = MN_PASS_GRAD_W, .stats = net.stats};
    check_pass(&net, &reference, config);
    net_close(&net);
    net_close(&reference);
}

static void test_every_number(void **state) {
    static const int sizes[][2] = {{8, 8}, {9, 7}, {7, 10}};
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            check_config(configs[i], 5, sizes[k][0], sizes[k][1]);
        }
    }
}

static void test_even_sizes(void **state) {
    (void)state;
    check_config(even, 5, 8, 12);
    check_config(even, 2, 12, 4);
}

static void test_names(void **state) {
    (void)state;
    assert_string_equal(nas_backend_find("cpu")->name, "cpu");
    assert_string_equal(nas_backend_find("reference")->name, "reference");
    assert_null(nas_backend_find("gpu"));
    assert_string_equal(nas_backend_names(), "cpu, reference");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_number),
                                       cmocka_unit_test(test_even_sizes),
                                       cmocka_unit_test(test_names)};
    return cmocka_run_group_tests_name("backends", tests, NULL, NULL);
}
