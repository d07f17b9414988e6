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
    FOUR_CONVS
};

struct operation {
    int64_t height, width, dilation;
    int32_t form;
    bool relu;
};

static int maps(const void *self, struct mn_ctx *ctx, int32_t stride, struct mn_op_maps *out) {
    const struct operation *s = self;
    const int32_t h = (int32_t)s->height, w = (int32_t)s->width, d = (int32_t)s->dilation;
    const struct mn_op_map conv = {MN_OP_MAP_CONV, h, w, d, stride, stride};
    const struct mn_op_map point = {MN_OP_MAP_CONV, 1, 1, 1, 1, 1};
    struct mn_op_map first = conv;
    struct mn_op_stage *stage = &out->stages[0];
    out->flags = s->relu ? MN_OP_RELU_BEFORE : 0;
    out->n_stages = s->form == TWO_STAGES || s->form == FOUR_CONVS ? 2 : 1;
    switch ((enum form)s->form) {
    case CONV:
        *stage = (struct mn_op_stage){1, {conv}};
        break;
    case DEPTHWISE:
    case SEPARABLE:
        first.kind = MN_OP_MAP_DEPTHWISE;
        *stage = (struct mn_op_stage){s->form == DEPTHWISE ? 1 : 2, {first, point}};
        break;
    case MAX_POOL:
    case AVG_POOL:
        first.kind = s->form == MAX_POOL ? MN_OP_MAP_MAX_POOL : MN_OP_MAP_AVG_POOL;
        *stage = (struct mn_op_stage){1, {first}};
        break;
    case CONV_CONV:
        *stage = (struct mn_op_stage){2, {conv, {MN_OP_MAP_CONV, w, h, 1, 1, 1}}};
        break;
    case ROWS_LAST:
        *stage = (struct mn_op_stage){
            2, {{MN_OP_MAP_CONV, h, w, d, 1, stride}, {MN_OP_MAP_CONV, w, h, d, stride, 1}}};
        break;
    case FOUR_CONVS:
        *stage = (struct mn_op_stage){2, {conv, {MN_OP_MAP_CONV, 1, 1, 1, 1, 1}}};
        out->stages[1] = (struct mn_op_stage){
            2, {{MN_OP_MAP_CONV, w, h, d, 1, 1}, {MN_OP_MAP_CONV, 1, 3, 1, 1, 1}}};
        break;
    case TWO_STAGES:
        *stage = (struct mn_op_stage){1, {conv}};
        out->stages[1] = (struct mn_op_stage){
            2, {{MN_OP_MAP_DEPTHWISE, w, h, d, 1, 1}, {MN_OP_MAP_CONV, 1, 3, 1, 1, 1}}};
        break;
    }
    return MN_OK;
}

static const struct mn_operation table = {.size = sizeof table, .maps = maps};

static const char *const forms[] = {"conv",       "depthwise", "separable", "max_pool",
                                    "avg_pool",   "conv_conv", "rows_last", "two_stages",
                                    "four_convs", NULL};

static const struct mn_opt options[] = {
    MN_INT(struct operation, height, 3, 1, 15, "of the kernel"),
    MN_INT(struct operation, width, 3, 1, 15, "of the kernel"),
    MN_INT(struct operation, dilation, 1, 1, 4, "pixels between taps"),
    MN_CHOICE(struct operation, form, CONV, forms, "of the stages"),
    MN_BOOL(struct operation, relu, 1, "before the first map"),
};

MN_PLUGIN("maps", "1.0.0",
          MN_UNIT(MN_OPERATION, "maps", "maps of the host", struct operation, options, &table))
