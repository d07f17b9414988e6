/* SPDX-License-Identifier: MIT */
#include "network/op.h"

#include <string.h>

/* ---- the built-in candidates -------------------------------------------------------------- */

/* Maps as an operation of a plugin would give them, but the stride of the site is written SITE. */
#define OP(op_name, ...)                                                                           \
    { op_name, &(const struct mn_op_maps){__VA_ARGS__}, NULL }
#define SITE NAS_OP_SITE_STRIDE
#define CONV(height, width, y, x)                                                                  \
    { MN_OP_MAP_CONV, height, width, 1, y, x }
#define ONE(...)                                                                                   \
    {                                                                                              \
        .n_maps = 1, .maps = { __VA_ARGS__ }                                                       \
    }
#define POOL(op_name, kind) OP(op_name, .n_stages = 1, .stages = {ONE({kind, 3, 3, 1, SITE, SITE})})
#define CONVS(op_name, n, ...)                                                                     \
    OP(op_name, .flags = MN_OP_RELU_BEFORE, .n_stages = 1,                                         \
       .stages = {{.n_maps = n, .maps = {__VA_ARGS__}}})
/* Depthwise, then 1x1. */
#define PAIR(k, d, stride)                                                                         \
    {                                                                                              \
        .n_maps = 2, .maps = { {MN_OP_MAP_DEPTHWISE, k, k, d, stride, stride}, CONV(1, 1, 1, 1) }  \
    }
/* Once, or twice with the stride in the first. */
#define SEPARABLE(op_name, kernel, dilation, n)                                                    \
    OP(op_name, .flags = MN_OP_RELU_BEFORE, .n_stages = n,                                         \
       .stages = {PAIR(kernel, dilation, SITE), PAIR(kernel, dilation, 1)})

/* 1x1 to e times the channels, depthwise with the stride, 1x1 back: the inverted residual of
 * MobileNetV2 (Sandler et al., CVPR 2018) without its shortcut, as ProxylessNAS searches it. */
#define EXPAND(e)                                                                                  \
    { .n_maps = 1, .maps = {CONV(1, 1, 1, 1)}, .times = e, .over = 1 }
#define DEPTHWISE(k, e)                                                                            \
    { .n_maps = 1, .maps = {{MN_OP_MAP_DEPTHWISE, k, k, 1, SITE, SITE}}, .times = e, .over = 1 }
#define INVERTED(op_name, k, e)                                                                    \
    OP(op_name, .n_stages = 3, .stages = {EXPAND(e), DEPTHWISE(k, e), ONE(CONV(1, 1, 1, 1))})
/* With gates before the last 1x1, of a quarter of the channels of x, as EfficientNet has it (Tan
 * and Le, ICML 2019). */
#define GATED(op_name, k, e)                                                                       \
    OP(op_name, .n_stages = 4,                                                                     \
       .stages = {EXPAND(e),                                                                       \
                  DEPTHWISE(k, e),                                                                 \
                  {.n_maps = 1, .maps = {{MN_OP_MAP_GATE, 1, 1, 1, 1, 1}}, .times = 1, .over = 4}, \
                  ONE(CONV(1, 1, 1, 1))})

static const struct nas_op ops[] = {
    POOL("max_pool_3x3", MN_OP_MAP_MAX_POOL),
    POOL("avg_pool_3x3", MN_OP_MAP_AVG_POOL),
    OP("skip_connect", .n_stages = 0),
    CONVS("conv_1x5_5x1", 2, CONV(1, 5, SITE, SITE), CONV(5, 1, 1, 1)),
    SEPARABLE("conv_3x3", 3, 1, 1),
    SEPARABLE("sep_conv_3x3", 3, 1, 2),
    SEPARABLE("dil_conv_3x3", 3, 2, 1),
    OP("none", .flags = MN_OP_ZERO),
    SEPARABLE("sep_conv_5x5", 5, 1, 2),
    SEPARABLE("sep_conv_7x7", 7, 1, 2),
    SEPARABLE("dil_conv_5x5", 5, 2, 1),
    CONVS("conv_7x1_1x7", 2, CONV(1, 7, 1, SITE), CONV(7, 1, SITE, 1)),
    CONVS("dense_conv_3x3", 1, CONV(3, 3, SITE, SITE)),
    CONVS("dense_conv_1x1", 1, CONV(1, 1, SITE, SITE)),
    INVERTED("mb_conv_3x3_e3", 3, 3),
    INVERTED("mb_conv_3x3_e6", 3, 6),
    INVERTED("mb_conv_5x5_e3", 5, 3),
    INVERTED("mb_conv_5x5_e6", 5, 6),
    INVERTED("mb_conv_7x7_e3", 7, 3),
    INVERTED("mb_conv_7x7_e6", 7, 6),
    GATED("mb_conv_3x3_e3_se", 3, 3),
    GATED("mb_conv_3x3_e6_se", 3, 6),
    GATED("mb_conv_5x5_e3_se", 5, 3),
    GATED("mb_conv_5x5_e6_se", 5, 6),
    /* Half of the channels by 1x1, the other half of these by 3x3 each: the ghost module of Han et
     * al. (CVPR 2020). */
    OP("ghost_conv_3x3", .flags = MN_OP_RELU_BEFORE | MN_OP_CONCAT, .n_stages = 2,
       .stages = {ONE(CONV(1, 1, SITE, SITE)), ONE({MN_OP_MAP_DEPTHWISE, 3, 3, 1, 1, 1})}),
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

/* ---- the forms that the passes compute: see struct mn_op_maps ------------------------------ */

enum { MOST_KERNEL = 15, MOST_DILATION = 4, MOST_FACTOR = 64 };

static int is_size(int32_t size) {
    return size >= 1 && size <= MOST_KERNEL && size % 2 == 1;
}

static int has_strides(const struct mn_op_map *map, int32_t y, int32_t x) {
    return map->stride_y == y && map->stride_x == x;
}

static int is_pool(const struct mn_op_stage *stage) {
    return stage->maps[0].kind == MN_OP_MAP_MAX_POOL || stage->maps[0].kind == MN_OP_MAP_AVG_POOL;
}

static int is_gate(const struct mn_op_stage *stage) {
    return stage->maps[0].kind == MN_OP_MAP_GATE;
}

static const char *stage_fault(const struct mn_op_stage *stage, int stride, int is_end) {
    const struct mn_op_map *first = &stage->maps[0], *second = &stage->maps[1];
    if (stage->n_maps < 1 || stage->n_maps > 2) {
        return "a stage has 1 or 2 maps";
    }
    for (int i = 0; i < stage->n_maps; i++) {
        const struct mn_op_map *map = &stage->maps[i];
        if (map->kind < MN_OP_MAP_CONV || map->kind > MN_OP_MAP_GATE) {
            return "a map of unknown kind";
        }
        if (!is_size(map->height) || !is_size(map->width)) {
            return "a kernel's height and width are odd numbers from 1 to 15";
        }
        if (map->dilation < 1 || map->dilation > MOST_DILATION) {
            return "a map's dilation is 1 to 4";
        }
    }
    if (is_pool(stage) && stage->n_maps > 1) {
        return "a pool is the only map of its stage";
    }
    if (is_gate(stage) && (stage->n_maps > 1 || first->height > 1 || first->width > 1 ||
                           first->dilation > 1 || !has_strides(first, 1, 1))) {
        return "a gate is the only map of its stage, of size, dilation and strides 1";
    }
    if (is_gate(stage) && (is_end || stage->times == 0)) {
        return "a gate has times and over, and a stage after it";
    }
    if (stage->n_maps == 2 && second->kind != MN_OP_MAP_CONV) {
        return "the second map of a stage is a convolution between all channels";
    }
    if ((stage->times == 0) != (stage->over == 0) || stage->times < 0 || stage->over < 0 ||
        stage->times > MOST_FACTOR || stage->over > MOST_FACTOR) {
        return "a stage's channels are those of x times 1 to 64, over 1 to 64, or 0 and 0";
    }
    if (is_end && stage->times != 0) {
        return "the channels of the last stage, with MN_OP_CONCAT of the last two, are those of y: "
               "times and over are 0";
    }
    if (stage->n_maps == 1) {
        return has_strides(first, stride, stride) ? NULL : "the map has not the site's stride";
    }
    const int before = has_strides(first, stride, stride) && has_strides(second, 1, 1);
    const int split = first->kind == MN_OP_MAP_CONV && has_strides(first, 1, stride) &&
                      has_strides(second, stride, 1);
    return before || split ? NULL
                           : "strides of two maps are those of the site, 1 or 2, all at the first, "
                             "or, between all channels, along x there and along y at the second";
}

/* The first stage that strides; the first of all where none does. */
static int strided_stage(const struct mn_op_maps *maps) {
    for (int i = 0; i < 2 * maps->n_stages; i++) {
        const struct mn_op_map *map = &maps->stages[i / 2].maps[i % 2];
        if (i % 2 < maps->stages[i / 2].n_maps && (map->stride_y > 1 || map->stride_x > 1)) {
            return i / 2;
        }
    }
    return 0;
}

const char *nas_op_maps_fault(const struct mn_op_maps *maps, int stride) {
    const int concat = (maps->flags & MN_OP_CONCAT) != 0;
    if ((maps->flags & ~(uint32_t)(MN_OP_RELU_BEFORE | MN_OP_ZERO | MN_OP_CONCAT)) != 0) {
        return "unknown flags";
    }
    if (maps->n_stages < 0 || maps->n_stages > MN_OP_STAGES) {
        return "an operation has 0 to 4 stages";
    }
    if (maps->n_stages == 0 && (maps->flags & MN_OP_RELU_BEFORE) != 0) {
        return "a ReLU before no stage";
    }
    if (maps->n_stages > 0 && (maps->flags & MN_OP_ZERO) != 0) {
        return "MN_OP_ZERO and stages";
    }
    if (concat && maps->n_stages < 2) {
        return "MN_OP_CONCAT with less than two stages";
    }
    const int strided = strided_stage(maps);
    for (int s = 0; s < maps->n_stages; s++) {
        const char *fault = stage_fault(&maps->stages[s], s == strided ? stride : 1,
                                        s >= maps->n_stages - (concat ? 2 : 1));
        if (fault != NULL) {
            return fault;
        }
    }
    return concat && stride > 1 && strided == maps->n_stages - 1
               ? "with MN_OP_CONCAT the stride is before the last stage"
               : NULL;
}

int nas_op_maps_fused(const struct mn_op_maps *maps) {
    const struct mn_op_stage *first = &maps->stages[0], *second = &maps->stages[1];
    return maps->n_stages < 2 ||
           (maps->n_stages == 2 && (maps->flags & MN_OP_CONCAT) == 0 && first->times == 0 &&
            strided_stage(maps) == 0 && !is_pool(first) && !is_pool(second));
}
