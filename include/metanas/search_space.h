/* SPDX-License-Identifier: MIT */
#ifndef METANAS_SEARCH_SPACE_H
#define METANAS_SEARCH_SPACE_H

/* search_space: which network exists. `build` describes the network to the host, layer by layer; a
 * state is the output of a layer, state 0 the images. Weights are named NAME.PART, with NAME as
 * given here (docs/state-names.md lists them): 1 to 100 characters, as those of groups. Channel
 * counts are 1 to 65536. All builder calls are [setup]; one that fails has recorded a message, and
 * `build` returns its status. */

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mn_build_flag {
    MN_BUILD_RELU_BEFORE = 1, /* ReLU on the input */
    MN_BUILD_RELU_AFTER = 2,  /* ReLU on the output, after batch norm */
    MN_BUILD_BIAS = 4,        /* the convolution has a bias */
    MN_BUILD_AFFINE = 8       /* batch norms have scale and shift */
};

/* Convolution (padding (kernel-1)/2) and batch norm. */
struct mn_conv_spec {
    uint32_t size;
    int32_t from;           /* state */
    const char *name;       /* weights: NAME.conv.weight, .conv.bias, .bn.weight, .bn.bias */
    int32_t channels;       /* output channels */
    int32_t kernel, stride; /* kernel 1, 3, 5 or 7, stride 1 or 2 */
    uint32_t flags;         /* enum mn_build_flag */
};

/* One input of a node with its candidate operations. */
struct mn_edge_spec {
    uint32_t size;
    int32_t from;           /* state, with the node's channel count */
    int32_t stride;         /* 1 or 2 */
    int32_t n_ops;          /* candidates, 1..64; on the edges of a searched node equally many */
    const char *const *ops; /* their names; mn_bad names give MN_CONFIG with the nearest one */
    /* Factor of what the edge gives to the node's sum; 0 = 1. Only where nothing is searched: there
     * it is what the mixtures of a pruned network left. */
    double weight;
};

/* A node: the mixture over its edges of the mixtures over their candidates (Eq. 7). */
struct mn_node_spec {
    uint32_t size;
    int32_t n_edges;   /* 1..64; all give images of one size */
    const char *name;  /* weights: NAME.edges.E.OP.PART */
    const char *group; /* nodes of one group share their logits, named alpha.GROUP.op and
                          alpha.GROUP.in, and have the same candidates on the same edges; NULL =
                          nothing is searched, all weights are 1 */
    const struct mn_edge_spec *edges;
    uint32_t edge_stride; /* sizeof(struct mn_edge_spec) */
    int32_t channels;
    uint32_t flags; /* MN_BUILD_AFFINE */
    /* K >= 2, a divisor of channels: partial channels. On every edge the candidates read and give
     * channels / K channels; the others pass by with the edge's weight (at stride 2 by a 2x2 max
     * pool). Of the two parts one after the other, channel g * channels / K + i becomes channel
     * i * K + g. 0 or 1: the candidates have all channels. Source: Xu et al. (PC-DARTS, ICLR 2020),
     * section 3.2. */
    int32_t partial;
};

enum mn_pool_kind { MN_POOL_MAX = 0, MN_POOL_AVERAGE = 1 };

enum mn_head_kind { MN_HEAD_AVERAGE = 0, MN_HEAD_FLATTEN = 1 };

/* The classifier: pooling or flattening, then a linear layer with bias: NAME.weight, NAME.bias. */
struct mn_head_spec {
    uint32_t size;
    int32_t from;
    const char *name;
    int32_t kind; /* enum mn_head_kind */
};

/* A number of weights that decides the channel count. */
struct mn_budget {
    uint32_t size;
    uint32_t reserved;
    int64_t weights;           /* wanted; 0 = the options name the channel count */
    int64_t least, most, step; /* channel counts to choose from: least, least + step, .. to most */
    const char *key;           /* option that gives the budget, for messages */
};

struct mn_search_space {
    uint32_t size;
    uint32_t reserved;

    /* Optional. Rules across options; use mn_bad_option. [setup] */
    int (*check)(const void *self, struct mn_ctx *ctx);
    /* Describe the network by builder calls; the image shape is in `dims`. [setup] */
    int (*build)(const void *self, struct mn_ctx *ctx, const struct mn_dims *dims,
                 struct mn_builder *builder);

    /* Optional, with resize: how many weights the network should have that pruning leaves. The host
     * then builds with several channel counts and takes the one that comes nearest. [setup] */
    int (*budget)(const void *self, struct mn_ctx *ctx, struct mn_budget *out);
    /* Optional, with budget: take this channel count as if the options had given it in place of the
     * budget, which is 0 from then on. [setup] */
    void (*resize)(void *self, int64_t channels);
};

/* Drop each candidate's output (not the identity) for an image with probability rate, 0 to below 1,
 * in training passes, scaling the rest by 1/(1-rate); ramp = 1: the rate grows linearly over
 * meta-training. */
static inline int mn_build_drop_path(struct mn_ctx *ctx, struct mn_builder *builder, double rate,
                                     int ramp) {
    return ctx->host->build_drop_path(builder, rate, ramp);
}

/* Convolution and batch norm, with optional ReLU before and after. */
static inline int mn_build_conv(struct mn_ctx *ctx, struct mn_builder *builder,
                                const struct mn_conv_spec *spec, int32_t *state) {
    return ctx->host->build_conv(builder, spec, state);
}

/* Factorized reduce: ReLU; two 1x1 stride-2 convolutions of channels/2 (the second on the input
 * shifted by one pixel down and right, unless a size is odd), concatenated; batch norm. Weights:
 * NAME.conv1.weight, NAME.conv2.weight. An even number of channels. flags: MN_BUILD_AFFINE. */
static inline int mn_build_reduce(struct mn_ctx *ctx, struct mn_builder *builder, const char *name,
                                  int32_t from, int32_t channels, uint32_t flags, int32_t *state) {
    return ctx->host->build_reduce(builder, name, from, channels, flags, state);
}

/* Max pool without padding, of window 2 and stride 2: the output has floor(size / 2) rows and
 * columns. A state of odd size that is pooled so cannot feed edges or convolutions of stride 2,
 * too, whose outputs are larger. */
static inline int mn_build_max_pool(struct mn_ctx *ctx, struct mn_builder *builder,
                                    const char *name, int32_t from, int32_t window, int32_t stride,
                                    int32_t *state) {
    return ctx->host->build_pool(builder, name, from, MN_POOL_MAX, window, stride, state);
}

/* The same of averages. */
static inline int mn_build_avg_pool(struct mn_ctx *ctx, struct mn_builder *builder,
                                    const char *name, int32_t from, int32_t window, int32_t stride,
                                    int32_t *state) {
    return ctx->host->build_pool(builder, name, from, MN_POOL_AVERAGE, window, stride, state);
}

/* Sum of n states, 2 to 64, of one size and channel count: residual connections. */
static inline int mn_build_sum(struct mn_ctx *ctx, struct mn_builder *builder, const char *name,
                               int32_t n, const int32_t *states, int32_t *state) {
    return ctx->host->build_sum(builder, name, n, states, state);
}

/* A node. */
static inline int mn_build_node(struct mn_ctx *ctx, struct mn_builder *builder,
                                const struct mn_node_spec *spec, int32_t *state) {
    return ctx->host->build_node(builder, spec, state);
}

/* Channel concatenation of n >= 1 different nodes or convolutions (without MN_BUILD_RELU_AFTER) of
 * one size, each in one concatenation only. */
static inline int mn_build_concat(struct mn_ctx *ctx, struct mn_builder *builder, const char *name,
                                  int32_t n, const int32_t *states, int32_t *state) {
    return ctx->host->build_concat(builder, name, n, states, state);
}

/* The classifier; exactly once, last. */
static inline int mn_build_head(struct mn_ctx *ctx, struct mn_builder *builder,
                                const struct mn_head_spec *spec) {
    return ctx->host->build_head(builder, spec);
}

#ifdef __cplusplus
}
#endif

#endif
