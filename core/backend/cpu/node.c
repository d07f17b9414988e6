/* SPDX-License-Identifier: MIT */
/* An edge of a node, a chunk of its paths at a time. Forward: their stages block by block while the
 * source is in the cache, a barrier for the batch's statistics, then their mixture in one pass.
 * Backward: one pass over the node's gradient and their outputs gives what batch norm and the
 * mixture need; then their maps block by block, so that the gradient of the source stays in the
 * cache while they add to it. */
#include "backend/cpu/maps.h"
#include "backend/cpu/ops.h"
#include "backend/cpu/pass.h"
#include "backend/cpu/source.h"
#include "network/drop_path.h"
#include "network/mixture.h"

#include <math.h>
#include <string.h>

/* Outputs of a chunk; two workers share the cache. */
enum { CHUNK_BYTES = 8 << 20 };

/* ---- the computed paths of an edge -------------------------------------------------------- */

/* Those of an operation, in order, into the lane's jobs; returns their number. */
static int find_jobs(struct nas_run *run, const struct nas_cpu_op *op) {
    const int most = run->plan->most_channels;
    const struct nas_mix *mix = run->pass->mix;
    int n = 0;
    for (int i = 0; i < op->n_paths; i++) {
        const struct nas_path_use *use = &op->paths[i];
        const struct nas_cpu_path *p = use->path;
        if (!nas_mix_computed(mix, p->layer, p->edge, p->item)) {
            continue;
        }
        mn_real *coef = run->lane->job_coef + (ptrdiff_t)n * 2 * most;
        double *sums = run->lane->job_sums + (ptrdiff_t)n * 2 * most;
        struct nas_job *job = &run->lane->jobs[n++];
        *job = (struct nas_job){.use = use,
                                .path = p->path,
                                .weight = nas_mix_weight(mix, p->layer, p->edge, p->item),
                                .x = nas_region_of(run, use->source, p->path->source),
                                .dx = nas_region_of(run, use->d_source, p->path->source).at,
                                .drop = nas_drop_path_factors(run->model, p->path, run->pass->drop),
                                .scale = coef,
                                .shift = coef + most,
                                .sum_g = sums,
                                .sum_gx = sums + most};
        const ptrdiff_t first = p->path->first * job->x.grid->channel;
        job->x.at += first;
        job->dx += job->dx != NULL ? first : 0;
    }
    return n;
}

/* A part of them that is worked on at once: as many as let their outputs stay in the last-level
 * cache. */
struct chunk {
    struct nas_job *jobs;
    int n;
};

/* The chunk after `at` (n = 0 at first) of n_jobs; 0 = there is none, or the run is stopped. */
static int next_chunk(struct nas_run *run, const struct nas_cpu_size *size, int n_jobs,
                      struct chunk *at) {
    const struct nas_job *end = run->lane->jobs + n_jobs;
    int64_t bytes = 0;
    at->jobs = at->n == 0 ? run->lane->jobs : at->jobs + at->n;
    at->n = 0;
    if (nas_run_stopped(run)) {
        return 0;
    }
    for (const struct nas_job *job = at->jobs; job < end; job++, at->n++) {
        bytes += job->path->n_stages * job->path->channels * run->n * size->grid.image *
                 (int64_t)sizeof(mn_real);
        if (at->n > 0 && bytes > CHUNK_BYTES) {
            break;
        }
    }
    return at->n > 0;
}

/* ---- the node ----------------------------------------------------------------------------- */

/* The size of a layer's output, which is that of its paths. */
static const struct nas_cpu_size *size_of(const struct nas_run *run, const struct nas_cpu_op *op) {
    return &run->plan->sizes[run->model->states[op->state].size];
}

/* The paths of a layer lie in groups of channels of the node: `group` of `layer->groups`. */
static struct nas_view group_view(const struct nas_region *node, const struct nas_layer *layer,
                                  int group, const struct nas_block *block) {
    const ptrdiff_t channel = node->grid->channel;
    return (struct nas_view){node->at + group * channel + block->n0 * node->grid->image,
                             layer->groups * channel};
}

/* What a path gives to its node: the last stage's output before batch norm, or the source. */
static struct nas_view output_of(const struct nas_run *run, const struct nas_job *job,
                                 const struct nas_cpu_size *size, const struct nas_block *block) {
    return job->path->n_stages == 0
               ? nas_region_view(&job->x, block)
               : nas_tensor_view(run, size, job->use->y[job->path->n_stages - 1], block);
}

/* Batch norm of a stage as y * scale[c] + shift[c], times weight. */
static void norm_affine(const struct nas_run *run, const struct nas_path *path,
                        const struct nas_stage *stage, double weight, mn_real *scale,
                        mn_real *shift) {
    const int n = path->channels;
    const mn_real *mean = run->lane->norm + stage->stats, *variance = mean + n;
    const mn_real *gamma = stage->gamma < 0 ? NULL : run->w + stage->gamma;
    for (int c = 0; c < n; c++) {
        const double g = gamma == NULL ? 1 : (double)gamma[c];
        const double b = gamma == NULL ? 0 : (double)gamma[n + c];
        const double s = weight * g / sqrt((double)variance[c] + NAS_NORM_EPS);
        scale[c] = (mn_real)s;
        shift[c] = (mn_real)(weight * b - s * (double)mean[c]);
    }
}

/* z = ReLU(batch norm(y)) of the first stage, into temporary Z. */
static struct nas_view hidden(struct nas_run *run, const struct nas_path_use *use,
                              const struct nas_cpu_size *size, const struct nas_block *block) {
    const int n = use->path->path->channels;
    const struct nas_view y = nas_tensor_view(run, size, use->y[0], block);
    const struct nas_view z = nas_temp_view(run, size, NAS_TEMP_Z);
    const mn_real *scale = run->lane->hidden + use->path->path->stage[0].stats;
    run->k->affine(n, scale, scale + n, y.at, y.stride, z.at, z.stride, block->len, size->grid.mask,
                   size->grid.image, 1);
    return z;
}

/* ---- stages forward ----------------------------------------------------------------------- */

static void stage_begin(struct nas_run *run, const struct nas_job *job, int index,
                        const struct nas_grid *grid) {
    const struct nas_path *path = job->path;
    const struct nas_stage *stage = &path->stage[index];
    const struct nas_map *map = &job->use->path->map[index][0];
    nas_maps_pack(run, job->use->path, index);
    nas_tensor_begin(run, job->use->u[index], grid, map->n_parts * map->part_out);
    nas_tensor_begin(run, job->use->y[index], grid, path->channels);
    if (stage->has_norm) {
        memset(run->lane->sums + stage->stats, 0,
               2 * (size_t)path->channels * sizeof *run->lane->sums);
    }
    if (index == 1) {
        mn_real *scale = run->lane->hidden + path->stage[0].stats;
        norm_affine(run, path, &path->stage[0], 1, scale, scale + path->channels);
    }
}

/* `count` pixels came before. */
static void stage_block(struct nas_run *run, const struct nas_job *job, int index,
                        const struct nas_cpu_size *size, const struct nas_block *b, double count) {
    const struct nas_stage *stage = &job->path->stage[index];
    const int n = job->path->channels;
    nas_maps_forward(run, job->use, index, b,
                     index == 1 ? hidden(run, job->use, size, b) : nas_region_view(&job->x, b));
    if (stage->has_norm) {
        const struct nas_view y = nas_tensor_view(run, size, job->use->y[index], b);
        double *sum = run->lane->block_sums, *m2 = sum + n, *all = run->lane->sums + stage->stats;
        memset(sum, 0, 2 * (size_t)n * sizeof *sum);
        run->k->moments(n, y.at, y.stride, b->len, size->grid.mask, size->grid.image, sum, m2);
        nas_moments_merge(n, (double)b->n * size->grid.h * size->grid.w, sum, m2, &count, all,
                          all + n);
    }
}

/* Mean and variance of a stage's output: the batch's, or the ones given. A bias moves the mean. */
static void norm_forward(struct nas_run *run, const struct nas_path *path,
                         const struct nas_stage *stage, double count) {
    const int n = path->channels;
    const struct mn_pass *options = run->pass->options;
    const double *sum = run->lane->sums + stage->stats, *m2 = sum + n;
    mn_real *mean = run->lane->norm + stage->stats, *variance = mean + n;
    const mn_real *bias = stage->bias < 0 ? NULL : run->w + stage->bias;
    const mn_real *given = options->stats == NULL ? NULL : options->stats + stage->stats;
    mn_real *out = options->stats_out == NULL ? NULL : options->stats_out + stage->stats;
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

/* Stage `index` of the paths that have it. */
static void stages_forward(struct nas_run *run, const struct nas_cpu_size *size,
                           const struct chunk *chunk, int index) {
    const struct nas_job *jobs = chunk->jobs;
    double count = 0;
    struct nas_block b;
    for (int j = 0; j < chunk->n; j++) {
        if (jobs[j].path->n_stages > index) {
            stage_begin(run, &jobs[j], index, &size->grid);
        }
    }
    for (int i = 0; nas_block_at(run, size, i, &b); i++) {
        for (int j = 0; j < chunk->n; j++) {
            if (jobs[j].path->n_stages > index) {
                stage_block(run, &jobs[j], index, size, &b, count);
            }
        }
        count += (double)b.n * size->grid.h * size->grid.w;
    }
    for (int j = 0; j < chunk->n; j++) {
        if (jobs[j].path->n_stages > index && jobs[j].path->stage[index].has_norm) {
            norm_forward(run, jobs[j].path, &jobs[j].path->stage[index], count);
        }
    }
}

/* ---- forward ------------------------------------------------------------------------------ */

/* Add the paths of a chunk to the node, one group of its channels after the other. */
static void mix(struct nas_run *run, const struct nas_cpu_op *op, const struct chunk *chunk,
                const struct nas_region *node) {
    const struct nas_cpu_size *size = size_of(run, op);
    const struct nas_block all = nas_block_all(run, &size->grid);
    struct nas_term *terms = run->lane->terms;
    for (int j = 0; j < chunk->n; j++) {
        const struct nas_job *job = &chunk->jobs[j];
        if (nas_path_has_norm(job->path)) {
            norm_affine(run, job->path, &job->path->stage[job->path->n_stages - 1], job->weight,
                        job->scale, job->shift);
            continue;
        }
        for (int c = 0; c < job->path->channels; c++) {
            job->scale[c] = (mn_real)job->weight;
            job->shift[c] = 0;
        }
    }
    for (int group = 0; group < op->layer->groups; group++) {
        const struct nas_view to = group_view(node, op->layer, group, &all);
        int n_terms = 0;
        for (int j = 0; j < chunk->n; j++) {
            const struct nas_job *job = &chunk->jobs[j];
            if (job->path->out_first == group && job->weight != 0) {
                const struct nas_view from = output_of(run, job, size, &all);
                terms[n_terms++] =
                    (struct nas_term){from.at, from.stride, job->scale, job->shift, job->drop};
            }
        }
        if (n_terms > 0) {
            run->k->mix(node->channels / op->layer->groups, n_terms, terms, to.at, to.stride,
                        all.len, size->grid.mask, size->grid.image, run->lane->given[group]);
            run->lane->given[group] = 1;
        }
    }
}

void nas_op_node_begin(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_region node = nas_region_of(run, op->to, op->state);
    nas_edges_clear(run, node.grid, node.channels, node.at);
    memset(run->lane->given, 0, (size_t)op->layer->groups);
}

void nas_op_edge(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_region node = nas_region_of(run, op->to, op->state);
    const struct nas_cpu_size *size = size_of(run, op);
    const int n = find_jobs(run, op);
    struct chunk chunk = {.n = 0};
    while (next_chunk(run, size, n, &chunk)) {
        stages_forward(run, size, &chunk, 0);
        stages_forward(run, size, &chunk, 1);
        mix(run, op, &chunk, &node);
    }
}

/* Channels that no path gives to are zero. */
void nas_op_node_end(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_region node = nas_region_of(run, op->to, op->state);
    const struct nas_block all = nas_block_all(run, node.grid);
    for (int c = 0; c < node.channels; c++) {
        if (!run->lane->given[c % op->layer->groups]) {
            memset(node.at + c * node.grid->channel, 0, (size_t)all.len * sizeof *node.at);
        }
    }
}

void nas_op_recompute_norm(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_cpu_size *size = size_of(run, op);
    const struct nas_path *path = op->paths[0].path->path;
    const struct nas_block all = nas_block_all(run, &size->grid);
    const struct nas_view y = nas_tensor_view(run, size, op->paths[0].y[0], &all);
    mn_real *x = nas_tensor_at(run, op->to);
    mn_real *scale = run->lane->hidden + path->stage[0].stats, *shift = scale + path->channels;
    const struct nas_term term = {y.at, y.stride, scale, shift, NULL};
    norm_affine(run, path, &path->stage[0], 1, scale, shift);
    nas_edges_clear(run, &size->grid, path->channels, x);
    run->k->mix(path->channels, 1, &term, x, size->grid.channel, all.len, size->grid.mask,
                size->grid.image, 0);
}

void nas_op_recompute_pools(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_cpu_size *size = size_of(run, op);
    const int n = find_jobs(run, op);
    struct nas_block b;
    for (int j = 0; j < n; j++) {
        const struct nas_job *job = &run->lane->jobs[j];
        nas_tensor_begin(run, job->use->y[0], &size->grid, job->path->channels);
    }
    for (int i = 0; nas_block_at(run, size, i, &b); i++) {
        for (int j = 0; j < n; j++) {
            const struct nas_job *job = &run->lane->jobs[j];
            nas_maps_forward(run, job->use, 0, &b, nas_region_view(&job->x, &b));
        }
    }
}

/* ---- sums over the batch ------------------------------------------------------------------ */

static void clear_sums(const struct nas_job *job) {
    const size_t bytes = (size_t)job->path->channels * sizeof *job->sum_g;
    memset(job->sum_g, 0, bytes);
    memset(job->sum_gx, 0, bytes);
}

static void all_sums(struct nas_run *run, const struct nas_cpu_op *op, const struct chunk *chunk,
                     const struct nas_region *node) {
    const struct nas_cpu_size *size = size_of(run, op);
    const struct nas_block all = nas_block_all(run, &size->grid);
    struct nas_product *terms = run->lane->products;
    for (int j = 0; j < chunk->n; j++) {
        clear_sums(&chunk->jobs[j]);
    }
    for (int group = 0; group < op->layer->groups; group++) {
        const struct nas_view g = group_view(node, op->layer, group, &all);
        int n_terms = 0;
        for (int j = 0; j < chunk->n; j++) {
            const struct nas_job *job = &chunk->jobs[j];
            const struct nas_path *path = job->path;
            if (path->out_first != group || !job->use->path->sums) {
                continue;
            }
            const struct nas_view y = output_of(run, job, size, &all);
            terms[n_terms++] = (struct nas_product){
                .x = y.at,
                .xs = y.stride,
                .centre = nas_path_has_norm(path)
                              ? run->lane->norm + path->stage[path->n_stages - 1].stats
                              : NULL,
                .factor = job->drop,
                .sum_g = job->sum_g,
                .sum = job->sum_gx};
        }
        if (n_terms > 0) {
            run->k->products(node->channels / op->layer->groups, n_terms, terms, g.at, g.stride,
                             all.len, size->grid.image);
        }
    }
}

/* ---- batch norm backward ------------------------------------------------------------------ */

/* With s = gamma / sigma, xhat = (y - mean) / sigma and M pixels: dy = s (g - mean(g) - xhat
 * mean(g xhat)) for batch statistics, s g for given ones; as dy = a g + b y + c, each [channels] at
 * coefficients_of. */
static mn_real *coefficients_of(const struct nas_run *run, const struct nas_stage *stage) {
    return run->lane->back + stage->stats / 2 * 3;
}

/* Coefficients; gradients of the affine part and of the bias; returns <g, output>. */
static double norm_backward(struct nas_run *run, const struct nas_job *job,
                            const struct nas_stage *stage, double weight) {
    const int n = job->path->channels;
    const struct nas_grid *grid = &run->plan->sizes[job->path->size].grid;
    const double pixels = (double)run->n * grid->h * grid->w;
    const mn_real *mean = run->lane->norm + stage->stats, *variance = mean + n;
    const mn_real *gamma = stage->gamma < 0 ? NULL : run->w + stage->gamma;
    const int batch = run->pass->options->stats == NULL;
    mn_real *a = coefficients_of(run, stage);
    double product = 0;
    for (int c = 0; c < n; c++) {
        const double inv = 1 / sqrt((double)variance[c] + NAS_NORM_EPS);
        const double scale = gamma == NULL ? 1 : (double)gamma[c];
        const double g_xhat = job->sum_gx[c] * inv;
        const double s = weight * scale * inv;
        const double b = batch ? -s * inv * g_xhat / pixels : 0;
        a[c] = (mn_real)s;
        a[n + c] = (mn_real)b;
        a[2 * n + c] = (mn_real)(batch ? -s * job->sum_g[c] / pixels - b * (double)mean[c] : 0);
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

/* dy = a g + b y + c on one block; `factors` of its images scale a. */
static struct nas_view norm_apply(struct nas_run *run, const struct nas_path_use *use, int index,
                                  const struct nas_block *b, struct nas_view g,
                                  const mn_real *factors) {
    const struct nas_path *path = use->path->path;
    const struct nas_cpu_size *size = &run->plan->sizes[path->size];
    const struct nas_grid *grid = &size->grid;
    const int n = path->channels;
    const mn_real *a = coefficients_of(run, &path->stage[index]);
    const struct nas_view y = nas_tensor_view(run, size, use->y[index], b);
    const struct nas_view dy = nas_temp_view(run, size, NAS_TEMP_DY);
    if (factors == NULL) {
        run->k->combine(n, a, g.at, g.stride, a + n, y.at, y.stride, a + 2 * n, dy.at, dy.stride,
                        b->len, grid->mask, grid->image);
        return dy;
    }
    mn_real *scaled = run->lane->coef;
    for (int i = 0; i < b->n; i++) {
        const ptrdiff_t at = i * grid->image;
        for (int c = 0; c < n; c++) {
            scaled[c] = (mn_real)((double)factors[b->n0 + i] * (double)a[c]);
        }
        run->k->combine(n, scaled, g.at + at, g.stride, a + n, y.at + at, y.stride, a + 2 * n,
                        dy.at + at, dy.stride, grid->span, grid->mask, grid->image);
    }
    return dy;
}

/* ---- stages backward ---------------------------------------------------------------------- */

/* One block of the second stage down to the gradient of the first one's normalised output. It takes
 * the place of the second output, which nothing reads any more; its sums are those of the first. */
static void second_block(struct nas_run *run, const struct nas_job *job,
                         const struct nas_cpu_size *size, const struct nas_block *b,
                         struct nas_view g) {
    const struct nas_path *path = job->path;
    const struct nas_view dy = norm_apply(run, job->use, 1, b, g, job->drop);
    const struct nas_view z = hidden(run, job->use, size, b);
    const struct nas_view dz = nas_temp_view(run, size, NAS_TEMP_DZ);
    const struct nas_view to = nas_tensor_view(run, size, job->use->y[1], b);
    const struct nas_view y = nas_tensor_view(run, size, job->use->y[0], b);
    const struct nas_flow flow = {.g = dy, .x = z, .dx = dz, .dx_mask = size->grid.mask};
    const struct nas_product product = {.x = y.at,
                                        .xs = y.stride,
                                        .centre = run->lane->norm + path->stage[0].stats,
                                        .sum_g = job->sum_g,
                                        .sum = job->sum_gx};
    nas_maps_backward(run, job->use, 1, b, &flow);
    run->k->relu_dx(path->channels, z.at, z.stride, dz.at, dz.stride, to.at, to.stride, b->len, 0);
    run->k->products(path->channels, 1, &product, to.at, to.stride, b->len, size->grid.image);
}

static void identity_block(struct nas_run *run, const struct nas_job *job,
                           const struct nas_cpu_size *size, const struct nas_block *b,
                           struct nas_view g, struct nas_view dx) {
    const int n = job->path->channels;
    if (job->drop == NULL) {
        run->k->axpy(n, (mn_real)job->weight, g.at, g.stride, dx.at, dx.stride, b->len,
                     job->accumulate);
        return;
    }
    for (int i = 0; i < b->n; i++) {
        const ptrdiff_t at = i * size->grid.image;
        run->k->axpy(n, (mn_real)(job->weight * (double)job->drop[b->n0 + i]), g.at + at, g.stride,
                     dx.at + at, dx.stride, size->grid.span, job->accumulate);
    }
}

/* One block of the first stage, where g is the gradient of the node. */
static void first_block(struct nas_run *run, const struct nas_job *job,
                        const struct nas_cpu_size *size, const struct nas_block *b,
                        struct nas_view g) {
    const struct nas_path *path = job->path;
    const struct nas_view dx = {job->dx == NULL ? NULL : job->dx + b->n0 * job->x.grid->image,
                                job->x.grid->channel};
    if (path->n_stages == 0) {
        if (dx.at != NULL) {
            identity_block(run, job, size, b, g, dx);
        }
        return;
    }
    if (path->n_stages == 2) {
        g = norm_apply(run, job->use, 0, b, nas_tensor_view(run, size, job->use->y[1], b), NULL);
    } else if (path->stage[0].has_norm) {
        g = norm_apply(run, job->use, 0, b, g, job->drop);
    } else if (job->weight != 1) {
        const struct nas_view dy = nas_temp_view(run, size, NAS_TEMP_DY);
        run->k->axpy(path->channels, (mn_real)job->weight, g.at, g.stride, dy.at, dy.stride, b->len,
                     0);
        g = dy;
    }
    const struct nas_flow flow = {.g = g,
                                  .x = nas_region_view(&job->x, b),
                                  .dx = dx,
                                  .phase = job->x.phase,
                                  .accumulate = job->accumulate,
                                  .dx_mask = job->x.n_phases > 1 ? NULL : size->grid.mask};
    nas_maps_backward(run, job->use, 0, b, &flow);
}

static void stages_backward(struct nas_run *run, const struct nas_cpu_op *op,
                            const struct chunk *chunk, const struct nas_region *node) {
    const struct nas_cpu_size *size = size_of(run, op);
    struct nas_job **order = run->lane->order;
    struct nas_block b;
    int n = 0;
    for (int j = 0; j < chunk->n; j++) {
        const struct nas_job *job = &chunk->jobs[j];
        if (job->path->n_stages < 2 || job->weight == 0) {
            continue;
        }
        clear_sums(job);
        for (int i = 0; nas_block_at(run, size, i, &b); i++) {
            second_block(run, job, size, &b, group_view(node, op->layer, job->path->out_first, &b));
        }
        norm_backward(run, job, &job->path->stage[0], 1);
    }
    /* Those that can write the source's gradient go first, so that it needs no clearing. */
    for (int adds = 0; adds < 2; adds++) {
        for (int j = 0; j < chunk->n; j++) {
            struct nas_job *job = &chunk->jobs[j];
            if (job->weight != 0 && nas_gradient_adds(job->path) == adds) {
                job->accumulate = nas_gradient_begin(run, job->use);
                order[n++] = job;
            }
        }
    }
    for (int i = 0; nas_block_at(run, size, i, &b); i++) {
        for (int k = 0; k < n; k++) {
            first_block(run, order[k], size, &b,
                        group_view(node, op->layer, order[k]->path->out_first, &b));
        }
    }
}

/* ---- backward ----------------------------------------------------------------------------- */

/* The paths that were computed for their weight's gradient only end with the sums. */
void nas_op_edge_backward(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_region node = nas_region_of(run, op->from, op->state);
    const int n = find_jobs(run, op);
    struct chunk chunk = {.n = 0};
    while (next_chunk(run, size_of(run, op), n, &chunk)) {
        all_sums(run, op, &chunk, &node);
        for (int j = 0; j < chunk.n; j++) {
            const struct nas_job *job = &chunk.jobs[j];
            const struct nas_path *path = job->path;
            const struct nas_cpu_path *p = job->use->path;
            double product = 0; /* <g, path(source)>, the gradient of the path's weight */
            if (nas_path_has_norm(path)) {
                product = norm_backward(run, job, &path->stage[path->n_stages - 1], job->weight);
            }
            for (int c = 0; !nas_path_has_norm(path) && c < path->channels; c++) {
                product += job->sum_gx[c];
            }
            nas_mix_gradient(run->pass->mix, p->layer, p->edge, p->item, product);
            for (int s = 0; job->weight != 0 && s < path->n_stages; s++) {
                nas_maps_pack_back(run, p, s);
            }
        }
        stages_backward(run, op, &chunk, &node);
    }
}
