/* SPDX-License-Identifier: MIT */
/* A chain of inverted residuals that each choose their kernel and their expansion, and, where they
 * keep the image's size, whether they are there at all: the space of ProxylessNAS (Cai et al., ICLR
 * 2019) on small images. Every block is a cell of its own, blockN, of one node with one input. */
#include <metanas/plugin.h>

#include <inttypes.h>
#include <stdio.h>

enum { NAME = 64, MOST_OPS = 63 };

struct mb_chain {
    int64_t channels, blocks, features;
    struct mn_ints widths;
    struct mn_texts ops;
    bool skip, affine;
};

/* The chain under construction. */
struct site {
    const struct mb_chain *s;
    struct mn_ctx *ctx;
    struct mn_builder *builder;
    const char *ops[MOST_OPS + 1]; /* of blocks that may be nothing */
    int64_t n;                     /* blocks so far */
    int32_t state;
};

static int check(const void *self, struct mn_ctx *ctx) {
    const struct mb_chain *s = self;
    if (s->ops.n < 1 || s->ops.n > MOST_OPS) {
        return mn_bad_option(ctx, "ops", "expected 1 to %d operations", MOST_OPS);
    }
    if (s->widths.n < 1) {
        return mn_bad_option(ctx, "widths", "expected the channels of one stage or more");
    }
    return MN_OK;
}

static uint32_t affine(const struct mb_chain *s) {
    return s->affine ? MN_BUILD_AFFINE : 0;
}

static int conv(struct site *at, const char *name, int32_t channels, int32_t kernel) {
    const struct mn_conv_spec spec = {.size = sizeof spec,
                                      .from = at->state,
                                      .name = name,
                                      .channels = channels,
                                      .kernel = kernel,
                                      .stride = 1,
                                      .flags = affine(at->s) | MN_BUILD_RELU_AFTER};
    return mn_build_conv(at->ctx, at->builder, &spec, &at->state);
}

static int block(struct site *at, int64_t stage, int64_t b) {
    const struct mb_chain *s = at->s;
    const int32_t channels = (int32_t)s->widths.at[stage], before = at->state;
    const int residual = b > 0;
    char name[NAME], group[NAME];
    snprintf(name, sizeof name, "stages.%" PRId64 ".blocks.%" PRId64, stage, b);
    snprintf(group, sizeof group, "block%" PRId64, at->n++);
    const struct mn_edge_spec edge = {.size = sizeof edge,
                                      .from = before,
                                      .stride = residual ? 1 : 2,
                                      .n_ops = (int32_t)s->ops.n + (residual && s->skip ? 1 : 0),
                                      .ops = at->ops};
    const struct mn_node_spec node = {.size = sizeof node,
                                      .n_edges = 1,
                                      .name = name,
                                      .group = group,
                                      .edges = &edge,
                                      .edge_stride = sizeof edge,
                                      .channels = channels,
                                      .flags = affine(s)};
    const int status = mn_build_node(at->ctx, at->builder, &node, &at->state);
    if (status != MN_OK || !residual) {
        return status;
    }
    snprintf(name, sizeof name, "stages.%" PRId64 ".sums.%" PRId64, stage, b);
    return mn_build_sum(at->ctx, at->builder, name, 2, (const int32_t[]){before, at->state},
                        &at->state);
}

static int build(const void *self, struct mn_ctx *ctx, const struct mn_dims *dims,
                 struct mn_builder *builder) {
    const struct mb_chain *s = self;
    struct site at = {.s = s, .ctx = ctx, .builder = builder};
    for (int64_t i = 0; i < s->ops.n; i++) {
        at.ops[i] = s->ops.at[i];
    }
    at.ops[s->ops.n] = "none";
    int status = conv(&at, "stem", (int32_t)s->channels, 3);
    for (int64_t stage = 0; status == MN_OK && stage < s->widths.n; stage++) {
        for (int64_t b = 0; status == MN_OK && b < s->blocks; b++) {
            status = block(&at, stage, b);
        }
    }
    if (status == MN_OK && s->features > 0) {
        status = conv(&at, "features", (int32_t)s->features, 1);
    }
    const struct mn_head_spec head = {
        .size = sizeof head, .from = at.state, .name = "head", .kind = MN_HEAD_AVERAGE};
    return status == MN_OK ? mn_build_head(ctx, builder, &head) : status;
}

static const struct mn_search_space space = {.size = sizeof space, .check = check, .build = build};

static const struct mn_opt options[] = {
    MN_INT(struct mb_chain, channels, 16, 1, 65536, "of the first convolution"),
    MN_INTS(struct mb_chain, widths, "16,24,32", 1, 65536,
            "channels of each stage; its first block halves the image"),
    MN_INT(struct mb_chain, blocks, 2, 1, 64, "of each stage; those after the first are residual"),
    MN_INT(struct mb_chain, features, 64, 0, 65536,
           "channels of a last 1x1 convolution; 0 = there is none"),
    MN_TEXTS(struct mb_chain, ops,
             "mb_conv_3x3_e3,mb_conv_3x3_e6,mb_conv_5x5_e3,mb_conv_5x5_e6,mb_conv_7x7_e3,"
             "mb_conv_7x7_e6",
             "candidate operations of every block"),
    MN_BOOL(struct mb_chain, skip, 1, "a residual block may be nothing, too: candidate none"),
    MN_BOOL(struct mb_chain, affine, 1, "batch norms have scale and shift"),
};

MN_PLUGIN("mb_chain", "0.1.0",
          MN_UNIT(MN_SEARCH_SPACE, "mb_chain", "a chain of inverted residuals", struct mb_chain,
                  options, &space))
