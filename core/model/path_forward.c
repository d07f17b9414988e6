/* SPDX-License-Identifier: MIT */
#include "model/stage.h"

#include <string.h>

static void pack_weights(struct mn__run *run, const struct mn__stage *stage) {
    for (int i = 0; i < stage->n_linear; i++) {
        const struct mn__linear *l = &stage->linear[i];
        mn_real *to = i == 0 ? run->ws->pack : run->ws->pack2;
        if (l->kind == MN__LINEAR_CONV) {
            run->k->pack(l->n_out, l->n_in, l->n_tap, run->w + l->weight,
                         (ptrdiff_t)l->n_in * l->n_tap, l->n_tap, 1, to);
        } else if (l->kind == MN__LINEAR_REDUCE) {
            run->k->pack(l->n_out / 2, l->n_in, 1, run->w + l->weight, l->n_in, 1, 1,
                         run->ws->pack);
            run->k->pack(l->n_out / 2, l->n_in, 1, run->w + l->weight2, l->n_in, 1, 1,
                         run->ws->pack2);
        }
    }
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
        k->conv(l->n_out, l->n_in, l->n_tap, l->tap[p], index == 0 ? run->ws->pack : run->ws->pack2,
                x.at, x.stride, to, y.stride, len, mask, image, 0);
        break;
    case MN__LINEAR_DEPTHWISE:
        k->depthwise(l->n_in, l->n_tap, l->tap[p], run->w + l->weight, l->n_tap, 1, x.at, x.stride,
                     to, y.stride, len, mask, image, 0);
        break;
    case MN__LINEAR_MAX_POOL: {
        const ptrdiff_t ws = size->grid.n * image;
        k->max_pool(l->n_in, l->n_tap, l->tap[p], (const mn_real *const *)l->valid, x.at, x.stride,
                    to, y.stride, run->ws->bytes + stage->which + block->n0 * image, ws, len, mask,
                    image);
        break;
    }
    case MN__LINEAR_AVG_POOL:
        k->avg_pool(l->n_in, l->n_tap, l->tap[p], l->share, x.at, x.stride, to, y.stride, len,
                    image);
        break;
    case MN__LINEAR_REDUCE:
        k->conv(l->n_out / 2, l->n_in, 1, l->tap[0], run->ws->pack, x.at, x.stride, to, y.stride,
                len, mask, image, 0);
        k->conv(l->n_out / 2, l->n_in, 1, l->tap[1], run->ws->pack2, x.at, x.stride,
                to + l->n_out / 2 * y.stride, y.stride, len, mask, image, 0);
        break;
    }
}

/* Mean and variance of a stage's output: the batch's, or the ones given. A bias moves the mean. */
static void settle_norm(struct mn__run *run, const struct mn__path *path,
                        const struct mn__stage *stage, const double *sum, const double *m2,
                        double count) {
    const int n = path->channels;
    mn_real *mean = run->ws->norm + stage->stats, *variance = mean + n;
    const mn_real *bias = stage->bias < 0 ? NULL : run->w + stage->bias;
    const mn_real *given = run->pass->stats == NULL ? NULL : run->pass->stats + stage->stats;
    mn_real *out = run->pass->stats_out == NULL ? NULL : run->pass->stats_out + stage->stats;
    for (int c = 0; c < n; c++) {
        const mn_real b = bias == NULL ? 0 : bias[c];
        const mn_real batch_mean = (mn_real)(sum[c] / count);
        const mn_real batch_variance = (mn_real)(m2[c] / count);
        if (out != NULL) {
            out[c] = batch_mean + b;
            out[n + c] = batch_variance;
        }
        mean[c] = given == NULL ? batch_mean : given[c] - b;
        variance[c] = given == NULL ? batch_variance : given[n + c];
    }
}

/* The stage's maps on one block: source x to the stored u and y. */
static void maps(struct mn__run *run, const struct mn__stage *stage, const struct mn__size *size,
                 const struct mn__block *block, struct mn__view x) {
    const struct mn__view y = mn__tensor_view(run, size, stage->y, block);
    if (stage->n_linear == 1) {
        apply(run, stage, 0, 0, size, block, x, y);
        return;
    }
    const struct mn__view u = mn__tensor_view(run, size, stage->u, block);
    for (int p = 0; p < stage->n_phase; p++) {
        apply(run, stage, 0, p, size, block, x, u);
    }
    apply(run, stage, 1, 0, size, block, u, y);
}

/* All blocks through the maps, collecting the statistics of the output. */
static void stage_forward(struct mn__run *run, const struct mn__path *path, int index,
                          const struct mn__source *source, const mn_real *scale,
                          const mn_real *shift) {
    const struct mn__stage *stage = &path->stage[index];
    const struct mn__size *size = &run->model->sizes[path->grid];
    const int n = path->channels, most = run->model->most_channels;
    double *sum = run->ws->sums, *m2 = sum + most, *all = m2 + most, *all_m2 = all + most;
    double count = 0;
    struct mn__block b;
    memset(all, 0, (size_t)n * sizeof *all);
    memset(all_m2, 0, (size_t)n * sizeof *all_m2);
    pack_weights(run, stage);
    for (int i = 0; mn__block_at(run, size, i, &b); i++) {
        if (index == 1) {
            mn__stage_hidden(run, path, &b, scale, shift);
        }
        maps(run, stage, size, &b,
             index == 1 ? mn__temp_view(run, size, 2) : mn__source_view(source, &b));
        if (!stage->has_norm) {
            continue;
        }
        const struct mn__view y = mn__tensor_view(run, size, stage->y, &b);
        memset(sum, 0, (size_t)n * sizeof *sum);
        memset(m2, 0, (size_t)n * sizeof *m2);
        run->k->moments(n, y.at, y.stride, b.len, size->grid.mask, size->grid.image, sum, m2);
        mn__moments_merge(n, (double)b.n * size->grid.h * size->grid.w, sum, m2, &count, all,
                          all_m2);
    }
    if (stage->has_norm) {
        settle_norm(run, path, stage, all, all_m2, count);
    }
}

/* Add weight * x to y, image by image where drop path scales them apart. */
static void add_scaled(struct mn__run *run, const struct mn__path *path, double weight,
                       struct mn__view x, struct mn__view y, const struct mn__block *b,
                       int accumulate) {
    const struct mn__size *size = &run->model->sizes[path->grid];
    if (!mn__path_drops(run, path)) {
        run->k->axpy(path->channels, (mn_real)weight, x.at, x.stride, y.at, y.stride, b->len,
                     accumulate);
        return;
    }
    for (int i = 0; i < b->n; i++) {
        const ptrdiff_t at = i * size->grid.image;
        run->k->axpy(path->channels, (mn_real)(weight * mn__drop_factor(run, path, b->n0 + i)),
                     x.at + at, x.stride, y.at + at, y.stride, size->grid.span, accumulate);
    }
}

static void add_normed(struct mn__run *run, const struct mn__path *path, double weight,
                       struct mn__view y, const struct mn__block *b, int accumulate) {
    const struct mn__stage *last = &path->stage[path->n_stages - 1];
    const struct mn__size *size = &run->model->sizes[path->grid];
    const struct mn__view x = mn__tensor_view(run, size, last->y, b);
    mn_real *scale = run->ws->coef, *shift = scale + run->model->most_channels;
    if (!mn__path_drops(run, path)) {
        run->k->affine(path->channels, scale, shift, x.at, x.stride, y.at, y.stride, b->len,
                       size->grid.mask, size->grid.image, accumulate, 0);
        return;
    }
    for (int i = 0; i < b->n; i++) {
        const ptrdiff_t at = i * size->grid.image;
        mn__norm_affine(run, path, last, weight * mn__drop_factor(run, path, b->n0 + i), scale,
                        shift);
        run->k->affine(path->channels, scale, shift, x.at + at, x.stride, y.at + at, y.stride,
                       size->grid.span, size->grid.mask, size->grid.image, accumulate, 0);
    }
}

void mn__path_forward(struct mn__run *run, const struct mn__path *path, double weight, mn_real *y,
                      int accumulate) {
    const struct mn__size *size = &run->model->sizes[path->grid];
    const struct mn__source source = mn__source_of(run, path);
    mn_real *scale = run->ws->coef, *shift = scale + run->model->most_channels;
    for (int s = 0; s < path->n_stages; s++) {
        if (s == 1) {
            mn__norm_affine(run, path, &path->stage[0], 1, scale, shift);
        }
        stage_forward(run, path, s, &source, scale, shift);
    }
    if (weight == 0) {
        return;
    }
    const struct mn__stage *last = path->n_stages > 0 ? &path->stage[path->n_stages - 1] : NULL;
    if (last != NULL && last->has_norm) {
        mn__norm_affine(run, path, last, weight, scale, shift);
    }
    struct mn__block b;
    for (int i = 0; mn__block_at(run, size, i, &b); i++) {
        const struct mn__view to = mn__node_view(size, path, y, &b);
        if (last == NULL) {
            add_scaled(run, path, weight, mn__source_view(&source, &b), to, &b, accumulate);
        } else if (!last->has_norm) {
            add_scaled(run, path, weight, mn__tensor_view(run, size, last->y, &b), to, &b,
                       accumulate);
        } else {
            add_normed(run, path, weight, to, &b, accumulate);
        }
    }
}
