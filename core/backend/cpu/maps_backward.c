/* SPDX-License-Identifier: MIT */
#include "backend/cpu/stage.h"

/* ---- weights in the order that the transposed maps read them ------------------------------- */

/* Those of the taps that lie in one phase of the source, as [out][in][tap] or [channel][tap]. */
static void gather(const struct nas_run *run, const struct nas_linear *l,
                   const struct nas_taps *taps, mn_real *to) {
    const mn_real *w = run->w + l->weight;
    const int inner = l->kind == NAS_LINEAR_DEPTHWISE ? l->n_out : l->n_out * l->n_in;
    for (int i = 0; i < inner; i++) {
        for (int j = 0; j < taps->n; j++) {
            *to++ = w[(ptrdiff_t)i * l->n_tap + taps->index[j]];
        }
    }
}

static void pack_taps(struct nas_run *run, const struct nas_linear *l,
                      const struct nas_taps *taps) {
    mn_real *to = run->ws->packed + taps->pack;
    if (l->kind == NAS_LINEAR_DEPTHWISE) {
        gather(run, l, taps, to);
        return;
    }
    const int n = taps->n;
    gather(run, l, taps, run->ws->gather);
    run->k->pack(l->n_in, l->n_out, n, run->ws->gather, n, (ptrdiff_t)l->n_in * n, 1, to);
}

static void pack_linear(struct nas_run *run, const struct nas_linear *l, int n_phase) {
    if (l->kind == NAS_LINEAR_REDUCE) {
        const int half = l->n_out / 2;
        for (int i = 0; i < 2; i++) {
            run->k->pack(l->n_in, half, 1, run->w + (i == 0 ? l->weight : l->weight2), 1, l->n_in,
                         1, run->ws->packed + l->back[i][0].pack);
        }
        return;
    }
    for (int p = 0; p < n_phase && l->weight >= 0; p++) {
        for (int q = 0; q < 4; q++) {
            if (l->back[p][q].n > 0) {
                pack_taps(run, l, &l->back[p][q]);
            }
        }
    }
}

void nas_maps_pack_back(struct nas_run *run, const struct nas_stage *stage) {
    for (int i = 0; i < stage->n_linear; i++) {
        pack_linear(run, &stage->linear[i], i == 0 ? stage->n_phase : 1);
    }
}

/* ---- one linear map ----------------------------------------------------------------------- */

static void taps_dx(struct nas_run *run, const struct nas_linear *l, int p,
                    const struct nas_flow *f, const struct nas_size *size,
                    const struct nas_block *b) {
    for (int q = 0; q < 4; q++) {
        const struct nas_taps *taps = &l->back[p][q];
        const mn_real *packed = run->ws->packed + taps->pack;
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

static void reduce_backward(struct nas_run *run, const struct nas_linear *l,
                            const struct nas_flow *f, const struct nas_size *size,
                            const struct nas_block *b) {
    const int half = l->n_out / 2;
    for (int i = 0; i < 2; i++) {
        const int64_t weight = i == 0 ? l->weight : l->weight2;
        const mn_real *g = f->g.at + i * half * f->g.stride;
        if (run->d_w != NULL) {
            run->k->conv_dw(half, l->n_in, 1, l->tap[i], g, f->g.stride, f->x.at, f->x.stride,
                            b->len, run->d_w + weight, l->n_in, 1, 1);
        }
        if (f->dx.at != NULL) {
            const ptrdiff_t tap = 0;
            run->k->conv(l->n_in, half, 1, &tap, run->ws->packed + l->back[i][0].pack, g,
                         f->g.stride, f->dx.at + l->tap[i][0], f->dx.stride, b->len, NULL,
                         size->grid.image, 1);
        }
    }
}

static void avg_pool_backward(struct nas_run *run, const struct nas_linear *l,
                              const struct nas_flow *f, const struct nas_size *size,
                              const struct nas_block *b) {
    static const mn_real one = 1;
    const struct nas_view shared = nas_temp_view(run, size, NAS_TEMP_DU);
    const ptrdiff_t here = 0;
    run->k->avg_pool(l->n_in, 1, &here, l->share, f->g.at, f->g.stride, shared.at, shared.stride,
                     b->len, size->grid.image);
    for (int q = 0; q < 4; q++) {
        const struct nas_taps *taps = &l->back[0][q];
        if (taps->n > 0) {
            run->k->depthwise(l->n_in, taps->n, taps->tap, &one, 0, 0, shared.at, shared.stride,
                              f->dx.at + q * f->phase, f->dx.stride, b->len, f->dx_mask,
                              size->grid.image, f->accumulate);
        }
    }
}

static void add_dw(struct nas_run *run, const struct nas_linear *l, int p, struct nas_view g,
                   struct nas_view x, ptrdiff_t len) {
    if (run->d_w == NULL) {
        return;
    }
    if (l->kind == NAS_LINEAR_DEPTHWISE) {
        run->k->depthwise_dw(l->n_in, l->n_tap, l->tap[p], g.at, g.stride, x.at, x.stride, len,
                             run->d_w + l->weight, l->n_tap, 1);
    } else {
        run->k->conv_dw(l->n_out, l->n_in, l->n_tap, l->tap[p], g.at, g.stride, x.at, x.stride, len,
                        run->d_w + l->weight, (ptrdiff_t)l->n_in * l->n_tap, l->n_tap, 1);
    }
}

/* Row phase p of a map. */
static void linear_backward(struct nas_run *run, const struct nas_stage *stage, int index, int p,
                            const struct nas_flow *f, const struct nas_size *size,
                            const struct nas_block *b) {
    const struct nas_linear *l = &stage->linear[index];
    switch (l->kind) {
    case NAS_LINEAR_REDUCE:
        reduce_backward(run, l, f, size, b);
        return;
    case NAS_LINEAR_MAX_POOL:
        if (f->dx.at != NULL) {
            run->k->max_pool_dx(l->n_in, l->n_tap, l->tap[p],
                                nas_maps_which(run, stage) + b->n0 * size->grid.image,
                                size->grid.n * size->grid.image, f->g.at, f->g.stride, f->dx.at,
                                f->dx.stride, b->len);
        }
        return;
    case NAS_LINEAR_AVG_POOL:
        if (f->dx.at != NULL) {
            avg_pool_backward(run, l, f, size, b);
        }
        return;
    case NAS_LINEAR_FOREIGN:
        nas_foreign_backward(run, l, f, size, b);
        return;
    case NAS_LINEAR_DEPTHWISE:
    case NAS_LINEAR_CONV:
        break;
    }
    add_dw(run, l, p, f->g, f->x, b->len);
    if (f->dx.at != NULL) {
        taps_dx(run, l, p, f, size, b);
    }
}

void nas_maps_backward(struct nas_run *run, const struct nas_stage *stage,
                       const struct nas_size *size, const struct nas_block *b,
                       const struct nas_flow *flow) {
    if (stage->n_linear == 1) {
        linear_backward(run, stage, 0, 0, flow, size, b);
        return;
    }
    const struct nas_linear *first = &stage->linear[0], *second = &stage->linear[1];
    const struct nas_view du = nas_temp_view(run, size, NAS_TEMP_DU);
    if (run->d_w != NULL) {
        add_dw(run, second, 0, flow->g, nas_maps_between(run, stage, size, b, flow->x), b->len);
    }
    const struct nas_flow to_du = {.g = flow->g,
                                   .dx = du,
                                   .phase = stage->n_phase == 1 ? 0 : first->n_out * du.stride,
                                   .dx_mask = size->grid.mask};
    taps_dx(run, second, 0, &to_du, size, b);
    struct nas_flow f = *flow;
    for (int p = 0; p < stage->n_phase; p++) {
        f.g = (struct nas_view){du.at + p * first->n_out * du.stride, du.stride};
        linear_backward(run, stage, 0, p, &f, size, b);
        f.accumulate = 1;
    }
}
