/* SPDX-License-Identifier: MIT */
/* A search space for test_backends.c: a searched node, then a convolution whose ReLU only the head
 * reads, so that nothing else asks for its output on the way back. */
#include <metanas/plugin.h>

struct relu_head {
    bool flatten;
};

static int conv(struct mn_ctx *ctx, struct mn_builder *b, const char *name, uint32_t flags,
                int32_t *state) {
    const struct mn_conv_spec spec = {.size = sizeof spec,
                                      .from = *state,
                                      .name = name,
                                      .channels = 4,
                                      .kernel = 3,
                                      .stride = 1,
                                      .flags = flags};
    return mn_build_conv(ctx, b, &spec, state);
}

static int build(const void *self, struct mn_ctx *ctx, const struct mn_dims *dims,
                 struct mn_builder *b) {
    static const char *const ops[] = {"skip_connect", "conv_3x3"};
    const struct relu_head *s = self;
    int32_t state = 0;
    int status = conv(ctx, b, "stem", 0, &state);
    const struct mn_edge_spec edge = {
        .size = sizeof edge, .from = state, .stride = 1, .n_ops = 2, .ops = ops};
    const struct mn_node_spec node = {.size = sizeof node,
                                      .n_edges = 1,
                                      .name = "node",
                                      .group = "group",
                                      .edges = &edge,
                                      .edge_stride = sizeof edge,
                                      .channels = 4};
    if (status == MN_OK) {
        status = mn_build_node(ctx, b, &node, &state);
    }
    if (status == MN_OK) {
        status = conv(ctx, b, "last", MN_BUILD_RELU_AFTER | MN_BUILD_AFFINE, &state);
    }
    const struct mn_head_spec head = {.size = sizeof head,
                                      .from = state,
                                      .name = "head",
                                      .kind = s->flatten ? MN_HEAD_FLATTEN : MN_HEAD_AVERAGE};
    return status == MN_OK ? mn_build_head(ctx, b, &head) : status;
}

static const struct mn_search_space table = {.size = sizeof table, .build = build};

static const struct mn_opt options[] = {
    MN_BOOL(struct relu_head, flatten, 0, "all pixels to the head"),
};

MN_PLUGIN("relu_head", "1.0.0",
          MN_UNIT(MN_SEARCH_SPACE, "relu_head", "ends in a ReLU", struct relu_head, options,
                  &table))
