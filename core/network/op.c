/* SPDX-License-Identifier: MIT */
#include "network/op.h"

#include <string.h>

/* The built-in candidates, as tables of the public kind `operation`. */

static struct mn_op_map pool(int32_t kind, int32_t stride) {
    return (struct mn_op_map){kind, 3, 3, 1, stride, stride};
}

static struct mn_op_map conv(int32_t height, int32_t width, int32_t stride_y, int32_t stride_x) {
    return (struct mn_op_map){MN_OP_MAP_CONV, height, width, 1, stride_y, stride_x};
}

static int of_stages(struct mn_op_maps *out, uint32_t flags, int32_t n_stages) {
    out->flags = flags;
    out->n_stages = n_stages;
    return MN_OK;
}

static int max_pool(const void *self, struct mn_ctx *ctx, int32_t stride, struct mn_op_maps *out) {
    out->stages[0] = (struct mn_op_stage){1, {pool(MN_OP_MAP_MAX_POOL, stride)}};
    return of_stages(out, 0, 1);
}

static int avg_pool(const void *self, struct mn_ctx *ctx, int32_t stride, struct mn_op_maps *out) {
    out->stages[0] = (struct mn_op_stage){1, {pool(MN_OP_MAP_AVG_POOL, stride)}};
    return of_stages(out, 0, 1);
}

static int identity(const void *self, struct mn_ctx *ctx, int32_t stride, struct mn_op_maps *out) {
    return MN_OK;
}

static int zero(const void *self, struct mn_ctx *ctx, int32_t stride, struct mn_op_maps *out) {
    return of_stages(out, MN_OP_ZERO, 0);
}

static int conv_1x5_5x1(const void *self, struct mn_ctx *ctx, int32_t stride,
                        struct mn_op_maps *out) {
    out->stages[0] = (struct mn_op_stage){2, {conv(1, 5, stride, stride), conv(5, 1, 1, 1)}};
    return of_stages(out, MN_OP_RELU_BEFORE, 1);
}

static int conv_7x1_1x7(const void *self, struct mn_ctx *ctx, int32_t stride,
                        struct mn_op_maps *out) {
    out->stages[0] = (struct mn_op_stage){2, {conv(1, 7, 1, stride), conv(7, 1, stride, 1)}};
    return of_stages(out, MN_OP_RELU_BEFORE, 1);
}

static int dense_conv_3x3(const void *self, struct mn_ctx *ctx, int32_t stride,
                          struct mn_op_maps *out) {
    out->stages[0] = (struct mn_op_stage){1, {conv(3, 3, stride, stride)}};
    return of_stages(out, MN_OP_RELU_BEFORE, 1);
}

struct separable {
    int32_t kernel, dilation, n_stages;
};

/* Depthwise, then 1x1; once, or twice with the stride in the first. */
static int separable(const void *self, struct mn_ctx *ctx, int32_t stride, struct mn_op_maps *out) {
    const struct separable *s = self;
    for (int i = 0; i < s->n_stages; i++) {
        const int32_t by = i == 0 ? stride : 1;
        const struct mn_op_map depthwise = {MN_OP_MAP_DEPTHWISE, s->kernel, s->kernel,
                                            s->dilation,         by,        by};
        out->stages[i] = (struct mn_op_stage){2, {depthwise, conv(1, 1, 1, 1)}};
    }
    return of_stages(out, MN_OP_RELU_BEFORE, s->n_stages);
}

#define OP(op_name, function, self)                                                                \
    {                                                                                              \
        op_name,                                                                                   \
            &(const struct mn_operation){.size = sizeof(struct mn_operation), .maps = function},   \
            self, NULL                                                                             \
    }
#define SEPARABLE(op_name, ...) OP(op_name, separable, (&(const struct separable){__VA_ARGS__}))

static const struct nas_op ops[] = {
    OP("max_pool_3x3", max_pool, NULL),
    OP("avg_pool_3x3", avg_pool, NULL),
    OP("skip_connect", identity, NULL),
    OP("conv_1x5_5x1", conv_1x5_5x1, NULL),
    SEPARABLE("conv_3x3", 3, 1, 1),
    SEPARABLE("sep_conv_3x3", 3, 1, 2),
    SEPARABLE("dil_conv_3x3", 3, 2, 1),
    OP("none", zero, NULL),
    SEPARABLE("sep_conv_5x5", 5, 1, 2),
    SEPARABLE("sep_conv_7x7", 7, 1, 2),
    SEPARABLE("dil_conv_5x5", 5, 2, 1),
    OP("conv_7x1_1x7", conv_7x1_1x7, NULL),
    OP("dense_conv_3x3", dense_conv_3x3, NULL),
};

size_t nas_op_count(void) {
    return sizeof ops / sizeof ops[0];
}

const struct nas_op *nas_op_at(size_t i) {
    return &ops[i];
}

const struct nas_op *nas_op_find(const char *name) {
    for (size_t i = 0; i < nas_op_count(); i++) {
        if (strcmp(ops[i].name, name) == 0) {
            return &ops[i];
        }
    }
    return NULL;
}
