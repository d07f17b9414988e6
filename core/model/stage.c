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

struct mn__block mn__block_all(const struct mn__run *run, const struct mn__size *size) {
    return (struct mn__block){.n = run->n,
                              .len = (run->n - 1) * size->grid.image + size->grid.span};
}

struct mn__view mn__tensor_view(const struct mn__run *run, const struct mn__size *size, int slot,
                                const struct mn__block *block) {
    return (struct mn__view){mn__slot(run, slot) + block->n0 * size->grid.image,
                             size->grid.channel};
}

struct mn__view mn__temp_view(const struct mn__run *run, const struct mn__size *size,
                              enum mn__temp temp) {
    return (struct mn__view){run->ws->reals + size->temp[temp], size->block.channel};
}

struct mn__view mn__source_view(const struct mn__source *source, const struct mn__block *block) {
    return (struct mn__view){source->x + block->n0 * source->image, source->channel};
}

/* ---- the paths of a node ------------------------------------------------------------------ */

static double item_weight(const struct mn__run *run, int mixture, int item) {
    return mixture < 0 ? 1 : run->ws->item[run->model->item0[mixture] + item];
}

static double path_weight(const struct mn__run *run, const struct mn__layer *layer, int e, int p) {
    const struct mn__edge *edge = &layer->edges[e];
    return edge->weight * item_weight(run, layer->mixture, e) *
           (p < edge->n_ops ? item_weight(run, edge->mixture, p) : 1);
}

int mn__jobs_of(struct mn__run *run, const struct mn__layer *layer) {
    const int most = run->model->most_channels;
    int n = 0;
    for (int e = 0; e < layer->n_edges; e++) {
        for (int p = 0; p < layer->edges[e].n_paths; p++) {
            const struct mn__path *path = &layer->edges[e].paths[p];
            if (path->none || !mn__mix_computed(run->ws, layer, e, p)) {
                continue;
            }
            mn_real *coef = run->ws->job_coef + (ptrdiff_t)n * 2 * most;
            double *sums = run->ws->job_sums + (ptrdiff_t)n * 2 * most;
            run->ws->jobs[n++] = (struct mn__job){.path = path,
                                                  .edge = e,
                                                  .item = p,
                                                  .weight = path_weight(run, layer, e, p),
                                                  .source = mn__source_of(run, path),
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

static int64_t output_bytes(const struct mn__run *run, const struct mn__size *size,
                            const struct mn__path *path) {
    return path->n_stages * path->channels * run->n * size->grid.image * (int64_t)sizeof(mn_real);
}

int mn__run_stopped(struct mn__run *run) {
    if (run->status == MN_OK && mn__cancel_signal() != 0) {
        run->status = mn_fail(run->cx, MN_CANCELLED, "stopped by the user");
    }
    return run->status != MN_OK;
}

int mn__chunk_next(struct mn__run *run, const struct mn__size *size, int n_jobs,
                   struct mn__chunk *at) {
    struct mn__job *end = run->ws->jobs + n_jobs,
                   *job = at->n == 0 ? run->ws->jobs : at->jobs + at->n;
    int64_t bytes = 0;
    at->jobs = job;
    if (mn__run_stopped(run)) {
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

struct mn__view mn__group_view(const struct mn__size *size, const struct mn__layer *layer,
                               const mn_real *node, int group, const struct mn__block *block) {
    const ptrdiff_t channel = size->grid.channel;
    return (struct mn__view){(mn_real *)node + group * channel + block->n0 * size->grid.image,
                             layer->groups * channel};
}

int mn__group_channels(const struct mn__run *run, const struct mn__layer *layer) {
    return run->model->states[layer->state].channels / layer->groups;
}

int mn__path_has_norm(const struct mn__path *path) {
    return path->n_stages > 0 && path->stage[0].has_norm;
}

int mn__sums_wanted(const struct mn__layer *layer, const struct mn__path *path) {
    return mn__path_has_norm(path) || layer->mixture >= 0;
}

struct mn__view mn__job_output(const struct mn__run *run, const struct mn__job *job,
                               const struct mn__size *size, const struct mn__block *block) {
    const struct mn__path *path = job->path;
    return path->n_stages == 0
               ? mn__source_view(&job->source, block)
               : mn__tensor_view(run, size, path->stage[path->n_stages - 1].y, block);
}

/* ---- batch norm --------------------------------------------------------------------------- */

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
                      const struct mn__block *block) {
    const struct mn__size *size = &run->model->sizes[path->grid];
    const struct mn__stage *stage = &path->stage[0];
    const struct mn__view y = mn__tensor_view(run, size, stage->y, block);
    const struct mn__view z = mn__temp_view(run, size, MN__TEMP_Z);
    const mn_real *scale = run->ws->hidden + stage->stats;
    run->k->affine(path->channels, scale, scale + path->channels, y.at, y.stride, z.at, z.stride,
                   block->len, size->grid.mask, size->grid.image, 1);
}

int mn__path_drops(const struct mn__run *run, const struct mn__path *path) {
    return run->dropping && path->op != NULL && !path->identity;
}

const mn_real *mn__drop_factors(const struct mn__run *run, const struct mn__path *path) {
    return mn__path_drops(run, path)
               ? run->ws->drop + (int64_t)path->index * run->model->dims.max_batch
               : NULL;
}

double mn__drop_factor(const struct mn__run *run, const struct mn__path *path, int n) {
    const mn_real *factors = mn__drop_factors(run, path);
    return factors == NULL ? 1 : (double)factors[n];
}
