/* SPDX-License-Identifier: MIT */
#include "backend/cpu/node.h"

#include "network/drop_path.h"
#include "network/mixture.h"

#include <math.h>

int nas_jobs_of(struct nas_run *run, const struct nas_cpu_op *op) {
    const int most = run->plan->most_channels;
    const struct nas_mix *mix = run->pass->mix;
    int n = 0;
    for (int i = 0; i < op->n_paths; i++) {
        const struct nas_path_use *use = &op->paths[i];
        const struct nas_cpu_path *p = use->path;
        if (nas_mix_computed(mix, p->layer, p->edge, p->item)) {
            mn_real *coef = run->lane->job_coef + (ptrdiff_t)n * 2 * most;
            double *sums = run->lane->job_sums + (ptrdiff_t)n * 2 * most;
            run->lane->jobs[n++] =
                (struct nas_job){.use = use,
                                 .path = p->path,
                                 .weight = nas_mix_weight(mix, p->layer, p->edge, p->item),
                                 .source = nas_source_of(run, use),
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

int nas_chunk_next(struct nas_run *run, const struct nas_cpu_size *size, int n_jobs,
                   struct nas_chunk *at) {
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

const struct nas_cpu_size *nas_size_of(const struct nas_run *run, const struct nas_cpu_op *op) {
    return &run->plan->sizes[run->model->states[op->state].size];
}

struct nas_view nas_group_view(const struct nas_cpu_size *size, const struct nas_layer *layer,
                               const mn_real *node, int group, const struct nas_block *block) {
    const ptrdiff_t channel = size->grid.channel;
    return (struct nas_view){(mn_real *)node + group * channel + block->n0 * size->grid.image,
                             layer->groups * channel};
}

int nas_group_channels(const struct nas_run *run, const struct nas_layer *layer) {
    return run->model->states[layer->state].channels / layer->groups;
}

struct nas_view nas_job_output(const struct nas_run *run, const struct nas_job *job,
                               const struct nas_cpu_size *size, const struct nas_block *block) {
    return job->path->n_stages == 0
               ? nas_source_view(&job->source, block)
               : nas_tensor_view(run, size, job->use->y[job->path->n_stages - 1], block);
}

void nas_norm_affine(const struct nas_run *run, const struct nas_path *path,
                     const struct nas_stage *stage, double weight, mn_real *scale, mn_real *shift) {
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

struct nas_view nas_stage_hidden(struct nas_run *run, const struct nas_path_use *use,
                                 const struct nas_block *block) {
    const struct nas_path *path = use->path->path;
    const struct nas_cpu_size *size = &run->plan->sizes[path->size];
    const struct nas_view y = nas_tensor_view(run, size, use->y[0], block);
    const struct nas_view z = nas_temp_view(run, size, NAS_TEMP_Z);
    const mn_real *scale = run->lane->hidden + path->stage[0].stats;
    run->k->affine(path->channels, scale, scale + path->channels, y.at, y.stride, z.at, z.stride,
                   block->len, size->grid.mask, size->grid.image, 1);
    return z;
}

const mn_real *nas_drop_factors(const struct nas_run *run, const struct nas_path *path) {
    return nas_drop_path_factors(run->model, path, run->pass->drop);
}
