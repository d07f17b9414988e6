/* SPDX-License-Identifier: MIT */
#include "network/op.h"

/* The forms that the passes compute: see struct mn_op_maps. */

enum { MOST_KERNEL = 15, MOST_DILATION = 4 };

static int is_size(int32_t size) {
    return size >= 1 && size <= MOST_KERNEL && size % 2 == 1;
}

static int is_pool(const struct mn_op_map *map) {
    return map->kind == MN_OP_MAP_MAX_POOL || map->kind == MN_OP_MAP_AVG_POOL;
}

static int has_strides(const struct mn_op_map *map, int32_t y, int32_t x) {
    return map->stride_y == y && map->stride_x == x;
}

static const char *map_fault(const struct mn_op_map *map) {
    if (map->kind < MN_OP_MAP_CONV || map->kind > MN_OP_MAP_AVG_POOL) {
        return "a map of unknown kind";
    }
    if (!is_size(map->height) || !is_size(map->width)) {
        return "a kernel's height and width are odd numbers from 1 to 15";
    }
    if (map->dilation < 1 || map->dilation > MOST_DILATION) {
        return "a map's dilation is 1 to 4";
    }
    return NULL;
}

static const char *strides_fault(const struct mn_op_stage *stage, int32_t stride) {
    const struct mn_op_map *first = &stage->maps[0], *second = &stage->maps[1];
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

static const char *stage_fault(const struct mn_op_maps *maps, int s, int stride) {
    const struct mn_op_stage *stage = &maps->stages[s];
    if (stage->n_maps < 1 || stage->n_maps > 2) {
        return "a stage has 1 or 2 maps";
    }
    for (int i = 0; i < stage->n_maps; i++) {
        const char *fault = map_fault(&stage->maps[i]);
        if (fault != NULL) {
            return fault;
        }
    }
    if (is_pool(&stage->maps[0]) && (stage->n_maps > 1 || maps->n_stages > 1)) {
        return "a pool stands by itself";
    }
    if (stage->n_maps == 2 && stage->maps[1].kind != MN_OP_MAP_CONV) {
        return "the second map of a stage is a convolution between all channels";
    }
    return strides_fault(stage, s == 0 ? stride : 1);
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
