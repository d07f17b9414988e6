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
#define POOL(op_name, kind)                                                                        \
    OP(op_name, .n_stages = 1, .stages = {{1, {{kind, 3, 3, 1, SITE, SITE}}}})
#define CONVS(op_name, n, ...)                                                                     \
    OP(op_name, .flags = MN_OP_RELU_BEFORE, .n_stages = 1, .stages = {{n, {__VA_ARGS__}}})
/* Depthwise, then 1x1. */
#define PAIR(k, d, stride)                                                                         \
    {                                                                                              \
        2, {                                                                                       \
            {MN_OP_MAP_DEPTHWISE, k, k, d, stride, stride}, CONV(1, 1, 1, 1)                       \
        }                                                                                          \
    }
/* Once, or twice with the stride in the first. */
#define SEPARABLE(op_name, kernel, dilation, n)                                                    \
    OP(op_name, .flags = MN_OP_RELU_BEFORE, .n_stages = n,                                         \
       .stages = {PAIR(kernel, dilation, SITE), PAIR(kernel, dilation, 1)})

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

enum { MOST_KERNEL = 15, MOST_DILATION = 4 };

static int is_size(int32_t size) {
    return size >= 1 && size <= MOST_KERNEL && size % 2 == 1;
}

static int has_strides(const struct mn_op_map *map, int32_t y, int32_t x) {
    return map->stride_y == y && map->stride_x == x;
}

static const char *stage_fault(const struct mn_op_maps *maps, int s, int stride) {
    const struct mn_op_stage *stage = &maps->stages[s];
    const struct mn_op_map *first = &stage->maps[0], *second = &stage->maps[1];
    if (stage->n_maps < 1 || stage->n_maps > 2) {
        return "a stage has 1 or 2 maps";
    }
    for (int i = 0; i < stage->n_maps; i++) {
        const struct mn_op_map *map = &stage->maps[i];
        if (map->kind < MN_OP_MAP_CONV || map->kind > MN_OP_MAP_AVG_POOL) {
            return "a map of unknown kind";
        }
        if (!is_size(map->height) || !is_size(map->width)) {
            return "a kernel's height and width are odd numbers from 1 to 15";
        }
        if (map->dilation < 1 || map->dilation > MOST_DILATION) {
            return "a map's dilation is 1 to 4";
        }
    }
    if ((first->kind == MN_OP_MAP_MAX_POOL || first->kind == MN_OP_MAP_AVG_POOL) &&
        (stage->n_maps > 1 || maps->n_stages > 1)) {
        return "a pool stands by itself";
    }
    if (stage->n_maps == 2 && second->kind != MN_OP_MAP_CONV) {
        return "the second map of a stage is a convolution between all channels";
    }
    stride = s == 0 ? stride : 1;
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

const char *nas_op_maps_fault(const struct mn_op_maps *maps, int stride) {
    if ((maps->flags & ~(uint32_t)(MN_OP_RELU_BEFORE | MN_OP_ZERO)) != 0) {
        return "unknown flags";
    }
    if (maps->n_stages < 0 || maps->n_stages > 2) {
        return "an operation has 0 to 2 stages";
    }
    if (maps->n_stages == 0 && (maps->flags & MN_OP_RELU_BEFORE) != 0) {
        return "a ReLU before no stage";
    }
    if (maps->n_stages > 0 && (maps->flags & MN_OP_ZERO) != 0) {
        return "MN_OP_ZERO and stages";
    }
    for (int s = 0; s < maps->n_stages; s++) {
        const char *fault = stage_fault(maps, s, stride);
        if (fault != NULL) {
            return fault;
        }
    }
    return NULL;
}
