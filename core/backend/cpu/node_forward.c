/* SPDX-License-Identifier: MIT */
/* An edge forward, a chunk of its paths at a time: their stages block by block while the source is
 * in the cache, a barrier for the batch's statistics, then their mixture in one pass. */
#include "backend/cpu/maps.h"
#include "backend/cpu/node.h"
#include "backend/cpu/ops.h"

#include <string.h>

/* ---- stages ------------------------------------------------------------------------------- */

static void stage_begin(struct nas_run *run, const struct nas_job *job, int index) {
    const struct nas_path *path = job->path;
    const struct nas_stage *stage = &path->stage[index];
    const struct nas_grid *grid = &run->plan->sizes[path->size].grid;
    nas_maps_pack(run, job->use->path, index);
    nas_tensor_begin(run, job->use->u[index], grid,
                     stage->linear[0].n_out * job->use->path->n_phase[index]);
    nas_tensor_begin(run, job->use->y[index], grid, path->channels);
    if (stage->has_norm) {
        memset(run->lane->sums + stage->stats, 0,
               2 * (size_t)path->channels * sizeof *run->lane->sums);
    }
    if (index == 1) {
        mn_real *scale = run->lane->hidden + path->stage[0].stats;
        nas_norm_affine(run, path, &path->stage[0], 1, scale, scale + path->channels);
    }
}

/* `count` pixels came before. */
static void stage_block(struct nas_run *run, const struct nas_job *job, int index,
                        const struct nas_block *b, double count) {
    const struct nas_stage *stage = &job->path->stage[index];
    const struct nas_cpu_size *size = &run->plan->sizes[job->path->size];
    const int n = job->path->channels;
    nas_maps_forward(run, job->use, index, size, b,
                     index == 1 ? nas_stage_hidden(run, job->use, b)
                                : nas_source_view(&job->source, b));
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
static void settle_norm(struct nas_run *run, const struct nas_path *path,
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
static void stages(struct nas_run *run, const struct nas_cpu_size *size,
                   const struct nas_chunk *chunk, int index) {
    const struct nas_job *jobs = chunk->jobs;
    double count = 0;
    struct nas_block b;
    for (int j = 0; j < chunk->n; j++) {
        if (jobs[j].path->n_stages > index) {
            stage_begin(run, &jobs[j], index);
        }
    }
    for (int i = 0; nas_block_at(run, size, i, &b); i++) {
        for (int j = 0; j < chunk->n; j++) {
            if (jobs[j].path->n_stages > index) {
                stage_block(run, &jobs[j], index, &b, count);
            }
        }
        count += (double)b.n * size->grid.h * size->grid.w;
    }
    for (int j = 0; j < chunk->n; j++) {
        if (jobs[j].path->n_stages > index && jobs[j].path->stage[index].has_norm) {
            settle_norm(run, jobs[j].path, &jobs[j].path->stage[index], count);
        }
    }
}

/* ---- the mixture -------------------------------------------------------------------------- */

static void set_term(struct nas_run *run, const struct nas_job *job) {
    const struct nas_path *path = job->path;
    if (nas_path_has_norm(path)) {
        nas_norm_affine(run, path, &path->stage[path->n_stages - 1], job->weight, job->scale,
                        job->shift);
        return;
    }
    for (int c = 0; c < path->channels; c++) {
        job->scale[c] = (mn_real)job->weight;
        job->shift[c] = 0;
    }
}

/* Add the paths of a chunk to the node, one group of its channels after the other. */
static void mix(struct nas_run *run, const struct nas_cpu_op *op, const struct nas_chunk *chunk,
                mn_real *x) {
    const struct nas_cpu_size *size = nas_size_of(run, op);
    const struct nas_block all = nas_block_all(run, &size->grid);
    struct nas_term *terms = run->lane->terms;
    for (int j = 0; j < chunk->n; j++) {
        set_term(run, &chunk->jobs[j]);
    }
    for (int group = 0; group < op->layer->groups; group++) {
        const struct nas_view to = nas_group_view(size, op->layer, x, group, &all);
        int n_terms = 0;
        for (int j = 0; j < chunk->n; j++) {
            const struct nas_job *job = &chunk->jobs[j];
            if (job->path->out_first == group && job->weight != 0) {
                const struct nas_view from = nas_job_output(run, job, size, &all);
                terms[n_terms++] = (struct nas_term){from.at, from.stride, job->scale, job->shift,
                                                     nas_drop_factors(run, job->path)};
            }
        }
        if (n_terms > 0) {
            run->k->mix(nas_group_channels(run, op->layer), n_terms, terms, to.at, to.stride,
                        all.len, size->grid.mask, size->grid.image, run->lane->given[group]);
            run->lane->given[group] = 1;
        }
    }
}

/* ---- operations --------------------------------------------------------------------------- */

void nas_op_node_begin(struct nas_run *run, const struct nas_cpu_op *op) {
    nas_edges_clear(run, &nas_size_of(run, op)->grid, run->model->states[op->state].channels,
                    nas_tensor_of_state(run, op->to, op->state));
    memset(run->lane->given, 0, (size_t)op->layer->groups);
}

void nas_op_edge(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_cpu_size *size = nas_size_of(run, op);
    mn_real *x = nas_tensor_of_state(run, op->to, op->state);
    const int n = nas_jobs_of(run, op);
    struct nas_chunk chunk = {.n = 0};
    while (nas_chunk_next(run, size, n, &chunk)) {
        stages(run, size, &chunk, 0);
        stages(run, size, &chunk, 1);
        mix(run, op, &chunk, x);
    }
}

/* Channels that no path gives to are zero. */
void nas_op_node_end(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_cpu_size *size = nas_size_of(run, op);
    const struct nas_block all = nas_block_all(run, &size->grid);
    for (int group = 0; group < op->layer->groups; group++) {
        const struct nas_view to = nas_group_view(
            size, op->layer, nas_tensor_of_state(run, op->to, op->state), group, &all);
        for (int c = 0; !run->lane->given[group] && c < nas_group_channels(run, op->layer); c++) {
            memset(to.at + c * to.stride, 0, (size_t)all.len * sizeof *to.at);
        }
    }
}

void nas_op_recompute_norm(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_cpu_size *size = nas_size_of(run, op);
    const struct nas_path *path = op->paths[0].path->path;
    const struct nas_block all = nas_block_all(run, &size->grid);
    const struct nas_view y = nas_tensor_view(run, size, op->paths[0].y[0], &all);
    mn_real *x = nas_tensor_at(run, op->to);
    mn_real *scale = run->lane->hidden + path->stage[0].stats, *shift = scale + path->channels;
    const struct nas_term term = {y.at, y.stride, scale, shift, NULL};
    nas_norm_affine(run, path, &path->stage[0], 1, scale, shift);
    nas_edges_clear(run, &size->grid, path->channels, x);
    run->k->mix(path->channels, 1, &term, x, size->grid.channel, all.len, size->grid.mask,
                size->grid.image, 0);
}

void nas_op_recompute_pools(struct nas_run *run, const struct nas_cpu_op *op) {
    const struct nas_cpu_size *size = nas_size_of(run, op);
    const int n = nas_jobs_of(run, op);
    struct nas_block b;
    for (int j = 0; j < n; j++) {
        const struct nas_job *job = &run->lane->jobs[j];
        nas_tensor_begin(run, job->use->y[0], &size->grid, job->path->channels);
    }
    for (int i = 0; nas_block_at(run, size, i, &b); i++) {
        for (int j = 0; j < n; j++) {
            const struct nas_job *job = &run->lane->jobs[j];
            nas_maps_forward(run, job->use, 0, size, &b, nas_source_view(&job->source, &b));
        }
    }
}
