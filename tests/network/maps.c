/* SPDX-License-Identifier: MIT */
/* Operations for test_operations.c, made of the host's maps in every form that there is. */
#include <metanas/plugin.h>

enum form {
    CONV,
    DEPTHWISE,
    SEPARABLE,
    MAX_POOL,
    AVG_POOL,
    CONV_CONV,
    ROWS_LAST,
    TWO_STAGES,
    FOUR_CONVS,
    INVERTED,
    BOTTLENECK,
    GHOST,
    POOL_FIRST,
    GATED
};

struct operation {
    int64_t height, width, dilation;
    int32_t form;
    bool relu;
};

static struct mn_op_stage one(struct mn_op_map map) {
    return (struct mn_op_stage){.n_maps = 1, .maps = {map}};
}

static struct mn_op_stage two(struct mn_op_map first, struct mn_op_map second) {
    return (struct mn_op_stage){.n_maps = 2, .maps = {first, second}};
}

static int maps(const void *self, struct mn_ctx *ctx, int32_t stride, struct mn_op_maps *out) {
    const struct operation *s = self;
    const int32_t h = (int32_t)s->height, w = (int32_t)s->width, d = (int32_t)s->dilation;
    const struct mn_op_map conv = {MN_OP_MAP_CONV, h, w, d, stride, stride};
    const struct mn_op_map point = {MN_OP_MAP_CONV, 1, 1, 1, 1, 1};
    const struct mn_op_map turned = {MN_OP_MAP_CONV, w, h, 1, 1, 1};
    struct mn_op_map depthwise = conv, pool = conv, late = {MN_OP_MAP_DEPTHWISE, w, h, d, 1, 1};
    struct mn_op_stage *stage = out->stages;
    depthwise.kind = MN_OP_MAP_DEPTHWISE;
    pool.kind = s->form == MAX_POOL ? MN_OP_MAP_MAX_POOL : MN_OP_MAP_AVG_POOL;
    out->flags = s->relu ? MN_OP_RELU_BEFORE : 0;
    out->n_stages = s->form < TWO_STAGES                           ? 1
                    : s->form == GATED                             ? 4
                    : s->form == INVERTED || s->form == BOTTLENECK ? 3
                                                                   : 2;
    switch ((enum form)s->form) {
    case CONV:
        stage[0] = one(conv);
        break;
    case DEPTHWISE:
        stage[0] = one(depthwise);
        break;
    case SEPARABLE:
        stage[0] = two(depthwise, point);
        break;
    case MAX_POOL:
    case AVG_POOL:
        stage[0] = one(pool);
        break;
    case CONV_CONV:
        stage[0] = two(conv, turned);
        break;
    case ROWS_LAST:
        stage[0] = two((struct mn_op_map){MN_OP_MAP_CONV, h, w, d, 1, stride},
                       (struct mn_op_map){MN_OP_MAP_CONV, w, h, d, stride, 1});
        break;
    case FOUR_CONVS:
        stage[0] = two(conv, point);
        stage[1] = two((struct mn_op_map){MN_OP_MAP_CONV, w, h, d, 1, 1},
                       (struct mn_op_map){MN_OP_MAP_CONV, 1, 3, 1, 1, 1});
        break;
    case TWO_STAGES:
        stage[0] = one(conv);
        stage[1] = two(late, (struct mn_op_map){MN_OP_MAP_CONV, 1, 3, 1, 1, 1});
        break;
    case INVERTED:
        stage[0] = one(point);
        stage[1] = one(depthwise);
        stage[2] = one(point);
        stage[0].times = stage[1].times = 3;
        stage[0].over = stage[1].over = 1;
        break;
    case BOTTLENECK:
        stage[0] = one(point);
        stage[1] = one(conv);
        stage[2] = two(late, point);
        stage[0].times = stage[1].times = 1;
        stage[0].over = stage[1].over = 2;
        break;
    case GHOST:
        out->flags |= MN_OP_CONCAT;
        stage[0] = one(conv);
        stage[1] = one(late);
        break;
    case POOL_FIRST:
        stage[0] = one(pool);
        stage[1] = one(turned);
        break;
    case GATED: /* two of them, one before everything */
        stage[0] = one((struct mn_op_map){MN_OP_MAP_GATE, 1, 1, 1, 1, 1});
        stage[1] = one(depthwise);
        stage[2] = stage[0];
        stage[3] = one(turned);
        stage[0].times = stage[1].times = stage[1].over = stage[2].times = 1;
        stage[0].over = stage[2].over = 3;
        break;
    }
    return MN_OK;
}

static const struct mn_operation table = {.size = sizeof table, .maps = maps};

static const char *const forms[] = {"conv",       "depthwise", "separable",  "max_pool",
                                    "avg_pool",   "conv_conv", "rows_last",  "two_stages",
                                    "four_convs", "inverted",  "bottleneck", "ghost",
                                    "pool_first", "gated",     NULL};

static const struct mn_opt options[] = {
    MN_INT(struct operation, height, 3, 1, 15, "of the kernel"),
    MN_INT(struct operation, width, 3, 1, 15, "of the kernel"),
    MN_INT(struct operation, dilation, 1, 1, 4, "pixels between taps"),
    MN_CHOICE(struct operation, form, CONV, forms, "of the stages"),
    MN_BOOL(struct operation, relu, 1, "before the first map"),
};

MN_PLUGIN("maps", "1.0.0",
          MN_UNIT(MN_OPERATION, "maps", "maps of the host", struct operation, options, &table))
