/* SPDX-License-Identifier: MIT */
#include "backend/cpu/maps.h"

#include "backend/cpu/pass.h"

static const struct nas_cpu_size *size_of(const struct nas_run *run,
                                          const struct nas_path_use *use) {
    return &run->plan->sizes[use->path->path->size];
}

/* ---- weights in the order in which the kernels read them ----------------------------------- */

void nas_maps_pack(struct nas_run *run, const struct nas_cpu_path *path, int stage) {
    for (int i = 0; i < path->path->stage[stage].n_linear; i++) {
        const struct nas_map *map = &path->map[stage][i];
        const int n_in = map->linear->n_in;
        for (int p = 0; p < map->n_parts && nas_map_has_products(map); p++) {
            const struct nas_map_part *part = &map->part[p];
            if (p == 0 || part->pack != map->part[0].pack) {
                run->k->pack(map->part_out, n_in, map->n_tap, run->w + part->weight,
                             (ptrdiff_t)n_in * map->n_tap, map->n_tap, 1,
                             run->lane->packed + part->pack);
            }
        }
    }
}

/* The taps that lie in one phase of the source, as [channel][tap] or as the transposed map has
 * them.
 */
static void pack_taps(struct nas_run *run, const struct nas_map *map,
                      const struct nas_map_part *part, const struct nas_taps *taps) {
    const int depthwise = map->linear->kind == NAS_LINEAR_DEPTHWISE;
    const int n_in = map->linear->n_in, n = taps->n;
    const mn_real *w = run->w + part->weight;
    mn_real *packed = run->lane->packed + taps->pack;
    mn_real *to = depthwise ? packed : run->lane->gather;
    for (int i = 0; i < map->part_out * (depthwise ? 1 : n_in); i++) {
        for (int j = 0; j < n; j++) {
            *to++ = w[(ptrdiff_t)i * map->n_tap + taps->index[j]];
        }
    }
    if (!depthwise) {
        run->k->pack(n_in, map->part_out, n, run->lane->gather, n, (ptrdiff_t)n_in * n, 1, packed);
    }
}

void nas_maps_pack_back(struct nas_run *run, const struct nas_cpu_path *path, int stage) {
    for (int i = 0; i < path->path->stage[stage].n_linear; i++) {
        const struct nas_map *map = &path->map[stage][i];
        for (int p = 0; p < map->n_parts; p++) {
            const struct nas_map_part *part = &map->part[p];
            for (int q = 0; q < 4 && part->weight >= 0; q++) {
                if (part->back[q].n > 0) {
                    pack_taps(run, map, part, &part->back[q]);
                }
            }
        }
    }
}

/* ---- forward ------------------------------------------------------------------------------ */

/* One linear map on a block. */
static void map_forward(struct nas_run *run, const struct nas_path_use *use, int stage, int index,
                        const struct nas_block *b, struct nas_view x, struct nas_view y) {
    const struct nas_cpu_size *size = size_of(run, use);
    const struct nas_map *map = &use->path->map[stage][index];
    const struct nas_linear *l = map->linear;
    const struct nas_kernels *k = run->k;
    const mn_real *mask = size->grid.mask;
    const ptrdiff_t image = size->grid.image;
    for (int p = 0; p < map->n_parts; p++) {
        const struct nas_map_part *part = &map->part[p];
        mn_real *to = y.at + p * map->part_out * y.stride;
        switch (l->kind) {
        case NAS_LINEAR_CONV:
        case NAS_LINEAR_REDUCE:
            k->conv(map->part_out, l->n_in, map->n_tap, part->tap, run->lane->packed + part->pack,
                    x.at, x.stride, to, y.stride, b->len, mask, image, 0);
            break;
        case NAS_LINEAR_DEPTHWISE:
            k->depthwise(l->n_in, map->n_tap, part->tap, run->w + part->weight, map->n_tap, 1, x.at,
                         x.stride, to, y.stride, b->len, mask, image, 0);
            break;
        case NAS_LINEAR_MAX_POOL:
            k->max_pool(l->n_in, map->n_tap, part->tap, (const mn_real *const *)map->planes, x.at,
                        x.stride, to, y.stride,
                        (uint8_t *)nas_tensor_at(run, use->which[stage]) + b->n0 * image,
                        size->grid.n * image, b->len, mask, image);
            break;
        case NAS_LINEAR_AVG_POOL:
            k->avg_pool(l->n_in, map->n_tap, part->tap, map->planes[0], x.at, x.stride, to,
                        y.stride, b->len, image);
            break;
        case NAS_LINEAR_CUSTOM:
            nas_custom_op_forward(run, use, b, x, y);
            break;
        }
    }
}

/* The first map's output, again where it was not stored. */
static struct nas_view between(struct nas_run *run, const struct nas_path_use *use, int stage,
                               const struct nas_block *b, struct nas_view x) {
    const struct nas_cpu_size *size = size_of(run, use);
    if (use->u[stage] != NAS_NO_TENSOR) {
        return nas_tensor_view(run, size, use->u[stage], b);
    }
    const struct nas_view u = nas_temp_view(run, size, NAS_TEMP_U);
    map_forward(run, use, stage, 0, b, x, u);
    return u;
}

void nas_maps_forward(struct nas_run *run, const struct nas_path_use *use, int stage,
                      const struct nas_block *b, struct nas_view x) {
    const struct nas_cpu_size *size = size_of(run, use);
    const struct nas_view y = nas_tensor_view(run, size, use->y[stage], b);
    if (use->path->path->stage[stage].n_linear == 1) {
        map_forward(run, use, stage, 0, b, x, y);
        return;
    }
    if (use->u[stage] != NAS_NO_TENSOR) {
        map_forward(run, use, stage, 0, b, x, nas_tensor_view(run, size, use->u[stage], b));
    }
    map_forward(run, use, stage, 1, b, between(run, use, stage, b, x), y);
}

/* ---- backward ----------------------------------------------------------------------------- */

/* One part of a map with weights, where `g` is the gradient of its output. */
static void part_backward(struct nas_run *run, const struct nas_map *map,
                          const struct nas_map_part *part, struct nas_view g,
                          const struct nas_flow *f, int accumulate, ptrdiff_t image,
                          ptrdiff_t len) {
    const struct nas_linear *l = map->linear;
    const int depthwise = l->kind == NAS_LINEAR_DEPTHWISE;
    mn_real *d_w = run->d_w != NULL ? run->d_w + part->weight : NULL;
    if (d_w != NULL && depthwise) {
        run->k->depthwise_dw(l->n_in, map->n_tap, part->tap, g.at, g.stride, f->x.at, f->x.stride,
                             len, d_w, map->n_tap, 1);
    } else if (d_w != NULL) {
        run->k->conv_dw(map->part_out, l->n_in, map->n_tap, part->tap, g.at, g.stride, f->x.at,
                        f->x.stride, len, d_w, (ptrdiff_t)l->n_in * map->n_tap, map->n_tap, 1);
    }
    for (int q = 0; f->dx.at != NULL && q < 4; q++) {
        const struct nas_taps *taps = &part->back[q];
        const mn_real *packed = run->lane->packed + taps->pack;
        mn_real *to = f->dx.at + q * f->phase;
        if (taps->n > 0 && depthwise) {
            run->k->depthwise(l->n_in, taps->n, taps->tap, packed, taps->n, 1, g.at, g.stride, to,
                              f->dx.stride, len, f->dx_mask, image, accumulate);
        } else if (taps->n > 0) {
            run->k->conv(l->n_in, map->part_out, taps->n, taps->tap, packed, g.at, g.stride, to,
                         f->dx.stride, len, f->dx_mask, image, accumulate);
        }
    }
}

static void avg_pool_backward(struct nas_run *run, const struct nas_path_use *use,
                              const struct nas_map *map, const struct nas_flow *f,
                              const struct nas_block *b) {
    static const mn_real one = 1;
    const struct nas_cpu_size *size = size_of(run, use);
    const struct nas_view shared = nas_temp_view(run, size, NAS_TEMP_DU);
    const ptrdiff_t here = 0;
    const int n = map->linear->n_in;
    run->k->avg_pool(n, 1, &here, map->planes[0], f->g.at, f->g.stride, shared.at, shared.stride,
                     b->len, size->grid.image);
    for (int q = 0; q < 4; q++) {
        const struct nas_taps *taps = &map->part[0].back[q];
        if (taps->n > 0) {
            run->k->depthwise(n, taps->n, taps->tap, &one, 0, 0, shared.at, shared.stride,
                              f->dx.at + q * f->phase, f->dx.stride, b->len, f->dx_mask,
                              size->grid.image, f->accumulate);
        }
    }
}

/* One linear map on a block. */
static void map_backward(struct nas_run *run, const struct nas_path_use *use, int stage, int index,
                         const struct nas_block *b, const struct nas_flow *f) {
    const struct nas_grid *grid = &size_of(run, use)->grid;
    const struct nas_map *map = &use->path->map[stage][index];
    switch (map->linear->kind) {
    case NAS_LINEAR_MAX_POOL:
        if (f->dx.at != NULL) {
            run->k->max_pool_dx(
                map->linear->n_in, map->n_tap, map->part[0].tap,
                (const uint8_t *)nas_tensor_at(run, use->which[stage]) + b->n0 * grid->image,
                grid->n * grid->image, f->g.at, f->g.stride, f->dx.at, f->dx.stride, b->len);
        }
        break;
    case NAS_LINEAR_AVG_POOL:
        if (f->dx.at != NULL) {
            avg_pool_backward(run, use, map, f, b);
        }
        break;
    case NAS_LINEAR_CUSTOM:
        nas_custom_op_backward(run, use, b, f);
        break;
    case NAS_LINEAR_CONV:
    case NAS_LINEAR_DEPTHWISE:
    case NAS_LINEAR_REDUCE:
        for (int p = 0; p < map->n_parts; p++) {
            const struct nas_view g = {f->g.at + p * map->part_out * f->g.stride, f->g.stride};
            part_backward(run, map, &map->part[p], g, f, f->accumulate || p > 0, grid->image,
                          b->len);
        }
        break;
    }
}

void nas_maps_backward(struct nas_run *run, const struct nas_path_use *use, int stage,
                       const struct nas_block *b, const struct nas_flow *flow) {
    struct nas_flow first = *flow;
    if (use->path->path->stage[stage].n_linear == 2) {
        const struct nas_cpu_size *size = size_of(run, use);
        const struct nas_view du = nas_temp_view(run, size, NAS_TEMP_DU);
        struct nas_flow second = {.g = flow->g,
                                  .dx = du,
                                  .phase = use->path->map[stage][0].part_out * du.stride,
                                  .dx_mask = size->grid.mask};
        if (run->d_w != NULL) {
            second.x = between(run, use, stage, b, flow->x);
        }
        map_backward(run, use, stage, 1, b, &second);
        first.g = du;
    }
    map_backward(run, use, stage, 0, b, &first);
}
