/* SPDX-License-Identifier: MIT */
/* A chain of searched layers: a convolution, then layers that each mix the outputs of the two
 * before them (the first: of the one), with a max pool in the middle, then the classifier. */
#include <metanas/plugin.h>

#include <stdio.h>

struct chain {
    int64_t layers, channels;
    struct mn_texts ops;
};

static int layer(const struct chain *s, struct mn_ctx *ctx, struct mn_builder *builder, int64_t i,
                 const int32_t from[2], int32_t n_from, int32_t *state) {
    char name[32];
    struct mn_edge_spec edges[2];
    for (int32_t e = 0; e < n_from; e++) {
        edges[e] = (struct mn_edge_spec){.size = sizeof edges[e],
                                         .from = from[e],
                                         .stride = 1,
                                         .n_ops = (int32_t)s->ops.n,
                                         .ops = s->ops.at};
    }
    snprintf(name, sizeof name, "layers.%d", (int)i);
    const struct mn_node_spec node = {.size = sizeof node,
                                      .n_edges = n_from,
                                      .name = name,
                                      .group = name, /* every layer has logits of its own */
                                      .edges = edges,
                                      .edge_stride = sizeof *edges,
                                      .channels = (int32_t)s->channels};
    return mn_build_node(ctx, builder, &node, state);
}

static int build(const void *self, struct mn_ctx *ctx, const struct mn_dims *dims,
                 struct mn_builder *builder) {
    const struct chain *s = self;
    int32_t last[2] = {0, 0}, n = 1; /* the states that the next layer reads */
    const struct mn_conv_spec stem = {.size = sizeof stem,
                                      .from = 0,
                                      .name = "stem",
                                      .channels = (int32_t)s->channels,
                                      .kernel = 3,
                                      .stride = 1,
                                      .flags = MN_BUILD_AFFINE};
    int status = mn_build_conv(ctx, builder, &stem, &last[0]);
    for (int64_t i = 0; status == MN_OK && i < s->layers; i++) {
        if (i == s->layers / 2) {
            status = mn_build_max_pool(ctx, builder, "pool", last[0], 2, 2, &last[0]);
            n = 1; /* what came before the pool has another size */
        }
        int32_t state = 0;
        status = status != MN_OK ? status : layer(s, ctx, builder, i, last, n, &state);
        last[1] = last[0];
        last[0] = state;
        n = 2;
    }
    const struct mn_head_spec head = {
        .size = sizeof head, .from = last[0], .name = "head", .kind = MN_HEAD_AVERAGE};
    return status != MN_OK ? status : mn_build_head(ctx, builder, &head);
}

static const struct mn_search_space table = {.size = sizeof table, .build = build};

static const struct mn_opt options[] = {
    MN_INT(struct chain, layers, 4, 1, 1000, "searched layers"),
    MN_INT(struct chain, channels, 8, 2, 4096, "channels of every layer"),
    MN_TEXTS(struct chain, ops, "conv_3x3, dil_conv_3x3, max_pool_3x3, skip_connect",
             "candidate operations of a layer"),
};

MN_PLUGIN("@NAME@", "0.1.0",
          MN_UNIT(MN_SEARCH_SPACE, "@NAME@", "a chain of searched layers", struct chain, options,
                  &table))
