/* SPDX-License-Identifier: MIT */
#include "model/stage.h"

#include <math.h>

int mn__block_at(const struct mn__run *run, const struct mn__size *size, int i,
                 struct mn__block *out) {
    out->n0 = i * size->n_block;
    if (out->n0 >= run->n) {
        return 0;
    }
    out->n = run->n - out->n0 < size->n_block ? run->n - out->n0 : size->n_block;
    out->len = (out->n - 1) * size->grid.image + size->grid.span;
    return 1;
}

struct mn__view mn__tensor_view(const struct mn__run *run, const struct mn__size *size,
                                size_t offset, const struct mn__block *block) {
    return (struct mn__view){run->ws->reals + offset + block->n0 * size->grid.image,
                             size->grid.channel};
}

struct mn__view mn__node_view(const struct mn__size *size, const struct mn__path *path,
                              const mn_real *base, const struct mn__block *block) {
    const ptrdiff_t channel = size->grid.channel;
    return (struct mn__view){(mn_real *)base + path->out_first * channel +
                                 block->n0 * size->grid.image,
                             path->out_step * channel};
}

struct mn__view mn__temp_view(const struct mn__run *run, const struct mn__size *size, int i) {
    return (struct mn__view){run->ws->reals + size->temp[i], size->block.channel};
}

struct mn__view mn__source_view(const struct mn__source *source, const struct mn__block *block) {
    return (struct mn__view){source->x + block->n0 * source->image, source->channel};
}

void mn__norm_affine(const struct mn__run *run, const struct mn__path *path,
                     const struct mn__stage *stage, double weight, mn_real *scale, mn_real *shift) {
    const int n = path->channels;
    const mn_real *mean = run->ws->norm + stage->stats, *variance = mean + n;
    const mn_real *gamma = stage->gamma < 0 ? NULL : run->w + stage->gamma;
    for (int c = 0; c < n; c++) {
        const double g = gamma == NULL ? 1 : (double)gamma[c];
        const double b = gamma == NULL ? 0 : (double)gamma[n + c];
        const double s = weight * g / sqrt((double)variance[c] + MN__NORM_EPS);
        scale[c] = (mn_real)s;
        shift[c] = (mn_real)(weight * b - s * (double)mean[c]);
    }
}

void mn__stage_hidden(struct mn__run *run, const struct mn__path *path,
                      const struct mn__block *block, const mn_real *scale, const mn_real *shift) {
    const struct mn__size *size = &run->model->sizes[path->grid];
    const struct mn__view y = mn__tensor_view(run, size, path->stage[0].y, block);
    const struct mn__view z = mn__temp_view(run, size, 2);
    run->k->affine(path->channels, scale, shift, y.at, y.stride, z.at, z.stride, block->len,
                   size->grid.mask, size->grid.image, 0, 1);
}

int mn__path_drops(const struct mn__run *run, const struct mn__path *path) {
    return run->dropping && path->op != NULL && !path->identity;
}

double mn__drop_factor(const struct mn__run *run, const struct mn__path *path, int n) {
    return (double)run->ws->drop[(int64_t)path->index * run->model->dims.max_batch + n];
}
