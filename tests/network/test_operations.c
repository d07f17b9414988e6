/* SPDX-License-Identifier: MIT */
/* Operations of plugins in a network, in double: like the built-in one that computes the same, with
 * right gradients wherever they stand, and failing in order. */
#include "lane.h"
#include "net.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static const int sizes[][2] = {{6, 6}, {7, 5}, {5, 6}};

/* Two nodes, one candidate; in a reduction cell it strides. */
static const char single[] = "task: {ways: 3}\n"
                             "search_space: {use: darts, cells: 2, nodes: 2, channels: 4, "
                             "ops: [%s], reduction_cells: [%d]}\n"
                             "op_mixer: {use: softmax}\ninput_mixer: {use: soft_prune}\n";

static void assert_near(int64_t n, const mn_real *a, const mn_real *b) {
    for (int64_t i = 0; i < n; i++) {
        assert_true(fabs((double)a[i] - (double)b[i]) < 1e-11 * (1 + fabs((double)b[i])));
    }
}

static int64_t parameters(struct net *net) {
    int64_t n = 0;
    assert_int_equal(nas_model_parameters(net->ctx, net->model, NULL, &n), MN_OK);
    return n;
}

/* Two configurations of the same network; n images are several blocks. */
static void check_same(const char *first, const char *second, int n, int height, int width) {
    struct net ours, theirs;
    net_open(&ours, first, n, 2, height, width);
    net_open(&theirs, second, n, 2, height, width);
    assert_int_equal(ours.dims.n_w, theirs.dims.n_w);
    assert_true(fabs(nas_model_work(ours.model) - nas_model_work(theirs.model)) < 0.5);
    assert_int_equal(parameters(&ours), parameters(&theirs));
    assert_near(ours.dims.n_w, ours.at.w, theirs.at.w);
    net_pass(&ours);
    net_pass(&theirs);
    assert_near((int64_t)n * 3, ours.logits, theirs.logits);
    assert_near(ours.dims.n_w, ours.grad.w, theirs.grad.w);
    assert_near(ours.dims.n_a, ours.grad.a, theirs.grad.a);
    net_close(&ours);
    net_close(&theirs);
}

/* The plugin's conv_3x3 has the same weights in the same order as the built-in one. */
static void check_alike(int stride, int n, int height, int width) {
    char ours[1024], theirs[1024];
    snprintf(ours, sizeof ours, single, "conv_3x3", stride == 2 ? 0 : -1);
    snprintf(theirs, sizeof theirs, single, "plain_conv", stride == 2 ? 0 : -1);
    check_same(ours, theirs, n, height, width);
}

static void test_like_built_in(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_alike(1, 3, sizes[i][0], sizes[i][1]);
        check_alike(2, 3, sizes[i][0], sizes[i][1]);
    }
    check_alike(1, 90, 8, 8);
    check_alike(2, 90, 8, 8);
}

/* ---- made of the host's maps -------------------------------------------------------------- */

static void of_one(char *out, size_t size, const char *use, int stride) {
    const int n = snprintf(out, size, "operations: {x: {use: %s}}\n", use);
    snprintf(out + n, size - (size_t)n, single, "x", stride == 2 ? 0 : -1);
}

static void check_maps(const char *maps, const char *plain) {
    for (int i = 0; i < 6; i++) {
        char ours[1024], theirs[1024];
        of_one(ours, sizeof ours, maps, 1 + i % 2);
        of_one(theirs, sizeof theirs, plain, 1 + i % 2);
        check_same(ours, theirs, 3, sizes[i / 2][0], sizes[i / 2][1]);
    }
}

/* Kernels that no built-in candidate has, beside plain loops; some reach beyond the image. */
static void test_maps_like_loops(void **state) {
    (void)state;
    check_maps("maps, form: separable, height: 9, width: 9", "plain_conv, height: 9, width: 9");
    check_maps("maps, form: separable, height: 15, width: 1, dilation: 4",
               "plain_conv, height: 15, width: 1, dilation: 4");
    check_maps("maps, form: separable, height: 1, width: 3, dilation: 3",
               "plain_conv, height: 1, width: 3, dilation: 3");
    check_maps("maps, form: max_pool, relu: false, height: 5, width: 3",
               "plain_conv, pool: max, height: 5, width: 3");
    check_maps("maps, form: avg_pool, relu: false, height: 3, width: 7, dilation: 2",
               "plain_conv, pool: average, height: 3, width: 7, dilation: 2");
}

/* What a tensor leaves behind in memory that others get is never read. */
static void check_spoiled(struct net *net) {
    mn_real *w = malloc((size_t)net->dims.n_w * sizeof *w);
    assert_non_null(w);
    net_pass(net);
    mn_vec_copy(net->dims.n_w, net->grad.w, w);
    lane_spoil(net->context.workspace);
    net_pass(net);
    assert_memory_equal(w, net->grad.w, (size_t)net->dims.n_w * sizeof *w);
    free(w);
}

static void check_config(const char *config, const char *what, uint32_t flags, int prune) {
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct net net;
        net_open(&net, config, 3, 2, sizes[i][0], sizes[i][1]);
        net.pass.flags |= flags;
        check_spoiled(&net);
        net_check_gradients(&net, what);
        if (prune) {
            assert_int_equal(mn_model_prune(net.ctx, net.model, &net.at, net.keep), MN_OK);
            net.pass.keep = net.keep;
            net_check_gradients(&net, what);
        }
        net_close(&net);
    }
}

static const char mixed[] =
    "task: {ways: 3}\n"
    "operations: {own: {use: involution, ratio: 2}, wide: {use: involution, groups: 2, ratio: 1}}\n"
    "search_space: {use: %s, cells: 1, nodes: 2, channels: 8, reduction_cells: [0], "
    "ops: [own, skip_connect, conv_3x3, wide, plain_conv]%s}\n"
    "op_mixer: {use: soft_prune, t_min: 0.3}\ninput_mixer: {use: %s}\n";

/* Beside others and shared by two names; of part of the channels; under drop path. */
static void test_gradients(void **state) {
    char config[1024];
    (void)state;
    snprintf(config, sizeof config, mixed, "darts", "", "soft_prune");
    check_config(config, "mixed", 0, 1);
    snprintf(config, sizeof config, mixed, "darts", ", affine: true", "sum");
    check_config(config, "affine", 0, 0);
    snprintf(config, sizeof config, mixed, "darts", ", drop_path: 0.4", "soft_prune");
    check_config(config, "drop path", MN_PASS_TRAINING, 0);
    snprintf(config, sizeof config, mixed, "pc_darts, k: 2", "", "pc_darts");
    check_config(config, "partial channels", 0, 1);
}

static void test_gradients_of_maps(void **state) {
    static const char *const forms[] = {"conv",       "depthwise", "separable",  "max_pool",
                                        "avg_pool",   "conv_conv", "rows_last",  "two_stages",
                                        "four_convs", "inverted",  "bottleneck", "ghost",
                                        "pool_first", "gated"};
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char use[256], config[1024];
        snprintf(use, sizeof use, "maps, form: %s, height: 5, width: 3, dilation: 3, relu: %s",
                 forms[i], i % 2 == 0 ? "true" : "false");
        of_one(config, sizeof config, use, 2);
        check_config(config, forms[i], 0, 1);
        of_one(config, sizeof config, use, 1);
        check_config(config, forms[i], 0, 0);
    }
}

/* Those that are layers: searched beside others, skipped, pruned, under drop path, of part of the
 * channels, with affine batch norm. */
static void test_gradients_of_layers(void **state) {
    static const char layers[] =
        "task: {ways: 3}\n"
        "operations: {inverted: {use: maps, form: inverted}, ghost: {use: maps, form: ghost}, "
        "bottleneck: {use: maps, form: bottleneck, relu: false}, gated: {use: maps, form: gated}}\n"
        "search_space: {use: %s, cells: 1, nodes: 2, channels: 8, reduction_cells: [0], "
        "ops: [inverted, skip_connect, ghost, bottleneck, conv_3x3, gated]%s}\n"
        "op_mixer: {use: soft_prune, t_min: 0.3}\ninput_mixer: {use: %s}\n";
    char config[1024];
    (void)state;
    snprintf(config, sizeof config, layers, "darts", "", "soft_prune");
    check_config(config, "layers", 0, 1);
    snprintf(config, sizeof config, layers, "darts", ", affine: true", "sum");
    check_config(config, "layers, affine", 0, 0);
    snprintf(config, sizeof config, layers, "darts", ", drop_path: 0.4", "soft_prune");
    check_config(config, "layers, drop path", MN_PASS_TRAINING, 0);
    snprintf(config, sizeof config, layers, "pc_darts, k: 2", "", "pc_darts");
    check_config(config, "layers, partial channels", 0, 1);
}

static void test_size_of_layers(void **state) {
    struct net net;
    char config[1024];
    (void)state;
    of_one(config, sizeof config, "maps, form: inverted", 2);
    net_open(&net, config, 3, 2, 6, 6);
    int64_t inner = 0;
    for (int32_t i = 0; i < net.dims.n_w_segments; i++) {
        struct mn_segment s;
        assert_int_equal(mn_model_segment(net.ctx, net.model, 0, i, &s), MN_OK);
        inner += strstr(s.name, ".x.") != NULL ? s.count : 0;
    }
    /* Five inputs in the two nodes of each of two cells of 4 channels: 1x1 to 12, depthwise 3x3,
     * 1x1 to 4. */
    assert_int_equal(inner, 2 * 5 * (4 * 12 + 12 * 9 + 12 * 4));
    assert_int_equal(parameters(&net), net.dims.n_w);
    net_close(&net);
}

static void check_failure(const char *option, uint32_t flags, int status, const char *text) {
    struct net net;
    char config[1024];
    snprintf(config, sizeof config,
             "task: {ways: 3}\noperations: {bad: {use: plain_conv%s}}\n"
             "search_space: {use: darts, cells: 1, nodes: 1, channels: 4, ops: [bad]}\n",
             option);
    net_open(&net, config, 3, 1, 6, 6);
    net.pass.flags = flags;
    const struct mn_set batch = {.n = net.n, .images = net.images, .labels = net.labels};
    struct mn_outcome out = {.size = sizeof out, .d_w = net.grad.w, .d_a = net.grad.a};
    assert_int_equal(mn_model_pass(net.ctx, net.model, &net.at, &batch, &net.pass, &out), status);
    assert_string_equal(nas_ctx_message(net.ctx), text);
    net_close(&net);
}

static void test_failures(void **state) {
    const uint32_t both = MN_PASS_GRAD_W | MN_PASS_GRAD_A;
    (void)state;
    check_failure(", image: 2", both, MN_NUMERIC,
                  "operations.bad plain_conv: image 2 is not to my liking");
    check_failure(", image: 0, back: true", both, MN_NUMERIC,
                  "operations.bad plain_conv: there is no way back");
    check_failure(", image: 0, back: true", 0, MN_OK, "");
    check_failure(", image: 3", both, MN_OK, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_like_built_in),
                                       cmocka_unit_test(test_maps_like_loops),
                                       cmocka_unit_test(test_gradients),
                                       cmocka_unit_test(test_gradients_of_maps),
                                       cmocka_unit_test(test_gradients_of_layers),
                                       cmocka_unit_test(test_size_of_layers),
                                       cmocka_unit_test(test_failures)};
    return net_run(tests);
}
