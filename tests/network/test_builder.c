/* SPDX-License-Identifier: MIT */
/* A search space that breaks the rules of the builder, one at a time: each is told with the layer's
 * name, and no network comes out. */
#include "network/model.h"

#include "../support/check.h"

#include <metanas/plugin.h>

#include <math.h>

#include "learn/experiment.h"
#include "learn/host.h"

/* ---- the search space --------------------------------------------------------------------- */

typedef int (*attempt_fn)(struct mn_ctx *ctx, struct mn_builder *b);
static attempt_fn attempt;

static int build(const void *self, struct mn_ctx *ctx, const struct mn_dims *dims,
                 struct mn_builder *b) {
    return attempt(ctx, b);
}

static const struct mn_search_space space = {.size = sizeof space, .build = build};

MN_PLUGIN("crooked", "0.1.0", MN_UNIT_PLAIN(MN_SEARCH_SPACE, "crooked", "breaks rules", &space))

/* ---- layers, right but for what is given --------------------------------------------------- */

static int conv(struct mn_ctx *ctx, struct mn_builder *b, const char *name, int from, int channels,
                int kernel, int stride) {
    int32_t state;
    const struct mn_conv_spec spec = {.size = sizeof spec,
                                      .from = from,
                                      .name = name,
                                      .channels = channels,
                                      .kernel = kernel,
                                      .stride = stride};
    return mn_build_conv(ctx, b, &spec, &state);
}

static int head(struct mn_ctx *ctx, struct mn_builder *b, int from) {
    const struct mn_head_spec spec = {.size = sizeof spec, .from = from, .name = "head"};
    return mn_build_head(ctx, b, &spec);
}

/* A node over `n` edges from state 1, which has 4 channels. */
static int node(struct mn_ctx *ctx, struct mn_builder *b, struct mn_edge_spec *edges, int n,
                const char *name, const char *group, int partial) {
    int32_t state;
    for (int i = 0; i < n && i < 8; i++) {
        edges[i].size = sizeof edges[i];
    }
    const struct mn_node_spec spec = {.size = sizeof spec,
                                      .n_edges = n,
                                      .name = name,
                                      .group = group,
                                      .edges = edges,
                                      .edge_stride = sizeof edges[0],
                                      .channels = 4,
                                      .partial = partial};
    return mn_build_node(ctx, b, &spec, &state);
}

static const char *const skip[] = {"skip_connect"};
static const char *const two[] = {"skip_connect", "conv_3x3"};
static const char *const other[] = {"skip_connect", "sep_conv_3x3"};

/* State 1: 4 channels. */
static void stem(struct mn_ctx *ctx, struct mn_builder *b) {
    assert_int_equal(conv(ctx, b, "stem", 0, 4, 3, 1), MN_OK);
}

/* ---- what is wrong ------------------------------------------------------------------------ */

#define ATTEMPT(name) static int name(struct mn_ctx *ctx, struct mn_builder *b)

ATTEMPT(no_state) {
    return conv(ctx, b, "a", 3, 4, 3, 1);
}
ATTEMPT(no_name) {
    return conv(ctx, b, "", 0, 4, 3, 1);
}
ATTEMPT(long_name) {
    char name[102];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    return conv(ctx, b, name, 0, 4, 3, 1);
}
ATTEMPT(no_channels) {
    return conv(ctx, b, "a", 0, 0, 3, 1);
}
ATTEMPT(even_kernel) {
    return conv(ctx, b, "a", 0, 4, 4, 1);
}
ATTEMPT(odd_stride) {
    return conv(ctx, b, "a", 0, 4, 3, 3);
}
ATTEMPT(behind_head) {
    stem(ctx, b);
    assert_int_equal(head(ctx, b, 1), MN_OK);
    return conv(ctx, b, "late", 1, 4, 3, 1);
}
ATTEMPT(two_heads) {
    stem(ctx, b);
    assert_int_equal(head(ctx, b, 1), MN_OK);
    return head(ctx, b, 1);
}
ATTEMPT(no_head) {
    stem(ctx, b);
    return MN_OK;
}
ATTEMPT(same_name) {
    stem(ctx, b);
    stem(ctx, b);
    return head(ctx, b, 2);
}
ATTEMPT(ignored) {
    stem(ctx, b);
    conv(ctx, b, "a", 9, 4, 3, 1);
    nas_ctx_clear(ctx);
    return head(ctx, b, 1);
}
ATTEMPT(drop_path) {
    return mn_build_drop_path(ctx, b, 1, 0);
}
ATTEMPT(odd_reduce) {
    int32_t state;
    return mn_build_reduce(ctx, b, "r", 0, 5, 0, &state);
}
ATTEMPT(wide_pool) {
    int32_t state;
    return mn_build_max_pool(ctx, b, "p", 0, 3, 2, &state);
}
ATTEMPT(pool_of_a_pixel) {
    int32_t state = 0;
    int status = MN_OK;
    for (int i = 0; status == MN_OK && i < 6; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%d", i);
        status = mn_build_max_pool(ctx, b, name, state, 2, 2, &state);
    }
    return status;
}
ATTEMPT(unknown_op) {
    static const char *const ops[] = {"conv_3x4"};
    struct mn_edge_spec edge = {.from = 1, .stride = 1, .n_ops = 1, .ops = ops};
    stem(ctx, b);
    return node(ctx, b, &edge, 1, "n", NULL, 0);
}
ATTEMPT(no_ops) {
    struct mn_edge_spec edge = {.from = 1, .stride = 1, .n_ops = 0, .ops = skip};
    stem(ctx, b);
    return node(ctx, b, &edge, 1, "n", NULL, 0);
}
ATTEMPT(edge_stride) {
    struct mn_edge_spec edge = {.from = 1, .stride = 4, .n_ops = 1, .ops = skip};
    stem(ctx, b);
    return node(ctx, b, &edge, 1, "n", NULL, 0);
}
ATTEMPT(searched_weight) {
    struct mn_edge_spec edges[] = {{.from = 1, .stride = 1, .n_ops = 2, .ops = two, .weight = 0.5}};
    stem(ctx, b);
    return node(ctx, b, edges, 1, "n", "g", 0);
}
ATTEMPT(endless_weight) {
    struct mn_edge_spec edge = {
        .from = 1, .stride = 1, .n_ops = 1, .ops = skip, .weight = INFINITY};
    stem(ctx, b);
    return node(ctx, b, &edge, 1, "n", NULL, 0);
}
ATTEMPT(edge_channels) {
    struct mn_edge_spec edge = {.from = 0, .stride = 1, .n_ops = 1, .ops = skip};
    stem(ctx, b);
    return node(ctx, b, &edge, 1, "n", NULL, 0);
}
/* One candidate on an edge from the images, of 1 channel, to 4. */
static int widen(struct mn_ctx *ctx, struct mn_builder *b, const char *op) {
    struct mn_edge_spec edge = {.from = 0, .stride = 1, .n_ops = 1, .ops = &op};
    stem(ctx, b);
    return node(ctx, b, &edge, 1, "n", NULL, 0);
}
ATTEMPT(widening_ghost) {
    return widen(ctx, b, "ghost_conv_3x3");
}
ATTEMPT(widening_pool) {
    return widen(ctx, b, "max_pool_3x3");
}
ATTEMPT(partial_widening) {
    struct mn_edge_spec edge = {.from = 0, .stride = 1, .n_ops = 1, .ops = two + 1};
    stem(ctx, b);
    return node(ctx, b, &edge, 1, "n", NULL, 2);
}
/* A ghost module of an odd number of channels. */
ATTEMPT(odd_ghost) {
    static const char *const ghost[] = {"ghost_conv_3x3"};
    struct mn_edge_spec edge = {
        .size = sizeof edge, .from = 1, .stride = 1, .n_ops = 1, .ops = ghost};
    const struct mn_node_spec spec = {.size = sizeof spec,
                                      .n_edges = 1,
                                      .name = "n",
                                      .edges = &edge,
                                      .edge_stride = sizeof edge,
                                      .channels = 5};
    int32_t state;
    stem(ctx, b);
    return mn_build_node(ctx, b, &spec, &state);
}
ATTEMPT(no_pool) {
    int32_t state;
    return ctx->host->build_pool(b, "p", 0, 7, 2, 2, &state);
}
static int sum(struct mn_ctx *ctx, struct mn_builder *b, int32_t n, int32_t second) {
    const int32_t states[] = {1, second};
    int32_t state;
    stem(ctx, b);
    return mn_build_sum(ctx, b, "s", n, states, &state);
}
ATTEMPT(sum_of_one) {
    return sum(ctx, b, 1, 1);
}
ATTEMPT(sum_of_shapes) {
    return sum(ctx, b, 2, 0);
}
ATTEMPT(sum_no_state) {
    return sum(ctx, b, 2, 9);
}
ATTEMPT(no_edges) {
    stem(ctx, b);
    return node(ctx, b, NULL, 0, "n", NULL, 0);
}
ATTEMPT(thirds) {
    struct mn_edge_spec edge = {.from = 1, .stride = 1, .n_ops = 1, .ops = skip};
    stem(ctx, b);
    return node(ctx, b, &edge, 1, "n", NULL, 3);
}
ATTEMPT(two_sizes) {
    struct mn_edge_spec edges[] = {{.from = 1, .stride = 1, .n_ops = 1, .ops = skip},
                                   {.from = 1, .stride = 2, .n_ops = 1, .ops = skip}};
    stem(ctx, b);
    return node(ctx, b, edges, 2, "n", NULL, 0);
}
ATTEMPT(uneven_candidates) {
    struct mn_edge_spec edges[] = {{.from = 1, .stride = 1, .n_ops = 1, .ops = skip},
                                   {.from = 1, .stride = 1, .n_ops = 2, .ops = two}};
    stem(ctx, b);
    return node(ctx, b, edges, 2, "n", "g", 0);
}
/* Two nodes of group g; the second differs. */
static int second(struct mn_ctx *ctx, struct mn_builder *b, int n, const char *const *ops) {
    struct mn_edge_spec edges[] = {{.from = 1, .stride = 1, .n_ops = 2, .ops = two},
                                   {.from = 1, .stride = 1, .n_ops = 2, .ops = two}};
    stem(ctx, b);
    assert_int_equal(node(ctx, b, edges, 2, "n", "g", 0), MN_OK);
    edges[0].ops = ops;
    return node(ctx, b, edges, n, "m", "g", 0);
}
ATTEMPT(group_edges) {
    return second(ctx, b, 1, two);
}
ATTEMPT(group_ops) {
    return second(ctx, b, 2, other);
}
ATTEMPT(no_group) {
    struct mn_edge_spec edges[] = {{.from = 1, .stride = 1, .n_ops = 2, .ops = two}};
    stem(ctx, b);
    return node(ctx, b, edges, 1, "n", "", 0);
}
ATTEMPT(long_group) {
    struct mn_edge_spec edges[] = {{.from = 1, .stride = 1, .n_ops = 2, .ops = two}};
    char name[102] = "";
    memset(name, 'g', 101);
    stem(ctx, b);
    return node(ctx, b, edges, 1, "n", name, 0);
}
ATTEMPT(unknown_head) {
    const struct mn_head_spec spec = {.size = sizeof spec, .name = "head", .kind = 2};
    return mn_build_head(ctx, b, &spec);
}
ATTEMPT(concat_nothing) {
    int32_t state;
    return mn_build_concat(ctx, b, "c", 0, NULL, &state);
}
ATTEMPT(concat_images) {
    const int32_t parts[] = {0};
    int32_t state;
    return mn_build_concat(ctx, b, "c", 1, parts, &state);
}
ATTEMPT(concat_twice) {
    const int32_t parts[] = {1, 1};
    int32_t state;
    stem(ctx, b);
    return mn_build_concat(ctx, b, "c", 2, parts, &state);
}
ATTEMPT(concat_sizes) {
    const int32_t parts[] = {1, 2};
    int32_t state;
    stem(ctx, b);
    assert_int_equal(conv(ctx, b, "half", 1, 4, 3, 2), MN_OK);
    return mn_build_concat(ctx, b, "c", 2, parts, &state);
}
ATTEMPT(concat_no_state) {
    const int32_t parts[] = {7};
    int32_t state;
    return mn_build_concat(ctx, b, "c", 1, parts, &state);
}

static const struct {
    attempt_fn attempt;
    int status;
    const char *text;
} cases[] = {
    {no_state, MN_INTERNAL, "layer a: state 3 does not exist (0 to 0 do)"},
    {no_name, MN_INTERNAL, "a layer needs a name of 1 to 100 characters"},
    {long_name, MN_INTERNAL, "a layer needs a name of 1 to 100 characters"},
    {no_channels, MN_CONFIG, "layer a: 0 channels; 1 to 65536 are possible"},
    {even_kernel, MN_UNSUPPORTED, "layer a: kernel 4; 1, 3, 5 and 7 are possible"},
    {odd_stride, MN_UNSUPPORTED, "layer a: stride 3; 1 and 2 are possible"},
    {behind_head, MN_INTERNAL, "layer late comes after the head"},
    {two_heads, MN_INTERNAL, "layer head comes after the head"},
    {unknown_head, MN_INTERNAL, "head head is of unknown kind 2"},
    {no_group, MN_INTERNAL, "node n: a group needs a name of 1 to 100 characters"},
    {long_group, MN_INTERNAL, "node n: a group needs a name of 1 to 100 characters"},
    {same_name, MN_INTERNAL,
     "two arrays are named stem.conv.weight: layers and an operation's arrays of weights need "
     "names of their own"},
    {no_head, MN_INTERNAL, "build made no head"},
    {ignored, MN_INTERNAL, "build ignored a failed builder call"},
    {drop_path, MN_CONFIG, "drop path rate 1 is not in [0, 1)"},
    {odd_reduce, MN_CONFIG, "layer r: a factorized reduce splits the channels in two halves; 5"},
    {wide_pool, MN_UNSUPPORTED, "layer p: pool 3x3, stride 2"},
    {pool_of_a_pixel, MN_CONFIG, "layer p3: the input is 1x1, too small for a 2x2 pool"},
    {unknown_op, MN_CONFIG, "unknown operation 'conv_3x4'; did you mean 'conv_3x3'?"},
    {no_ops, MN_CONFIG, "n.edges.0: 0 candidates; 1 to 64 are possible"},
    {edge_stride, MN_UNSUPPORTED, "n.edges.0: stride 4; 1 and 2 are possible"},
    {searched_weight, MN_UNSUPPORTED, "n.edges.0: weight 0.5; it must be finite, and 0 where"},
    {endless_weight, MN_UNSUPPORTED, "n.edges.0: weight inf; it must be finite, and 0 where"},
    {edge_channels, MN_CONFIG,
     "n.edges.0.skip_connect gets 1 channels and gives as many; here it is to give 4"},
    {widening_ghost, MN_INTERNAL, "build made no head"},
    {widening_pool, MN_CONFIG, "n.edges.0.max_pool_3x3 gets 1 channels and gives as many"},
    {partial_widening, MN_CONFIG,
     "n.edges.0: the input has 1 channels, the node 4; with partial channels they are the same"},
    {odd_ghost, MN_CONFIG,
     "n.edges.0.ghost_conv_3x3: 4 channels in, 5 out leave stage 1 no whole number of channels"},
    {no_pool, MN_INTERNAL, "layer p: a pool of unknown kind 7"},
    {sum_of_one, MN_CONFIG, "sum s of 1 states; 2 to 64 are possible"},
    {sum_of_shapes, MN_CONFIG, "sum s: its states differ in size or channels"},
    {sum_no_state, MN_INTERNAL, "layer s: state 9 does not exist"},
    {no_edges, MN_CONFIG, "node n has 0 edges; 1 to 64 are possible"},
    {thirds, MN_CONFIG, "node n: 1/3 of 4 channels is not a whole number"},
    {two_sizes, MN_CONFIG, "node n: edge 1 gives images of another size than edge 0"},
    {uneven_candidates, MN_UNSUPPORTED, "node n: edge 1 has 2 candidates, edge 0 has 1"},
    {group_edges, MN_CONFIG, "node m has 1 edges; its group g began with 2"},
    {group_ops, MN_CONFIG, "node m, edge 0: other candidates than its group g began with"},
    {concat_nothing, MN_CONFIG, "concatenation c of nothing"},
    {concat_images, MN_UNSUPPORTED, "concatenation c: part 0 must be a node or convolution"},
    {concat_twice, MN_UNSUPPORTED, "concatenation c holds a part twice"},
    {concat_sizes, MN_CONFIG, "concatenation c: its parts differ in size"},
    {concat_no_state, MN_INTERNAL, "layer c: state 7 does not exist"},
};

/* ---- the test ----------------------------------------------------------------------------- */

static struct nas_ctx context;
static struct mn_ctx *const ctx = &context.pub;
static struct nas_registry *registry;
static struct nas_arena arena;
static struct nas_instance unit[4];

static void open_unit(int i, int kind, const char *name) {
    struct nas_faults faults = {.arena = &arena};
    const struct nas_mark mark = {0};
    assert_ok(ctx,
              nas_instance_init(&unit[i], ctx, registry, kind, NULL, NULL, name, mark, &faults));
    assert_int_equal(faults.count, 0);
}

static int begin(void **state) {
    nas_ctx_init(&context, &nas_host);
    assert_ok(ctx, nas_registry_new(ctx, NULL, &registry));
    assert_ok(ctx, nas_registry_add(registry, ctx, mn_plugin_entry()));
    open_unit(0, MN_SEARCH_SPACE, "crooked");
    open_unit(1, MN_OP_MIXER, "softmax");
    open_unit(2, MN_INPUT_MIXER, "soft_prune");
    open_unit(3, MN_HEAD, "linear");
    return 0;
}

static int end(void **state) {
    for (int i = 0; i < 4; i++) {
        nas_instance_fini(&unit[i]);
    }
    nas_registry_free(registry);
    nas_arena_fini(&arena);
    nas_ctx_fini(&context);
    return 0;
}

static void test_broken_rules(void **state) {
    const struct mn_dims dims = {
        .size = sizeof dims, .ways = 2, .channels = 1, .height = 8, .width = 8, .max_batch = 2};
    const struct nas_network_units units = {
        .search_space = &unit[0], .op_mixer = &unit[1], .input_mixer = &unit[2], .head = &unit[3]};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mn_model *model = NULL;
        attempt = cases[i].attempt;
        assert_failed(ctx, nas_network_new(ctx, &units, &dims, &model), cases[i].status,
                      cases[i].text);
        assert_null(model);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_broken_rules)};
    return cmocka_run_group_tests_name("builder", tests, begin, end);
}
