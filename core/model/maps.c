/* SPDX-License-Identifier: MIT */
#include "model/stage.h"

void mn__maps_pack(struct mn__run *run, const struct mn__stage *stage) {
    for (int i = 0; i < stage->n_linear; i++) {
        const struct mn__linear *l = &stage->linear[i];
        mn_real *to = run->ws->packed + l->pack;
        if (l->kind == MN__LINEAR_CONV) {
            run->k->pack(l->n_out, l->n_in, l->n_tap, run->w + l->weight,
                         (ptrdiff_t)l->n_in * l->n_tap, l->n_tap, 1, to);
        } else if (l->kind == MN__LINEAR_REDUCE) {
            const int half = l->n_out / 2;
            run->k->pack(half, l->n_in, 1, run->w + l->weight, l->n_in, 1, 1, to);
            run->k->pack(half, l->n_in, 1, run->w + l->weight2, l->n_in, 1, 1,
                         to + run->k->packed(half, l->n_in, 1));
        }
    }
}

static void reduce(struct mn__run *run, const struct mn__linear *l, const struct mn__size *size,
                   ptrdiff_t len, struct mn__view x, struct mn__view y) {
    const int half = l->n_out / 2;
    const mn_real *packed = run->ws->packed + l->pack;
    for (int i = 0; i < 2; i++) {
        run->k->conv(half, l->n_in, 1, l->tap[i], packed, x.at, x.stride,
                     y.at + i * half * y.stride, y.stride, len, size->grid.mask, size->grid.image,
                     0);
        packed += run->k->packed(half, l->n_in, 1);
    }
}

uint8_t *mn__maps_which(const struct mn__run *run, const struct mn__stage *stage) {
    return (uint8_t *)mn__slot(run, stage->which);
}

/* One linear map on a block, for row phase p of its output. */
static void apply(struct mn__run *run, const struct mn__stage *stage, int index, int p,
                  const struct mn__size *size, const struct mn__block *block, struct mn__view x,
                  struct mn__view y) {
    const struct mn__linear *l = &stage->linear[index];
    const struct mn__kernels *k = run->k;
    const mn_real *mask = size->grid.mask;
    const ptrdiff_t image = size->grid.image, len = block->len;
    mn_real *to = y.at + p * l->n_out * y.stride;
    switch (l->kind) {
    case MN__LINEAR_CONV:
        k->conv(l->n_out, l->n_in, l->n_tap, l->tap[p], run->ws->packed + l->pack, x.at, x.stride,
                to, y.stride, len, mask, image, 0);
        break;
    case MN__LINEAR_DEPTHWISE:
        k->depthwise(l->n_in, l->n_tap, l->tap[p], run->w + l->weight, l->n_tap, 1, x.at, x.stride,
                     to, y.stride, len, mask, image, 0);
        break;
    case MN__LINEAR_MAX_POOL: {
        const ptrdiff_t ws = size->grid.n * image;
        k->max_pool(l->n_in, l->n_tap, l->tap[p], (const mn_real *const *)l->valid, x.at, x.stride,
                    to, y.stride, mn__maps_which(run, stage) + block->n0 * image, ws, len, mask,
                    image);
        break;
    }
    case MN__LINEAR_AVG_POOL:
        k->avg_pool(l->n_in, l->n_tap, l->tap[p], l->share, x.at, x.stride, to, y.stride, len,
                    image);
        break;
    case MN__LINEAR_REDUCE:
        reduce(run, l, size, len, x, y);
        break;
    case MN__LINEAR_FOREIGN:
        mn__foreign_forward(run, l, size, block, x, y);
        break;
    }
}

struct mn__view mn__maps_between(struct mn__run *run, const struct mn__stage *stage,
                                 const struct mn__size *size, const struct mn__block *block,
                                 struct mn__view x) {
    if (stage->u != MN__NOWHERE) {
        return mn__tensor_view(run, size, stage->u, block);
    }
    const struct mn__view u = mn__temp_view(run, size, MN__TEMP_U);
    apply(run, stage, 0, 0, size, block, x, u);
    return u;
}

void mn__maps_forward(struct mn__run *run, const struct mn__stage *stage,
                      const struct mn__size *size, const struct mn__block *block,
                      struct mn__view x) {
    const struct mn__view y = mn__tensor_view(run, size, stage->y, block);
    if (stage->n_linear == 1) {
        apply(run, stage, 0, 0, size, block, x, y);
        return;
    }
    for (int p = 0; stage->u != MN__NOWHERE && p < stage->n_phase; p++) {
        apply(run, stage, 0, p, size, block, x, mn__tensor_view(run, size, stage->u, block));
    }
    apply(run, stage, 1, 0, size, block, mn__maps_between(run, stage, size, block, x), y);
}
