/* SPDX-License-Identifier: MIT */
#include "backend/cpu/stage.h"

#include <math.h>
#include <string.h>

/* A node backward, a chunk of its paths at a time: one pass over the node's gradient and their
 * outputs gives what batch norm and the mixture need; then their maps block by block, so that the
 * gradient of the source stays in the cache while they add to it. */

/* ---- sums over the batch ------------------------------------------------------------------ */

static const mn_real *centre_of(const struct nas_run *run, const struct nas_job *job) {
    return nas_path_has_norm(job->path)
               ? run->ws->norm + job->path->stage[job->path->n_stages - 1].stats
               : NULL;
}

static void clear_sums(const struct nas_job *job) {
    const size_t bytes = (size_t)job->path->channels * sizeof *job->sum_g;
    memset(job->sum_g, 0, bytes);
    memset(job->sum_gx, 0, bytes);
}

/* Those of the paths of one group. */
static void sums_group(struct nas_run *run, const struct nas_layer *layer,
                       const struct nas_chunk *chunk, int group, const mn_real *dy) {
    const struct nas_size *size = &run->model->sizes[run->model->states[layer->state].grid];
    const struct nas_block all = nas_block_all(run, size);
    const struct nas_view g = nas_group_view(size, layer, dy, group, &all);
    struct nas_product *terms = run->ws->products;
    int n_terms = 0;
    for (int j = 0; j < chunk->n; j++) {
        const struct nas_job *job = &chunk->jobs[j];
        if (job->path->out_first != group || !nas_sums_wanted(layer, job->path)) {
            continue;
        }
        const struct nas_view y = nas_job_output(run, job, size, &all);
        terms[n_terms++] = (struct nas_product){.x = y.at,
                                                .xs = y.stride,
                                                .centre = centre_of(run, job),
                                                .factor = nas_drop_factors(run, job->path),
                                                .sum_g = job->sum_g,
                                                .sum = job->sum_gx};
    }
    if (n_terms > 0) {
        run->k->products(nas_group_channels(run, layer), n_terms, terms, g.at, g.stride, all.len,
                         size->grid.image);
    }
}

static void all_sums(struct nas_run *run, const struct nas_layer *layer,
                     const struct nas_chunk *chunk, const mn_real *dy) {
    for (int j = 0; j < chunk->n; j++) {
        clear_sums(&chunk->jobs[j]);
    }
    for (int group = 0; group < layer->groups; group++) {
        sums_group(run, layer, chunk, group, dy);
    }
}

/* ---- batch norm --------------------------------------------------------------------------- */

/* With s = gamma / sigma, xhat = (y - mean) / sigma and M pixels: dy = s (g - mean(g) - xhat
 * mean(g xhat)) for batch statistics, s g for given ones; as dy = a g + b y + c. */
struct coefficients {
    mn_real *a, *b, *c;
};

static struct coefficients coefficients_of(const struct nas_run *run, const struct nas_path *path,
                                           const struct nas_stage *stage) {
    mn_real *a = run->ws->back + stage->stats / 2 * 3;
    return (struct coefficients){a, a + path->channels, a + 2 * path->channels};
}

/* Coefficients; gradients of the affine part and of the bias; returns <g, output>. */
static double settle_norm(struct nas_run *run, const struct nas_job *job,
                          const struct nas_stage *stage, double weight) {
    const int n = job->path->channels;
    const struct nas_grid *grid = &run->model->sizes[job->path->grid].grid;
    const struct coefficients k = coefficients_of(run, job->path, stage);
    const double pixels = (double)run->n * grid->h * grid->w;
    const mn_real *mean = run->ws->norm + stage->stats, *variance = mean + n;
    const mn_real *gamma = stage->gamma < 0 ? NULL : run->w + stage->gamma;
    const int batch = run->pass->stats == NULL;
    double product = 0;
    for (int c = 0; c < n; c++) {
        const double inv = 1 / sqrt((double)variance[c] + NAS_NORM_EPS);
        const double scale = gamma == NULL ? 1 : (double)gamma[c];
        const double g_xhat = job->sum_gx[c] * inv;
        const double s = weight * scale * inv;
        const double b = batch ? -s * inv * g_xhat / pixels : 0;
        k.a[c] = (mn_real)s;
        k.b[c] = (mn_real)b;
        k.c[c] = (mn_real)(batch ? -s * job->sum_g[c] / pixels - b * (double)mean[c] : 0);
        product += scale * g_xhat + (gamma == NULL ? 0 : (double)gamma[n + c] * job->sum_g[c]);
        if (run->d_w != NULL && stage->gamma >= 0) {
            run->d_w[stage->gamma + c] = (mn_real)(weight * g_xhat);
            run->d_w[stage->gamma + n + c] = (mn_real)(weight * job->sum_g[c]);
        }
        if (run->d_w != NULL && stage->bias >= 0) {
            run->d_w[stage->bias + c] = batch ? 0 : (mn_real)(s * job->sum_g[c]);
        }
    }
    return product;
}

/* <g, path(source)>, the gradient of the path's weight; prepares its batch norm. */
static double settle(struct nas_run *run, const struct nas_job *job) {
    const struct nas_path *path = job->path;
    if (nas_path_has_norm(job->path)) {
        return settle_norm(run, job, &path->stage[path->n_stages - 1], job->weight);
    }
    double product = 0;
    for (int c = 0; c < path->channels; c++) {
        product += job->sum_gx[c];
    }
    return product;
}

static void settle_mixture(struct nas_run *run, const struct nas_layer *layer,
                           const struct nas_job *job, double product) {
    const struct nas_edge *edge = &layer->edges[job->edge];
    if (layer->mixture < 0) {
        return;
    }
    double *in = run->ws->d_item + run->model->item0[layer->mixture] + job->edge;
    const double in_weight = run->ws->item[run->model->item0[layer->mixture] + job->edge];
    if (job->item >= edge->n_ops) {
        *in += product;
        return;
    }
    const int64_t op = run->model->item0[edge->mixture] + job->item;
    *in += run->ws->item[op] * product;
    run->ws->d_item[op] += in_weight * product;
}

/* dy = a g + b y + c on one block. */
static struct nas_view norm_apply(struct nas_run *run, const struct nas_path *path,
                                  const struct nas_stage *stage, const struct nas_block *b,
                                  struct nas_view g, int dropping) {
    const struct nas_size *size = &run->model->sizes[path->grid];
    const struct nas_grid *grid = &size->grid;
    const struct coefficients k = coefficients_of(run, path, stage);
    const struct nas_view y = nas_tensor_view(run, size, stage->y, b);
    const struct nas_view dy = nas_temp_view(run, size, NAS_TEMP_DY);
    if (!dropping) {
        run->k->combine(path->channels, k.a, g.at, g.stride, k.b, y.at, y.stride, k.c, dy.at,
                        dy.stride, b->len, grid->mask, grid->image);
        return dy;
    }
    mn_real *scaled = run->ws->coef;
    for (int i = 0; i < b->n; i++) {
        const ptrdiff_t at = i * grid->image;
        const double factor = nas_drop_factor(run, path, b->n0 + i);
        for (int c = 0; c < path->channels; c++) {
            scaled[c] = (mn_real)(factor * (double)k.a[c]);
        }
        run->k->combine(path->channels, scaled, g.at + at, g.stride, k.b, y.at + at, y.stride, k.c,
                        dy.at + at, dy.stride, grid->span, grid->mask, grid->image);
    }
    return dy;
}

/* ---- second stages ------------------------------------------------------------------------ */

/* One block of the second stage down to the gradient of the first one's normalised output. It takes
 * the place of the second output, which nothing reads any more; its sums are those of the first. */
static void second_block(struct nas_run *run, const struct nas_job *job, const struct nas_block *b,
                         struct nas_view g) {
    const struct nas_path *path = job->path;
    const struct nas_stage *first = &path->stage[0], *stage = &path->stage[1];
    const struct nas_size *size = &run->model->sizes[path->grid];
    const struct nas_view dy = norm_apply(run, path, stage, b, g, nas_path_drops(run, path));
    const struct nas_view z = nas_temp_view(run, size, NAS_TEMP_Z);
    const struct nas_view dz = nas_temp_view(run, size, NAS_TEMP_DZ);
    const struct nas_view to = nas_tensor_view(run, size, stage->y, b);
    const struct nas_view y = nas_tensor_view(run, size, first->y, b);
    const struct nas_flow flow = {.g = dy, .x = z, .dx = dz, .dx_mask = size->grid.mask};
    const struct nas_product product = {.x = y.at,
                                        .xs = y.stride,
                                        .centre = run->ws->norm + first->stats,
                                        .sum_g = job->sum_g,
                                        .sum = job->sum_gx};
    nas_stage_hidden(run, path, b);
    nas_maps_backward(run, stage, size, b, &flow);
    run->k->relu_dx(path->channels, z.at, z.stride, dz.at, dz.stride, to.at, to.stride, b->len, 0);
    run->k->products(path->channels, 1, &product, to.at, to.stride, b->len, size->grid.image);
}

static void second_stages(struct nas_run *run, const struct nas_layer *layer,
                          const struct nas_chunk *chunk, const mn_real *dy) {
    const struct nas_size *size = &run->model->sizes[run->model->states[layer->state].grid];
    struct nas_block b;
    for (int j = 0; j < chunk->n; j++) {
        const struct nas_job *job = &chunk->jobs[j];
        if (job->path->n_stages < 2 || job->weight == 0) {
            continue;
        }
        clear_sums(job);
        for (int i = 0; nas_block_at(run, size, i, &b); i++) {
            second_block(run, job, &b, nas_group_view(size, layer, dy, job->path->out_first, &b));
        }
        settle_norm(run, job, &job->path->stage[0], 1);
    }
}

/* ---- first stages ------------------------------------------------------------------------- */

static void identity_block(struct nas_run *run, const struct nas_job *job,
                           const struct nas_block *b, struct nas_view g) {
    const struct nas_source *source = &job->source;
    if (source->dx != NULL) {
        run->k->axpy(job->path->channels, (mn_real)job->weight, g.at, g.stride,
                     source->dx + b->n0 * source->image, source->channel, b->len, job->accumulate);
    }
}

/* The gradient of the first stage's output. */
static struct nas_view first_gradient(struct nas_run *run, const struct nas_job *job,
                                      const struct nas_size *size, const struct nas_block *b,
                                      struct nas_view g) {
    const struct nas_path *path = job->path;
    if (path->n_stages == 2) {
        const struct nas_view dz = nas_tensor_view(run, size, path->stage[1].y, b);
        return norm_apply(run, path, &path->stage[0], b, dz, 0);
    }
    if (path->stage[0].has_norm) {
        return norm_apply(run, path, &path->stage[0], b, g, nas_path_drops(run, path));
    }
    if (job->weight == 1) {
        return g;
    }
    const struct nas_view dy = nas_temp_view(run, size, NAS_TEMP_DY);
    run->k->axpy(path->channels, (mn_real)job->weight, g.at, g.stride, dy.at, dy.stride, b->len, 0);
    return dy;
}

static void first_block(struct nas_run *run, const struct nas_layer *layer,
                        const struct nas_job *job, const struct nas_block *b, const mn_real *dy) {
    const struct nas_path *path = job->path;
    const struct nas_source *source = &job->source;
    const struct nas_size *size = &run->model->sizes[path->grid];
    const struct nas_view g = nas_group_view(size, layer, dy, path->out_first, b);
    if (path->n_stages == 0) {
        identity_block(run, job, b, g);
        return;
    }
    const struct nas_flow flow = {
        .g = first_gradient(run, job, size, b, g),
        .x = nas_source_view(source, b),
        .dx = {source->dx == NULL ? NULL : source->dx + b->n0 * source->image, source->channel},
        .phase = path->strided ? source->phase : 0,
        .accumulate = job->accumulate,
        .dx_mask = path->strided ? NULL : size->grid.mask};
    nas_maps_backward(run, &path->stage[0], size, b, &flow);
}

static void outputs_again(struct nas_run *run, const struct nas_layer *layer,
                          const struct nas_chunk *chunk) {
    const struct nas_size *size = &run->model->sizes[run->model->states[layer->state].grid];
    struct nas_block b;
    for (int j = 0; j < chunk->n; j++) {
        const struct nas_path *path = chunk->jobs[j].path;
        if (path->again) {
            nas_slot_begin(run, path->stage[0].y, &size->grid, path->channels);
        }
    }
    for (int i = 0; nas_block_at(run, size, i, &b); i++) {
        for (int j = 0; j < chunk->n; j++) {
            const struct nas_job *job = &chunk->jobs[j];
            if (job->path->again) {
                nas_maps_forward(run, &job->path->stage[0], size, &b,
                                 nas_source_view(&job->source, &b));
            }
        }
    }
}

static void pack_back(struct nas_run *run, const struct nas_path *path) {
    for (int s = 0; s < path->n_stages; s++) {
        nas_maps_pack_back(run, &path->stage[s]);
    }
}

/* Those that can write the source's gradient go first, so that it needs no clearing. */
static int comes_next(const struct nas_job *job, int adds) {
    return job->weight != 0 && nas_gradient_adds(job->path) == adds;
}

static void first_stages(struct nas_run *run, const struct nas_layer *layer,
                         const struct nas_chunk *chunk, const mn_real *dy) {
    const struct nas_size *size = &run->model->sizes[run->model->states[layer->state].grid];
    struct nas_block b;
    for (int adds = 0; adds < 2; adds++) {
        for (int j = 0; j < chunk->n; j++) {
            if (comes_next(&chunk->jobs[j], adds)) {
                chunk->jobs[j].accumulate = nas_gradient_begin(run, chunk->jobs[j].path);
            }
        }
    }
    for (int i = 0; nas_block_at(run, size, i, &b); i++) {
        for (int adds = 0; adds < 2; adds++) {
            for (int j = 0; j < chunk->n; j++) {
                if (comes_next(&chunk->jobs[j], adds)) {
                    first_block(run, layer, &chunk->jobs[j], &b, dy);
                }
            }
        }
    }
}

/* The paths that were computed for their weight's gradient only end with the sums. */
static void chunk_backward(struct nas_run *run, const struct nas_layer *layer,
                           const struct nas_chunk *chunk, const mn_real *dy) {
    outputs_again(run, layer, chunk);
    all_sums(run, layer, chunk, dy);
    for (int j = 0; j < chunk->n; j++) {
        settle_mixture(run, layer, &chunk->jobs[j], settle(run, &chunk->jobs[j]));
        if (chunk->jobs[j].weight != 0) {
            pack_back(run, chunk->jobs[j].path);
        }
    }
    second_stages(run, layer, chunk, dy);
    first_stages(run, layer, chunk, dy);
}

void nas_node_backward(struct nas_run *run, const struct nas_layer *layer) {
    const struct nas_cell_state *s = &run->model->states[layer->state];
    const struct nas_size *size = &run->model->sizes[s->grid];
    const mn_real *dy = nas_slot(run, run->model->acts[s->act].dx) + s->first * size->grid.channel;
    const int n = nas_jobs_of(run, layer);
    struct nas_chunk chunk = {.n = 0};
    while (nas_chunk_next(run, size, n, &chunk)) {
        chunk_backward(run, layer, &chunk, dy);
    }
}
