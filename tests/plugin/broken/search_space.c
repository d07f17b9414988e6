/* SPDX-License-Identifier: MIT */
/* A convolution, a node of two candidates, a head. */
#define WAYS                                                                                       \
    FINE, CYCLE, TWO_HEADS, NO_HEAD, IGNORES_BUILDER, UNKNOWN_OP, UNNAMED, NO_SIZE, UNSTABLE
#include "wrong.h"

struct space {
    int64_t channels;
};

static int add_node(struct mn_ctx *ctx, struct mn_builder *builder, int32_t from, int32_t channels,
                    int32_t *state) {
    const char *const ops[] = {wrong == UNKNOWN_OP ? "conv_3x4" : "conv_3x3", "skip_connect"};
    const struct mn_edge_spec edge = {.size = sizeof edge,
                                      .from = wrong == CYCLE ? from + 1 : from,
                                      .stride = 1,
                                      .n_ops = 2,
                                      .ops = ops};
    const struct mn_node_spec node = {.size = wrong == NO_SIZE ? 0 : sizeof node,
                                      .n_edges = 1,
                                      .name = wrong == UNNAMED ? NULL : "node",
                                      .group = "normal",
                                      .edges = &edge,
                                      .edge_stride = sizeof edge,
                                      .channels = channels};
    return mn_build_node(ctx, builder, &node, state);
}

static int build(const void *self, struct mn_ctx *ctx, const struct mn_dims *dims,
                 struct mn_builder *builder) {
    static int32_t calls;
    const struct space *s = self;
    const int32_t channels = (int32_t)s->channels + (wrong == UNSTABLE ? calls++ : 0);
    const struct mn_conv_spec conv = {
        .size = sizeof conv, .name = "stem", .channels = channels, .kernel = 3, .stride = 2};
    struct mn_head_spec head = {.size = sizeof head, .name = "head"};
    int32_t stem = 0;
    int status = mn_build_conv(ctx, builder, &conv, &stem);
    if (status == MN_OK || wrong == IGNORES_BUILDER) {
        status = add_node(ctx, builder, stem, channels, &head.from);
    }
    if (status == MN_OK && wrong != NO_HEAD) {
        status = mn_build_head(ctx, builder, &head);
    }
    if (status == MN_OK && wrong == TWO_HEADS) {
        status = mn_build_head(ctx, builder, &head);
    }
    return status;
}

static const struct mn_search_space table = {.size = sizeof table, .build = build};

static const struct mn_opt options[] = {
    MN_INT(struct space, channels, 4, 1, 64, "channels"),
};

MN_PLUGIN("broken_search_space", "1.0.0",
          MN_UNIT(MN_SEARCH_SPACE, "space", "one node after one convolution", struct space, options,
                  &table))

__attribute__((constructor)) static void loaded(void) {
    choose_way();
}
