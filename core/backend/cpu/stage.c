/* SPDX-License-Identifier: MIT */
#include "backend/cpu/stage.h"

#include <math.h>

int nas_block_at(const struct nas_run *run, const struct nas_size *size, int i,
                 struct nas_block *out) {
    out->n0 = i * size->n_block;
    if (out->n0 >= run->n) {
        return 0;
    }
    out->n = run->n - out->n0 < size->n_block ? run->n - out->n0 : size->n_block;
    out->len = (out->n - 1) * size->grid.image + size->grid.span;
    return 1;
}

struct nas_block nas_block_all(const struct nas_run *run, const struct nas_size *size) {
    return (struct nas_block){.n = run->n,
                              .len = (run->n - 1) * size->grid.image + size->grid.span};
}

struct nas_view nas_tensor_view(const struct nas_run *run, const struct nas_size *size, int slot,
                                const struct nas_block *block) {
    return (struct nas_view){nas_slot(run, slot) + block->n0 * size->grid.image,
                             size->grid.channel};
}

struct nas_view nas_temp_view(const struct nas_run *run, const struct nas_size *size,
                              enum nas_temp temp) {
    return (struct nas_view){run->ws->reals + size->temp[temp], size->block.channel};
}

struct nas_view nas_source_view(const struct nas_source *source, const struct nas_block *block) {
    return (struct nas_view){source->x + block->n0 * source->image, source->channel};
}

/* ---- the paths of a node ------------------------------------------------------------------ */

static double item_weight(const struct nas_run *run, int mixture, int item) {
    return mixture < 0 ? 1 : run->ws->item[run->model->item0[mixture] + item];
}

static double path_weight(const struct nas_run *run, const struct nas_layer *layer, int e, int p) {
    const struct nas_edge *edge = &layer->edges[e];
    return edge->weight * item_weight(run, layer->mixture, e) *
           (p < edge->n_ops ? item_weight(run, edge->mixture, p) : 1);
}

int nas_jobs_of(struct nas_run *run, const struct nas_layer *layer) {
    const int most = run->model->most_channels;
    int n = 0;
    for (int e = 0; e < layer->n_edges; e++) {
        for (int p = 0; p < layer->edges[e].n_paths; p++) {
            const struct nas_path *path = &layer->edges[e].paths[p];
            if (path->none || !nas_mix_computed(run->ws, layer, e, p)) {
                continue;
            }
            mn_real *coef = run->ws->job_coef + (ptrdiff_t)n * 2 * most;
            double *sums = run->ws->job_sums + (ptrdiff_t)n * 2 * most;
            run->ws->jobs[n++] = (struct nas_job){.path = path,
                                                  .edge = e,
                                                  .item = p,
                                                  .weight = path_weight(run, layer, e, p),
                                                  .source = nas_source_of(run, path),
                                                  .scale = coef,
                                                  .shift = coef + most,
                                                  .sum_g = sums,
                                                  .sum_gx = sums + most};
        }
    }
    return n;
}

/* Outputs of a chunk; two workers share the cache. */
enum { CHUNK_BYTES = 8 << 20 };

static int64_t output_bytes(const struct nas_run *run, const struct nas_size *size,
                            const struct nas_path *path) {
    return path->n_stages * path->channels * run->n * size->grid.image * (int64_t)sizeof(mn_real);
}

int nas_run_stopped(struct nas_run *run) {
    if (run->status == MN_OK && nas_cancel_signal() != 0) {
        run->status = mn_fail(run->ctx, MN_CANCELLED, "stopped by the user");
    }
    return run->status != MN_OK;
}

int nas_chunk_next(struct nas_run *run, const struct nas_size *size, int n_jobs,
                   struct nas_chunk *at) {
    struct nas_job *end = run->ws->jobs + n_jobs,
                   *job = at->n == 0 ? run->ws->jobs : at->jobs + at->n;
    int64_t bytes = 0;
    at->jobs = job;
    if (nas_run_stopped(run)) {
        return 0;
    }
    for (at->n = 0; job < end && job->edge == at->jobs->edge; job++, at->n++) {
        bytes += output_bytes(run, size, job->path);
        if (at->n > 0 && bytes > CHUNK_BYTES) {
            break;
        }
    }
    return at->n > 0;
}

struct nas_view nas_group_view(const struct nas_size *size, const struct nas_layer *layer,
                               const mn_real *node, int group, const struct nas_block *block) {
    const ptrdiff_t channel = size->grid.channel;
    return (struct nas_view){(mn_real *)node + group * channel + block->n0 * size->grid.image,
                             layer->groups * channel};
}

int nas_group_channels(const struct nas_run *run, const struct nas_layer *layer) {
    return run->model->states[layer->state].channels / layer->groups;
}

int nas_path_has_norm(const struct nas_path *path) {
    return path->n_stages > 0 && path->stage[0].has_norm;
}

int nas_sums_wanted(const struct nas_layer *layer, const struct nas_path *path) {
    return nas_path_has_norm(path) || layer->mixture >= 0;
}

struct nas_view nas_job_output(const struct nas_run *run, const struct nas_job *job,
                               const struct nas_size *size, const struct nas_block *block) {
    const struct nas_path *path = job->path;
    return path->n_stages == 0
               ? nas_source_view(&job->source, block)
               : nas_tensor_view(run, size, path->stage[path->n_stages - 1].y, block);
}

/* ---- batch norm --------------------------------------------------------------------------- */

void nas_norm_affine(const struct nas_run *run, const struct nas_path *path,
                     const struct nas_stage *stage, double weight, mn_real *scale, mn_real *shift) {
    const int n = path->channels;
    const mn_real *mean = run->ws->norm + stage->stats, *variance = mean + n;
    const mn_real *gamma = stage->gamma < 0 ? NULL : run->w + stage->gamma;
    for (int c = 0; c < n; c++) {
        const double g = gamma == NULL ? 1 : (double)gamma[c];
        const double b = gamma == NULL ? 0 : (double)gamma[n + c];
        const double s = weight * g / sqrt((double)variance[c] + NAS_NORM_EPS);
        scale[c] = (mn_real)s;
        shift[c] = (mn_real)(weight * b - s * (double)mean[c]);
    }
}

void nas_stage_hidden(struct nas_run *run, const struct nas_path *path,
                      const struct nas_block *block) {
    const struct nas_size *size = &run->model->sizes[path->grid];
    const struct nas_stage *stage = &path->stage[0];
    const struct nas_view y = nas_tensor_view(run, size, stage->y, block);
    const struct nas_view z = nas_temp_view(run, size, NAS_TEMP_Z);
    const mn_real *scale = run->ws->hidden + stage->stats;
    run->k->affine(path->channels, scale, scale + path->channels, y.at, y.stride, z.at, z.stride,
                   block->len, size->grid.mask, size->grid.image, 1);
}

int nas_path_drops(const struct nas_run *run, const struct nas_path *path) {
    return run->dropping && path->op != NULL && !path->identity;
}

const mn_real *nas_drop_factors(const struct nas_run *run, const struct nas_path *path) {
    return nas_path_drops(run, path)
               ? run->ws->drop + (int64_t)path->index * run->model->dims.max_batch
               : NULL;
}

double nas_drop_factor(const struct nas_run *run, const struct nas_path *path, int n) {
    const mn_real *factors = nas_drop_factors(run, path);
    return factors == NULL ? 1 : (double)factors[n];
}
