/* SPDX-License-Identifier: MIT */
#include "backend/cpu/maps.h"

void nas_maps_pack(struct nas_run *run, const struct nas_cpu_path *path, int stage) {
    for (int i = 0; i < path->path->stage[stage].n_linear; i++) {
        const struct nas_map *map = &path->map[stage][i];
        const struct nas_linear *l = map->linear;
        mn_real *to = run->lane->packed + map->pack;
        if (l->kind == NAS_LINEAR_CONV) {
            run->k->pack(l->n_out, l->n_in, map->n_tap, run->w + l->weight,
                         (ptrdiff_t)l->n_in * map->n_tap, map->n_tap, 1, to);
        } else if (l->kind == NAS_LINEAR_REDUCE) {
            const int half = l->n_out / 2;
            run->k->pack(half, l->n_in, 1, run->w + l->weight, l->n_in, 1, 1, to);
            run->k->pack(half, l->n_in, 1, run->w + l->weight2, l->n_in, 1, 1,
                         to + run->k->packed(half, l->n_in, 1));
        }
    }
}

static void reduce(struct nas_run *run, const struct nas_map *map, const struct nas_cpu_size *size,
                   ptrdiff_t len, struct nas_view x, struct nas_view y) {
    const int half = map->linear->n_out / 2, n_in = map->linear->n_in;
    const mn_real *packed = run->lane->packed + map->pack;
    for (int i = 0; i < 2; i++) {
        run->k->conv(half, n_in, 1, map->tap[i], packed, x.at, x.stride, y.at + i * half * y.stride,
                     y.stride, len, size->grid.mask, size->grid.image, 0);
        packed += run->k->packed(half, n_in, 1);
    }
}

/* One linear map on a block, for row phase p of its output. */
static void apply(struct nas_run *run, const struct nas_path_use *use, int stage, int index, int p,
                  const struct nas_cpu_size *size, const struct nas_block *block, struct nas_view x,
                  struct nas_view y) {
    const struct nas_map *map = &use->path->map[stage][index];
    const struct nas_linear *l = map->linear;
    const struct nas_kernels *k = run->k;
    const mn_real *mask = size->grid.mask;
    const ptrdiff_t image = size->grid.image, len = block->len;
    mn_real *to = y.at + p * l->n_out * y.stride;
    switch (l->kind) {
    case NAS_LINEAR_CONV:
        k->conv(l->n_out, l->n_in, map->n_tap, map->tap[p], run->lane->packed + map->pack, x.at,
                x.stride, to, y.stride, len, mask, image, 0);
        break;
    case NAS_LINEAR_DEPTHWISE:
        k->depthwise(l->n_in, map->n_tap, map->tap[p], run->w + l->weight, map->n_tap, 1, x.at,
                     x.stride, to, y.stride, len, mask, image, 0);
        break;
    case NAS_LINEAR_MAX_POOL:
        k->max_pool(l->n_in, map->n_tap, map->tap[p], (const mn_real *const *)map->valid, x.at,
                    x.stride, to, y.stride,
                    (uint8_t *)nas_tensor_at(run, use->which[stage]) + block->n0 * image,
                    size->grid.n * image, len, mask, image);
        break;
    case NAS_LINEAR_AVG_POOL:
        k->avg_pool(l->n_in, map->n_tap, map->tap[p], map->share, x.at, x.stride, to, y.stride, len,
                    image);
        break;
    case NAS_LINEAR_REDUCE:
        reduce(run, map, size, len, x, y);
        break;
    case NAS_LINEAR_CUSTOM:
        nas_custom_op_forward(run, use, size, block, x, y);
        break;
    }
}

struct nas_view nas_maps_between(struct nas_run *run, const struct nas_path_use *use, int stage,
                                 const struct nas_cpu_size *size, const struct nas_block *block,
                                 struct nas_view x) {
    if (use->u[stage] != NAS_NO_TENSOR) {
        return nas_tensor_view(run, size, use->u[stage], block);
    }
    const struct nas_view u = nas_temp_view(run, size, NAS_TEMP_U);
    apply(run, use, stage, 0, 0, size, block, x, u);
    return u;
}

void nas_maps_forward(struct nas_run *run, const struct nas_path_use *use, int stage,
                      const struct nas_cpu_size *size, const struct nas_block *block,
                      struct nas_view x) {
    const struct nas_view y = nas_tensor_view(run, size, use->y[stage], block);
    if (use->path->path->stage[stage].n_linear == 1) {
        apply(run, use, stage, 0, 0, size, block, x, y);
        return;
    }
    for (int p = 0; use->u[stage] != NAS_NO_TENSOR && p < use->path->n_phase[stage]; p++) {
        apply(run, use, stage, 0, p, size, block, x,
              nas_tensor_view(run, size, use->u[stage], block));
    }
    apply(run, use, stage, 1, 0, size, block, nas_maps_between(run, use, stage, size, block, x), y);
}
