/* SPDX-License-Identifier: MIT */
#include "backend/cpu/stage.h"

void nas_maps_pack(struct nas_run *run, const struct nas_stage *stage) {
    for (int i = 0; i < stage->n_linear; i++) {
        const struct nas_linear *l = &stage->linear[i];
        mn_real *to = run->ws->packed + l->pack;
        if (l->kind == NAS_LINEAR_CONV) {
            run->k->pack(l->n_out, l->n_in, l->n_tap, run->w + l->weight,
                         (ptrdiff_t)l->n_in * l->n_tap, l->n_tap, 1, to);
        } else if (l->kind == NAS_LINEAR_REDUCE) {
            const int half = l->n_out / 2;
            run->k->pack(half, l->n_in, 1, run->w + l->weight, l->n_in, 1, 1, to);
            run->k->pack(half, l->n_in, 1, run->w + l->weight2, l->n_in, 1, 1,
                         to + run->k->packed(half, l->n_in, 1));
        }
    }
}

static void reduce(struct nas_run *run, const struct nas_linear *l, const struct nas_size *size,
                   ptrdiff_t len, struct nas_view x, struct nas_view y) {
    const int half = l->n_out / 2;
    const mn_real *packed = run->ws->packed + l->pack;
    for (int i = 0; i < 2; i++) {
        run->k->conv(half, l->n_in, 1, l->tap[i], packed, x.at, x.stride,
                     y.at + i * half * y.stride, y.stride, len, size->grid.mask, size->grid.image,
                     0);
        packed += run->k->packed(half, l->n_in, 1);
    }
}

uint8_t *nas_maps_which(const struct nas_run *run, const struct nas_stage *stage) {
    return (uint8_t *)nas_slot(run, stage->which);
}

/* One linear map on a block, for row phase p of its output. */
static void apply(struct nas_run *run, const struct nas_stage *stage, int index, int p,
                  const struct nas_size *size, const struct nas_block *block, struct nas_view x,
                  struct nas_view y) {
    const struct nas_linear *l = &stage->linear[index];
    const struct nas_kernels *k = run->k;
    const mn_real *mask = size->grid.mask;
    const ptrdiff_t image = size->grid.image, len = block->len;
    mn_real *to = y.at + p * l->n_out * y.stride;
    switch (l->kind) {
    case NAS_LINEAR_CONV:
        k->conv(l->n_out, l->n_in, l->n_tap, l->tap[p], run->ws->packed + l->pack, x.at, x.stride,
                to, y.stride, len, mask, image, 0);
        break;
    case NAS_LINEAR_DEPTHWISE:
        k->depthwise(l->n_in, l->n_tap, l->tap[p], run->w + l->weight, l->n_tap, 1, x.at, x.stride,
                     to, y.stride, len, mask, image, 0);
        break;
    case NAS_LINEAR_MAX_POOL: {
        const ptrdiff_t ws = size->grid.n * image;
        k->max_pool(l->n_in, l->n_tap, l->tap[p], (const mn_real *const *)l->valid, x.at, x.stride,
                    to, y.stride, nas_maps_which(run, stage) + block->n0 * image, ws, len, mask,
                    image);
        break;
    }
    case NAS_LINEAR_AVG_POOL:
        k->avg_pool(l->n_in, l->n_tap, l->tap[p], l->share, x.at, x.stride, to, y.stride, len,
                    image);
        break;
    case NAS_LINEAR_REDUCE:
        reduce(run, l, size, len, x, y);
        break;
    case NAS_LINEAR_FOREIGN:
        nas_foreign_forward(run, l, size, block, x, y);
        break;
    }
}

struct nas_view nas_maps_between(struct nas_run *run, const struct nas_stage *stage,
                                 const struct nas_size *size, const struct nas_block *block,
                                 struct nas_view x) {
    if (stage->u != NAS_NOWHERE) {
        return nas_tensor_view(run, size, stage->u, block);
    }
    const struct nas_view u = nas_temp_view(run, size, NAS_TEMP_U);
    apply(run, stage, 0, 0, size, block, x, u);
    return u;
}

void nas_maps_forward(struct nas_run *run, const struct nas_stage *stage,
                      const struct nas_size *size, const struct nas_block *block,
                      struct nas_view x) {
    const struct nas_view y = nas_tensor_view(run, size, stage->y, block);
    if (stage->n_linear == 1) {
        apply(run, stage, 0, 0, size, block, x, y);
        return;
    }
    for (int p = 0; stage->u != NAS_NOWHERE && p < stage->n_phase; p++) {
        apply(run, stage, 0, p, size, block, x, nas_tensor_view(run, size, stage->u, block));
    }
    apply(run, stage, 1, 0, size, block, nas_maps_between(run, stage, size, block, x), y);
}
