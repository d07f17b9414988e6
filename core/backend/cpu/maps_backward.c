/* SPDX-License-Identifier: MIT */
#include "backend/cpu/maps.h"

/* ---- weights in the order that the transposed maps read them ------------------------------- */

/* Those of the taps that lie in one phase of the source, as [out][in][tap] or [channel][tap]. */
static void gather(const struct nas_run *run, const struct nas_map *map,
                   const struct nas_taps *taps, mn_real *to) {
    const struct nas_linear *l = map->linear;
    const mn_real *w = run->w + l->weight;
    const int rows = l->kind == NAS_LINEAR_DEPTHWISE ? l->n_out : l->n_out * l->n_in;
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < taps->n; j++) {
            *to++ = w[(ptrdiff_t)i * map->n_tap + taps->index[j]];
        }
    }
}

static void pack_taps(struct nas_run *run, const struct nas_map *map, const struct nas_taps *taps) {
    const struct nas_linear *l = map->linear;
    mn_real *to = run->lane->packed + taps->pack;
    const int n = taps->n;
    if (l->kind == NAS_LINEAR_DEPTHWISE) {
        gather(run, map, taps, to);
        return;
    }
    gather(run, map, taps, run->lane->gather);
    run->k->pack(l->n_in, l->n_out, n, run->lane->gather, n, (ptrdiff_t)l->n_in * n, 1, to);
}

void nas_maps_pack_back(struct nas_run *run, const struct nas_cpu_path *path, int stage) {
    for (int i = 0; i < path->path->stage[stage].n_linear; i++) {
        const struct nas_map *map = &path->map[stage][i];
        const struct nas_linear *l = map->linear;
        if (l->kind == NAS_LINEAR_REDUCE) {
            for (int k = 0; k < 2; k++) {
                run->k->pack(l->n_in, l->n_out / 2, 1, run->w + (k == 0 ? l->weight : l->weight2),
                             1, l->n_in, 1, run->lane->packed + map->back[k][0].pack);
            }
            continue;
        }
        for (int p = 0; p < (i == 0 ? path->n_phase[stage] : 1) && l->weight >= 0; p++) {
            for (int q = 0; q < 4; q++) {
                if (map->back[p][q].n > 0) {
                    pack_taps(run, map, &map->back[p][q]);
                }
            }
        }
    }
}

/* ---- one linear map ----------------------------------------------------------------------- */

static void taps_dx(struct nas_run *run, const struct nas_map *map, int p, const struct nas_flow *f,
                    const struct nas_cpu_size *size, const struct nas_block *b) {
    const struct nas_linear *l = map->linear;
    for (int q = 0; q < 4; q++) {
        const struct nas_taps *taps = &map->back[p][q];
        const mn_real *packed = run->lane->packed + taps->pack;
        mn_real *to = f->dx.at + q * f->phase;
        if (taps->n == 0) {
            continue;
        }
        if (l->kind == NAS_LINEAR_DEPTHWISE) {
            run->k->depthwise(l->n_in, taps->n, taps->tap, packed, taps->n, 1, f->g.at, f->g.stride,
                              to, f->dx.stride, b->len, f->dx_mask, size->grid.image,
                              f->accumulate);
        } else {
            run->k->conv(l->n_in, l->n_out, taps->n, taps->tap, packed, f->g.at, f->g.stride, to,
                         f->dx.stride, b->len, f->dx_mask, size->grid.image, f->accumulate);
        }
    }
}

static void reduce_backward(struct nas_run *run, const struct nas_map *map,
                            const struct nas_flow *f, const struct nas_cpu_size *size,
                            const struct nas_block *b) {
    const struct nas_linear *l = map->linear;
    const int half = l->n_out / 2;
    for (int i = 0; i < 2; i++) {
        const int64_t weight = i == 0 ? l->weight : l->weight2;
        const mn_real *g = f->g.at + i * half * f->g.stride;
        if (run->d_w != NULL) {
            run->k->conv_dw(half, l->n_in, 1, map->tap[i], g, f->g.stride, f->x.at, f->x.stride,
                            b->len, run->d_w + weight, l->n_in, 1, 1);
        }
        if (f->dx.at != NULL) {
            const ptrdiff_t tap = 0;
            run->k->conv(l->n_in, half, 1, &tap, run->lane->packed + map->back[i][0].pack, g,
                         f->g.stride, f->dx.at + map->tap[i][0], f->dx.stride, b->len, NULL,
                         size->grid.image, 1);
        }
    }
}

static void avg_pool_backward(struct nas_run *run, const struct nas_map *map,
                              const struct nas_flow *f, const struct nas_cpu_size *size,
                              const struct nas_block *b) {
    static const mn_real one = 1;
    const struct nas_view shared = nas_temp_view(run, size, NAS_TEMP_DU);
    const ptrdiff_t here = 0;
    const int n = map->linear->n_in;
    run->k->avg_pool(n, 1, &here, map->share, f->g.at, f->g.stride, shared.at, shared.stride,
                     b->len, size->grid.image);
    for (int q = 0; q < 4; q++) {
        const struct nas_taps *taps = &map->back[0][q];
        if (taps->n > 0) {
            run->k->depthwise(n, taps->n, taps->tap, &one, 0, 0, shared.at, shared.stride,
                              f->dx.at + q * f->phase, f->dx.stride, b->len, f->dx_mask,
                              size->grid.image, f->accumulate);
        }
    }
}

static void add_dw(struct nas_run *run, const struct nas_map *map, int p, struct nas_view g,
                   struct nas_view x, ptrdiff_t len) {
    const struct nas_linear *l = map->linear;
    if (run->d_w == NULL) {
        return;
    }
    if (l->kind == NAS_LINEAR_DEPTHWISE) {
        run->k->depthwise_dw(l->n_in, map->n_tap, map->tap[p], g.at, g.stride, x.at, x.stride, len,
                             run->d_w + l->weight, map->n_tap, 1);
    } else {
        run->k->conv_dw(l->n_out, l->n_in, map->n_tap, map->tap[p], g.at, g.stride, x.at, x.stride,
                        len, run->d_w + l->weight, (ptrdiff_t)l->n_in * map->n_tap, map->n_tap, 1);
    }
}

/* Row phase p of the first map of a stage. */
static void first_backward(struct nas_run *run, const struct nas_path_use *use, int stage, int p,
                           const struct nas_flow *f, const struct nas_cpu_size *size,
                           const struct nas_block *b) {
    const struct nas_map *map = &use->path->map[stage][0];
    const ptrdiff_t image = size->grid.image;
    switch (map->linear->kind) {
    case NAS_LINEAR_REDUCE:
        reduce_backward(run, map, f, size, b);
        return;
    case NAS_LINEAR_MAX_POOL:
        if (f->dx.at != NULL) {
            run->k->max_pool_dx(
                map->linear->n_in, map->n_tap, map->tap[p],
                (const uint8_t *)nas_tensor_at(run, use->which[stage]) + b->n0 * image,
                size->grid.n * image, f->g.at, f->g.stride, f->dx.at, f->dx.stride, b->len);
        }
        return;
    case NAS_LINEAR_AVG_POOL:
        if (f->dx.at != NULL) {
            avg_pool_backward(run, map, f, size, b);
        }
        return;
    case NAS_LINEAR_CUSTOM:
        nas_custom_op_backward(run, use, size, b, f);
        return;
    case NAS_LINEAR_DEPTHWISE:
    case NAS_LINEAR_CONV:
        break;
    }
    add_dw(run, map, p, f->g, f->x, b->len);
    if (f->dx.at != NULL) {
        taps_dx(run, map, p, f, size, b);
    }
}

void nas_maps_backward(struct nas_run *run, const struct nas_path_use *use, int stage,
                       const struct nas_cpu_size *size, const struct nas_block *b,
                       const struct nas_flow *flow) {
    if (use->path->path->stage[stage].n_linear == 1) {
        first_backward(run, use, stage, 0, flow, size, b);
        return;
    }
    const struct nas_map *second = &use->path->map[stage][1];
    const int n_between = second->linear->n_in, n_phase = use->path->n_phase[stage];
    const struct nas_view du = nas_temp_view(run, size, NAS_TEMP_DU);
    if (run->d_w != NULL) {
        add_dw(run, second, 0, flow->g, nas_maps_between(run, use, stage, size, b, flow->x),
               b->len);
    }
    const struct nas_flow to_du = {.g = flow->g,
                                   .dx = du,
                                   .phase = n_phase == 1 ? 0 : n_between * du.stride,
                                   .dx_mask = size->grid.mask};
    taps_dx(run, second, 0, &to_du, size, b);
    struct nas_flow f = *flow;
    for (int p = 0; p < n_phase; p++) {
        f.g = (struct nas_view){du.at + p * n_between * du.stride, du.stride};
        first_backward(run, use, stage, p, &f, size, b);
        f.accumulate = 1;
    }
}
