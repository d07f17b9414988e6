/* SPDX-License-Identifier: MIT */
#include "backend/cpu/stage.h"

#include <string.h>

/* A node forward, a chunk of its paths at a time: their stages block by block while the source is
 * in the cache, a barrier for the batch's statistics, then their mixture in one pass. */

/* ---- statistics --------------------------------------------------------------------------- */

/* Mean and variance of a stage's output: the batch's, or the ones given. A bias moves the mean. */
static void settle_norm(struct nas_run *run, const struct nas_path *path,
                        const struct nas_stage *stage, double count) {
    const int n = path->channels;
    const double *sum = run->ws->sums + stage->stats, *m2 = sum + n;
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

/* Merge the moments of a block's output into the stage's; `count` pixels came before. */
static void add_moments(struct nas_run *run, const struct nas_path *path,
                        const struct nas_stage *stage, const struct nas_block *b, double count) {
    const struct nas_size *size = &run->model->sizes[path->grid];
    const struct nas_view y = nas_tensor_view(run, size, stage->y, b);
    const int n = path->channels;
    double *sum = run->ws->block_sums, *m2 = sum + n, *all = run->ws->sums + stage->stats;
    memset(sum, 0, 2 * (size_t)n * sizeof *sum);
    run->k->moments(n, y.at, y.stride, b->len, size->grid.mask, size->grid.image, sum, m2);
    nas_moments_merge(n, (double)b->n * size->grid.h * size->grid.w, sum, m2, &count, all, all + n);
}

/* ---- stages ------------------------------------------------------------------------------- */

static void stage_begin(struct nas_run *run, const struct nas_path *path, int index) {
    const struct nas_stage *stage = &path->stage[index];
    const struct nas_grid *grid = &run->model->sizes[path->grid].grid;
    nas_maps_pack(run, stage);
    nas_slot_begin(run, stage->u, grid, stage->linear[0].n_out * stage->n_phase);
    nas_slot_begin(run, stage->y, grid, path->channels);
    if (stage->has_norm) {
        memset(run->ws->sums + stage->stats, 0, 2 * (size_t)path->channels * sizeof *run->ws->sums);
    }
    if (index == 1) {
        mn_real *scale = run->ws->hidden + path->stage[0].stats;
        nas_norm_affine(run, path, &path->stage[0], 1, scale, scale + path->channels);
    }
}

static void stage_block(struct nas_run *run, const struct nas_job *job, int index,
                        const struct nas_block *b, double count) {
    const struct nas_path *path = job->path;
    const struct nas_size *size = &run->model->sizes[path->grid];
    if (index == 1) {
        nas_stage_hidden(run, path, b);
    }
    nas_maps_forward(run, &path->stage[index], size, b,
                     index == 1 ? nas_temp_view(run, size, NAS_TEMP_Z)
                                : nas_source_view(&job->source, b));
    if (path->stage[index].has_norm) {
        add_moments(run, path, &path->stage[index], b, count);
    }
}

/* Stage `index` of the paths that have it. */
static void stages(struct nas_run *run, const struct nas_size *size, const struct nas_chunk *chunk,
                   int index) {
    const struct nas_job *jobs = chunk->jobs;
    const int n = chunk->n;
    double count = 0;
    struct nas_block b;
    for (int j = 0; j < n; j++) {
        if (jobs[j].path->n_stages > index) {
            stage_begin(run, jobs[j].path, index);
        }
    }
    for (int i = 0; nas_block_at(run, size, i, &b); i++) {
        for (int j = 0; j < n; j++) {
            if (jobs[j].path->n_stages > index) {
                stage_block(run, &jobs[j], index, &b, count);
            }
        }
        count += (double)b.n * size->grid.h * size->grid.w;
    }
    for (int j = 0; j < n; j++) {
        if (jobs[j].path->n_stages > index && jobs[j].path->stage[index].has_norm) {
            settle_norm(run, jobs[j].path, &jobs[j].path->stage[index], count);
        }
    }
}

/* ---- the mixture -------------------------------------------------------------------------- */

static void set_term(struct nas_run *run, const struct nas_job *job) {
    const struct nas_path *path = job->path;
    if (nas_path_has_norm(job->path)) {
        nas_norm_affine(run, path, &path->stage[path->n_stages - 1], job->weight, job->scale,
                        job->shift);
        return;
    }
    for (int c = 0; c < path->channels; c++) {
        job->scale[c] = (mn_real)job->weight;
        job->shift[c] = 0;
    }
}

/* Does a path before the chunk, or one of its own if `inside`, give to a group of channels? */
static int given(const struct nas_run *run, const struct nas_chunk *chunk, int inside, int group) {
    const struct nas_job *end = chunk->jobs + (inside ? chunk->n : 0);
    for (const struct nas_job *job = run->ws->jobs; job < end; job++) {
        if (job->weight != 0 && job->path->out_first == group) {
            return 1;
        }
    }
    return 0;
}

/* One group of the node's channels. */
static void mix_group(struct nas_run *run, const struct nas_layer *layer,
                      const struct nas_chunk *chunk, int group, mn_real *x) {
    const struct nas_size *size = &run->model->sizes[run->model->states[layer->state].grid];
    const struct nas_block all = nas_block_all(run, size);
    const struct nas_view to = nas_group_view(size, layer, x, group, &all);
    struct nas_term *terms = run->ws->terms;
    int n_terms = 0;
    for (int j = 0; j < chunk->n; j++) {
        const struct nas_job *job = &chunk->jobs[j];
        if (job->path->out_first != group || job->weight == 0) {
            continue;
        }
        const struct nas_view from = nas_job_output(run, job, size, &all);
        terms[n_terms++] = (struct nas_term){from.at, from.stride, job->scale, job->shift,
                                             nas_drop_factors(run, job->path)};
    }
    if (n_terms > 0) {
        run->k->mix(nas_group_channels(run, layer), n_terms, terms, to.at, to.stride, all.len,
                    size->grid.mask, size->grid.image, given(run, chunk, 0, group));
    }
}

static void mix(struct nas_run *run, const struct nas_layer *layer, const struct nas_chunk *chunk,
                mn_real *x) {
    for (int j = 0; j < chunk->n; j++) {
        set_term(run, &chunk->jobs[j]);
    }
    for (int group = 0; group < layer->groups; group++) {
        mix_group(run, layer, chunk, group, x);
    }
}

/* Channels that no path gives to. */
static void clear_rest(struct nas_run *run, const struct nas_layer *layer,
                       const struct nas_size *size, int n, mn_real *x) {
    const struct nas_chunk all = {run->ws->jobs, n};
    const int channels = nas_group_channels(run, layer);
    struct nas_block b;
    for (int group = 0; group < layer->groups; group++) {
        if (given(run, &all, 1, group)) {
            continue;
        }
        for (int i = 0; nas_block_at(run, size, i, &b); i++) {
            const struct nas_view to = nas_group_view(size, layer, x, group, &b);
            for (int c = 0; c < channels; c++) {
                memset(to.at + c * to.stride, 0, (size_t)b.len * sizeof *to.at);
            }
        }
    }
}

/* Its jobs are not touched: another layer may be gathering its own. */
void nas_node_again(struct nas_run *run, const struct nas_layer *layer) {
    const struct nas_cell_state *s = &run->model->states[layer->state];
    const struct nas_size *size = &run->model->sizes[s->grid];
    const struct nas_path *path = &layer->edges[0].paths[0];
    mn_real *x = nas_slot(run, run->model->acts[s->act].x);
    mn_real *scale = run->ws->hidden + path->stage[0].stats, *shift = scale + path->channels;
    const struct nas_block all = nas_block_all(run, size);
    const struct nas_view y = nas_tensor_view(run, size, path->stage[0].y, &all);
    const struct nas_term term = {y.at, y.stride, scale, shift, NULL};
    nas_norm_affine(run, path, &path->stage[0], 1, scale, shift);
    nas_edges_clear(run, &size->grid, path->channels, x);
    run->k->mix(path->channels, 1, &term, x, size->grid.channel, all.len, size->grid.mask,
                size->grid.image, 0);
}

void nas_node_forward(struct nas_run *run, const struct nas_layer *layer) {
    const struct nas_cell_state *s = &run->model->states[layer->state];
    const struct nas_size *size = &run->model->sizes[s->grid];
    mn_real *x = nas_slot(run, run->model->acts[s->act].x) + s->first * size->grid.channel;
    nas_edges_clear(run, &size->grid, s->channels, x);
    const int n = nas_jobs_of(run, layer);
    struct nas_chunk chunk = {.n = 0};
    while (nas_chunk_next(run, size, n, &chunk)) {
        stages(run, size, &chunk, 0);
        stages(run, size, &chunk, 1);
        mix(run, layer, &chunk, x);
    }
    clear_rest(run, layer, size, n, x);
}
