/* SPDX-License-Identifier: MIT */
#ifndef METANAS_OPERATION_H
#define METANAS_OPERATION_H

/* operation: a candidate of a search space, y = o(x; w) of Eq. 1. There are two ways to be one.
 *
 * It is made of the host's maps: `maps` names convolutions and pools, and the host computes them on
 * its own kernels and tensors. The built-in candidates are such tables (core/network/op.c).
 *
 * It computes: `shape`, `weight`, `forward` and `backward`, on plain arrays, image by image;
 * everything around is the host's: the ReLU before, a 1x1 convolution and the batch norm after, the
 * mixture weight and its gradient, drop path, skipping and the place of the weights in w. Arrays of
 * images are [n][channels][height][width] without padding. The host cuts a batch into blocks of
 * images as it likes, so what comes out for an image must depend on that image and on w alone. */

#include "ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where in a network an operation stands. */
struct mn_op_site {
    uint32_t size;
    int32_t stride;                /* 1 or 2 */
    int32_t channels;              /* of x, and of what the node takes */
    int32_t height, width;         /* of x */
    int32_t out_height, out_width; /* of y: those of x divided by the stride, rounded up */
};

enum mn_op_flag {
    MN_OP_RELU_BEFORE = 1, /* x is the ReLU of the state; it is computed once for all candidates */
    MN_OP_ZERO = 2,        /* y = 0, for `maps` without stages (interface 0.6) */
    MN_OP_CONCAT = 4       /* y is what the last two stages give, one after the other (0.21) */
};

enum {
    MN_OP_WEIGHTS = 32, /* arrays of weights an operation may have */
    MN_OP_STAGES = 4    /* stages of `maps` */
};

/* What an operation is at a site. Zeroed but for size before the call. */
struct mn_op_shape {
    uint32_t size;
    uint32_t flags; /* enum mn_op_flag */
    /* 0: y has the site's channels. C > 0: y has C channels, and the host gives the node a 1x1
     * convolution of y without bias, from C to the site's channels (weights: pw.weight). It costs
     * the plugin nothing and runs on the host's matrix kernels. */
    int32_t tail;      /* 0 to 65536 */
    int32_t n_weights; /* arrays of weights, 0 to MN_OP_WEIGHTS */
    int64_t n_saved;   /* reals an image kept from forward to backward, 0 to 2^32 */
    int64_t n_work;    /* reals an image of room within a call, 0 to 2^32 */
    double work;       /* multiply-adds an image, without the tail; for plans and reports */
};

enum mn_op_init {
    MN_OP_INIT_UNIFORM = 0, /* uniform in +-1/sqrt(fan_in) */
    MN_OP_INIT_ONES = 1,
    MN_OP_INIT_ZEROS = 2
};

/* One array of weights. Zeroed but for size before the call. */
struct mn_op_weight {
    uint32_t size;
    int32_t n_dims; /* 1 to 4 */
    /* "dw.weight": 1 to 100 small letters, digits, '_' and '.', not beginning with "pw." or "bn.",
     * which are the host's; the plugin's own memory, constant. */
    const char *name;
    int64_t dims[4]; /* row-major */
    int32_t init;    /* enum mn_op_init */
    int32_t reserved;
    int64_t fan_in; /* products that are summed up to one output, 1 or more */
};

/* ---- the host's maps (interface 0.6) ------------------------------------------------------ */

enum mn_op_map_kind {
    MN_OP_MAP_CONV = 0,      /* between all channels, no bias; weights [out][in][height][width] */
    MN_OP_MAP_DEPTHWISE = 1, /* each channel by itself, no bias; weights [c][1][height][width] */
    MN_OP_MAP_MAX_POOL = 2,
    MN_OP_MAP_AVG_POOL = 3, /* over the taps that lie on the image */
    /* Squeeze and excitation: channel c becomes q_c x_c, with q = sigmoid(B h + d) and h = ReLU(A m
     * + b) of the channels' means m; weights A, b, B, d. Of size, dilation and strides 1, the only
     * map of a stage that is neither the last nor joined by MN_OP_CONCAT; `times / over` of the
     * stage, rounded up, are the channels of h, and there is neither batch norm nor ReLU after it
     * (interface 0.24). */
    MN_OP_MAP_GATE = 4
};

/* A convolution or pool. At stride 1 images keep their size: the padding is (height - 1) / 2 *
 * dilation rows, and columns alike. */
struct mn_op_map {
    int32_t kind;          /* enum mn_op_map_kind */
    int32_t height, width; /* of the kernel: odd, 1 to 15 */
    int32_t dilation;      /* 1 to 4 */
    int32_t stride_y, stride_x;
};

/* Maps one after the other, then a batch norm: a convolution, or a pool, or a convolution (of
 * either kind) and then one between all channels. */
struct mn_op_stage {
    int32_t n_maps; /* 1 or 2 */
    struct mn_op_map maps[2];
    /* times / over of the channels of x are what the stage gives, both 1 to 64; 0 and 0: the
     * channels of y, or with MN_OP_CONCAT half of them. The last stage, and with MN_OP_CONCAT the
     * last two, have 0 and 0. Only a convolution between all channels changes their number
     * (interface 0.21). */
    int32_t times, over;
};

/* Stages one after the other, with a ReLU between. One stage has the stride of the site: the
 * strides of its maps multiply to it, along y and along x; the first map has them both, or, where
 * it is a convolution between all channels, it has the one along x and the second map the one along
 * y. All other strides are 1, and those of the last stage with MN_OP_CONCAT. No stage: the
 * identity, at stride 2 a factorised reduction of the host (two 1x1 convolutions of every second
 * pixel, after a ReLU); or with MN_OP_ZERO nothing. Zeroed but for size before the call.
 *
 * One stage, or two of which the first has the stride and none is a pool, with the channels of y
 * throughout, are computed as one; others a stage at a time, with memory for the output of each. */
struct mn_op_maps {
    uint32_t size;
    uint32_t flags;   /* enum mn_op_flag */
    int32_t n_stages; /* 0 to MN_OP_STAGES */
    struct mn_op_stage stages[MN_OP_STAGES];
};

struct mn_operation {
    uint32_t size;
    uint32_t reserved;

    /* Optional. Rules across options; use mn_bad_option. [setup] */
    int (*check)(const void *self, struct mn_ctx *ctx);

    /* The next four are NULL where `maps` is not. */

    /* What it is at `site`; the same for equal sites. MN_UNSUPPORTED with a message where it cannot
     * be. [setup] */
    int (*shape)(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                 struct mn_op_shape *out);

    /* Array `index` of the weights, 0..n_weights-1. NULL where n_weights is always 0. [setup] */
    int (*weight)(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                  int32_t index, struct mn_op_weight *out);

    /* y of n images x, written whole. w holds the arrays of weights one after the other, saved
     * n * n_saved reals for backward, work n * n_work reals of room; each is NULL where its length
     * is 0. [worker] */
    int (*forward)(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                   const mn_real *w, const mn_real *x, mn_real *y, mn_real *saved, mn_real *work);

    /* Given g = dL/dy: writes dx = dL/dx whole, and adds dL/dw to d_w; either is NULL where it is
     * not wanted. x, saved and n are those of one call of forward, whatever else was called since:
     * a pass with gradients calls it at most once for each call of forward, and not at all for a
     * candidate that is skipped. [worker] */
    int (*backward)(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                    const mn_real *w, const mn_real *x, const mn_real *saved, const mn_real *g,
                    mn_real *dx, mn_real *d_w, mn_real *work);

    /* What the host computes at `stride` 1 or 2; the same for equal strides. [setup] */
    int (*maps)(const void *self, struct mn_ctx *ctx, int32_t stride, struct mn_op_maps *out);
};

#ifdef __cplusplus
}
#endif

#endif
