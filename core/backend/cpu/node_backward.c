/* SPDX-License-Identifier: MIT */
/* An edge backward, a chunk of its paths at a time: one pass over the node's gradient and their
 * outputs gives what batch norm and the mixture need; then their maps block by block, so that the
 * gradient of the source stays in the cache while they add to it. */
#include "backend/cpu/maps.h"
#include "backend/cpu/node.h"
#include "backend/cpu/ops.h"
#include "network/mixture.h"

#include <math.h>
#include <string.h>

/* ---- sums over the batch ------------------------------------------------------------------ */

static void clear_sums(const struct nas_job *job) {
    const size_t bytes = (size_t)job->path->channels * sizeof *job->sum_g;
    memset(job->sum_g, 0, bytes);
    memset(job->sum_gx, 0, bytes);
}

static void all_sums(struct nas_run *run, const struct nas_cpu_op *op,
                     const struct nas_chunk *chunk, const mn_real *dy) {
    const struct nas_cpu_size *size = nas_size_of(run, op);
    const struct nas_block all = nas_block_all(run, &size->grid);
    struct nas_product *terms = run->lane->products;
    for (int j = 0; j < chunk->n; j++) {
        clear_sums(&chunk->jobs[j]);
    }
    for (int group = 0; group < op->layer->groups; group++) {
        const struct nas_view g = nas_group_view(size, op->layer, dy, group, &all);
        int n_terms = 0;
        for (int j = 0; j < chunk->n; j++) {
            const struct nas_job *job = &chunk->jobs[j];
            const struct nas_path *path = job->path;
            if (path->out_first != group || !job->use->path->sums) {
                continue;
            }
            const struct nas_view y = nas_job_output(run, job, size, &all);
            terms[n_terms++] = (struct nas_product){
                .x = y.at,
                .xs = y.stride,
                .centre = nas_path_has_norm(path)
                              ? run->lane->norm + path->stage[path->n_stages - 1].stats
                              : NULL,
                .factor = nas_drop_factors(run, path),
                .sum_g = job->sum_g,
                .sum = job->sum_gx};
        }
        if (n_terms > 0) {
            run->k->products(nas_group_channels(run, op->layer), n_terms, terms, g.at, g.stride,
                             all.len, size->grid.image);
        }
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
    mn_real *a = run->lane->back + stage->stats / 2 * 3;
    return (struct coefficients){a, a + path->channels, a + 2 * path->channels};
}

/* Coefficients; gradients of the affine part and of the bias; returns <g, output>. */
static double settle_norm(struct nas_run *run, const struct nas_job *job,
                          const struct nas_stage *stage, double weight) {
    const int n = job->path->channels;
    const struct nas_grid *grid = &run->plan->sizes[job->path->size].grid;
    const struct coefficients k = coefficients_of(run, job->path, stage);
    const double pixels = (double)run->n * grid->h * grid->w;
    const mn_real *mean = run->lane->norm + stage->stats, *variance = mean + n;
    const mn_real *gamma = stage->gamma < 0 ? NULL : run->w + stage->gamma;
    const int batch = run->pass->options->stats == NULL;
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
    if (nas_path_has_norm(path)) {
        return settle_norm(run, job, &path->stage[path->n_stages - 1], job->weight);
    }
    double product = 0;
    for (int c = 0; c < path->channels; c++) {
        product += job->sum_gx[c];
    }
    return product;
}

/* dy = a g + b y + c on one block; `factors` of its images scale a. */
static struct nas_view norm_apply(struct nas_run *run, const struct nas_path_use *use, int index,
                                  const struct nas_block *b, struct nas_view g,
                                  const mn_real *factors) {
    const struct nas_path *path = use->path->path;
    const struct nas_cpu_size *size = &run->plan->sizes[path->size];
    const struct nas_grid *grid = &size->grid;
    const struct coefficients k = coefficients_of(run, path, &path->stage[index]);
    const struct nas_view y = nas_tensor_view(run, size, use->y[index], b);
    const struct nas_view dy = nas_temp_view(run, size, NAS_TEMP_DY);
    if (factors == NULL) {
        run->k->combine(path->channels, k.a, g.at, g.stride, k.b, y.at, y.stride, k.c, dy.at,
                        dy.stride, b->len, grid->mask, grid->image);
        return dy;
    }
    mn_real *scaled = run->lane->coef;
    for (int i = 0; i < b->n; i++) {
        const ptrdiff_t at = i * grid->image;
        for (int c = 0; c < path->channels; c++) {
            scaled[c] = (mn_real)((double)factors[b->n0 + i] * (double)k.a[c]);
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
    const struct nas_cpu_size *size = &run->plan->sizes[path->size];
    const struct nas_view dy = norm_apply(run, job->use, 1, b, g, nas_drop_factors(run, path));
    const struct nas_view z = nas_stage_hidden(run, job->use, b);
    const struct nas_view dz = nas_temp_view(run, size, NAS_TEMP_DZ);
    const struct nas_view to = nas_tensor_view(run, size, job->use->y[1], b);
    const struct nas_view y = nas_tensor_view(run, size, job->use->y[0], b);
    const struct nas_flow flow = {.g = dy, .x = z, .dx = dz, .dx_mask = size->grid.mask};
    const struct nas_product product = {.x = y.at,
                                        .xs = y.stride,
                                        .centre = run->lane->norm + path->stage[0].stats,
                                        .sum_g = job->sum_g,
                                        .sum = job->sum_gx};
    nas_maps_backward(run, job->use, 1, size, b, &flow);
    run->k->relu_dx(path->channels, z.at, z.stride, dz.at, dz.stride, to.at, to.stride, b->len, 0);
    run->k->products(path->channels, 1, &product, to.at, to.stride, b->len, size->grid.image);
}

static void second_stages(struct nas_run *run, const struct nas_cpu_op *op,
                          const struct nas_chunk *chunk, const mn_real *dy) {
    const struct nas_cpu_size *size = nas_size_of(run, op);
    struct nas_block b;
    for (int j = 0; j < chunk->n; j++) {
        const struct nas_job *job = &chunk->jobs[j];
        if (job->path->n_stages < 2 || job->weight == 0) {
            continue;
        }
        clear_sums(job);
        for (int i = 0; nas_block_at(run, size, i, &b); i++) {
            second_block(run, job, &b,
                         nas_group_view(size, op->layer, dy, job->path->out_first, &b));
        }
        settle_norm(run, job, &job->path->stage[0], 1);
    }
}

/* ---- first stages ------------------------------------------------------------------------- */

/* The gradient of the first stage's output. */
static struct nas_view first_gradient(struct nas_run *run, const struct nas_job *job,
                                      const struct nas_cpu_size *size, const struct nas_block *b,
                                      struct nas_view g) {
    const struct nas_path *path = job->path;
    if (path->n_stages == 2) {
        return norm_apply(run, job->use, 0, b, nas_tensor_view(run, size, job->use->y[1], b), NULL);
    }
    if (path->stage[0].has_norm) {
        return norm_apply(run, job->use, 0, b, g, nas_drop_factors(run, path));
    }
    if (job->weight == 1) {
        return g;
    }
    const struct nas_view dy = nas_temp_view(run, size, NAS_TEMP_DY);
    run->k->axpy(path->channels, (mn_real)job->weight, g.at, g.stride, dy.at, dy.stride, b->len, 0);
    return dy;
}

static void first_block(struct nas_run *run, const struct nas_cpu_op *op, const struct nas_job *job,
                        const struct nas_block *b, const mn_real *dy) {
    const struct nas_path *path = job->path;
    const struct nas_source *source = &job->source;
    const struct nas_cpu_size *size = &run->plan->sizes[path->size];
    const struct nas_view g = nas_group_view(size, op->layer, dy, path->out_first, b);
    mn_real *dx = source->dx == NULL ? NULL : source->dx + b->n0 * source->image;
    if (path->n_stages == 0) {
        if (dx != NULL) {
            run->k->axpy(path->channels, (mn_real)job->weight, g.at, g.stride, dx, source->channel,
                         b->len, job->accumulate);
        }
        return;
    }
    const struct nas_flow flow = {.g = first_gradient(run, job, size, b, g),
                                  .x = nas_source_view(source, b),
                                  .dx = {dx, source->channel},
                                  .phase = source->phase,
                                  .accumulate = job->accumulate,
                                  .dx_mask = job->use->path->strided ? NULL : size->grid.mask};
    nas_maps_backward(run, job->use, 0, size, b, &flow);
}

/* Those that can write the source's gradient go first, so that it needs no clearing. */
static int comes_next(const struct nas_job *job, int adds) {
    return job->weight != 0 && nas_gradient_adds(job->path) == adds;
}

static void first_stages(struct nas_run *run, const struct nas_cpu_op *op,
                         const struct nas_chunk *chunk, const mn_real *dy) {
    struct nas_block b;
    for (int adds = 0; adds < 2; adds++) {
        for (int j = 0; j < chunk->n; j++) {
            if (comes_next(&chunk->jobs[j], adds)) {
                chunk->jobs[j].accumulate = nas_gradient_begin(run, chunk->jobs[j].use);
            }
        }
    }
    for (int i = 0; nas_block_at(run, nas_size_of(run, op), i, &b); i++) {
        for (int adds = 0; adds < 2; adds++) {
            for (int j = 0; j < chunk->n; j++) {
                if (comes_next(&chunk->jobs[j], adds)) {
                    first_block(run, op, &chunk->jobs[j], &b, dy);
                }
            }
        }
    }
}

/* The paths that were computed for their weight's gradient only end with the sums. */
void nas_op_edge_backward(struct nas_run *run, const struct nas_cpu_op *op) {
    const mn_real *dy = nas_tensor_of_state(run, op->from, op->state);
    const int n = nas_jobs_of(run, op);
    struct nas_chunk chunk = {.n = 0};
    while (nas_chunk_next(run, nas_size_of(run, op), n, &chunk)) {
        all_sums(run, op, &chunk, dy);
        for (int j = 0; j < chunk.n; j++) {
            const struct nas_job *job = &chunk.jobs[j];
            const struct nas_cpu_path *p = job->use->path;
            nas_mix_gradient(run->pass->mix, p->layer, p->edge, p->item, settle(run, job));
            for (int s = 0; job->weight != 0 && s < job->path->n_stages; s++) {
                nas_maps_pack_back(run, p, s);
            }
        }
        second_stages(run, op, &chunk, dy);
        first_stages(run, op, &chunk, dy);
    }
}
