/* SPDX-License-Identifier: MIT */
/* The cells of NAS-Bench-201 (Dong and Yang, ICLR 2020): three stages of cells of four nodes, each
 * the sum of an operation on every node before it, with residual blocks between the stages that
 * halve the image and double the channels. Other than there, pools and the shortcut of a residual
 * block have a batch norm, and there is none after the last cell. */
#include <metanas/plugin.h>

#include <inttypes.h>
#include <stdio.h>

enum { NODES = 4, STAGES = 3, NAME = 64 };

struct nasbench201 {
    int64_t channels, cells;
    struct mn_texts ops;
    bool shared, affine;
};

/* The network under construction. */
struct site {
    const struct nasbench201 *s;
    struct mn_ctx *ctx;
    struct mn_builder *builder;
    int32_t channels, state;
};

static uint32_t affine(const struct site *at) {
    return at->s->affine ? MN_BUILD_AFFINE : 0;
}

static int conv(const struct site *at, const char *name, int32_t from, int32_t kernel,
                int32_t stride, uint32_t flags, int32_t *state) {
    const struct mn_conv_spec spec = {.size = sizeof spec,
                                      .from = from,
                                      .name = name,
                                      .channels = at->channels,
                                      .kernel = kernel,
                                      .stride = stride,
                                      .flags = affine(at) | flags};
    return mn_build_conv(at->ctx, at->builder, &spec, state);
}

static int cell(struct site *at, int64_t index) {
    const struct nasbench201 *s = at->s;
    int32_t states[NODES] = {at->state};
    int status = MN_OK;
    for (int32_t j = 1; status == MN_OK && j < NODES; j++) {
        struct mn_edge_spec edges[NODES];
        char name[NAME], group[NAME];
        snprintf(name, sizeof name, "cells.%" PRId64 ".nodes.%" PRId32, index, j - 1);
        if (s->shared) {
            snprintf(group, sizeof group, "cell.%" PRId32, j - 1);
        } else {
            snprintf(group, sizeof group, "cell%" PRId64 ".%" PRId32, index, j - 1);
        }
        for (int32_t i = 0; i < j; i++) {
            edges[i] = (struct mn_edge_spec){.size = sizeof edges[i],
                                             .from = states[i],
                                             .stride = 1,
                                             .n_ops = (int32_t)s->ops.n,
                                             .ops = s->ops.at};
        }
        const struct mn_node_spec node = {.size = sizeof node,
                                          .n_edges = j,
                                          .name = name,
                                          .group = group,
                                          .edges = edges,
                                          .edge_stride = sizeof edges[0],
                                          .channels = at->channels,
                                          .flags = affine(at)};
        status = mn_build_node(at->ctx, at->builder, &node, &states[j]);
    }
    at->state = states[NODES - 1];
    return status;
}

static int reduction(struct site *at, int stage) {
    char name[NAME];
    int32_t both[2] = {0, 0};
    snprintf(name, sizeof name, "blocks.%d.conv_a", stage);
    int status = conv(at, name, at->state, 3, 2, MN_BUILD_RELU_BEFORE, &both[0]);
    snprintf(name, sizeof name, "blocks.%d.conv_b", stage);
    status =
        status == MN_OK ? conv(at, name, both[0], 3, 1, MN_BUILD_RELU_BEFORE, &both[0]) : status;
    snprintf(name, sizeof name, "blocks.%d.pool", stage);
    status = status == MN_OK
                 ? mn_build_avg_pool(at->ctx, at->builder, name, at->state, 2, 2, &both[1])
                 : status;
    snprintf(name, sizeof name, "blocks.%d.shortcut", stage);
    status = status == MN_OK ? conv(at, name, both[1], 1, 1, 0, &both[1]) : status;
    snprintf(name, sizeof name, "blocks.%d.sum", stage);
    return status == MN_OK ? mn_build_sum(at->ctx, at->builder, name, 2, both, &at->state) : status;
}

static int build(const void *self, struct mn_ctx *ctx, const struct mn_dims *dims,
                 struct mn_builder *builder) {
    const struct nasbench201 *s = self;
    struct site at = {.s = s, .ctx = ctx, .builder = builder, .channels = (int32_t)s->channels};
    int status = conv(&at, "stem", 0, 3, 1, 0, &at.state);
    for (int stage = 0; stage < STAGES; stage++) {
        if (stage > 0 && status == MN_OK) {
            at.channels *= 2;
            status = reduction(&at, stage - 1);
        }
        for (int64_t i = 0; status == MN_OK && i < s->cells; i++) {
            status = cell(&at, stage * s->cells + i);
        }
    }
    const struct mn_head_spec head = {
        .size = sizeof head, .from = at.state, .name = "head", .kind = MN_HEAD_AVERAGE};
    return status == MN_OK ? mn_build_head(ctx, builder, &head) : status;
}

static const struct mn_search_space space = {.size = sizeof space, .build = build};

static const struct mn_opt options[] = {
    MN_INT(struct nasbench201, channels, 16, 1, 16384,
           "of the first stage; the second has twice, the third four times as many"),
    MN_INT(struct nasbench201, cells, 5, 1, 64, "of each of the three stages"),
    MN_TEXTS(struct nasbench201, ops,
             "none,skip_connect,dense_conv_1x1,dense_conv_3x3,avg_pool_3x3",
             "candidate operations of every edge"),
    MN_BOOL(struct nasbench201, shared, 1, "all cells have one architecture; or each its own"),
    MN_BOOL(struct nasbench201, affine, 1, "batch norms have scale and shift"),
};

MN_PLUGIN("nasbench201", "0.1.0",
          MN_UNIT(MN_SEARCH_SPACE, "nasbench201", "the cells of NAS-Bench-201", struct nasbench201,
                  options, &space))
