/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_NODE_H
#define NAS_BACKEND_CPU_NODE_H

/* What the forward and the backward pass through a node share. */

#include "backend/cpu/source.h"

/* One computed path of an edge, while the edge is in work. */
struct nas_job {
    const struct nas_path_use *use;
    const struct nas_path *path;
    double weight; /* 0: computed because its gradient is asked for */
    struct nas_source source;
    int accumulate;         /* backward: add to the source's gradient */
    mn_real *scale, *shift; /* [channels] its term in the node */
    double *sum_g, *sum_gx; /* [channels] over all images of g, g (y - mean) */
};

/* The computed paths of an operation, in order, into the lane's jobs; returns their number. */
int nas_jobs_of(struct nas_run *run, const struct nas_cpu_op *op);

/* A part of an edge's paths that is worked on at once: as many as let their outputs stay in the
 * last-level cache. */
struct nas_chunk {
    struct nas_job *jobs;
    int n;
};
/* The chunk after `at` (n = 0 at first) of n_jobs; 0 = there is none, or the run is stopped. */
int nas_chunk_next(struct nas_run *run, const struct nas_cpu_size *size, int n_jobs,
                   struct nas_chunk *at);

/* The size of a layer's output. */
const struct nas_cpu_size *nas_size_of(const struct nas_run *run, const struct nas_cpu_op *op);
/* The paths of a layer lie in groups of channels of the node: `group` of `layer->groups`. */
struct nas_view nas_group_view(const struct nas_cpu_size *size, const struct nas_layer *layer,
                               const mn_real *node, int group, const struct nas_block *block);
int nas_group_channels(const struct nas_run *run, const struct nas_layer *layer);

/* What a path gives to its node: the last stage's output before batch norm, or the source. */
struct nas_view nas_job_output(const struct nas_run *run, const struct nas_job *job,
                               const struct nas_cpu_size *size, const struct nas_block *block);

/* Batch norm of a stage as y * scale[c] + shift[c], times weight. */
void nas_norm_affine(const struct nas_run *run, const struct nas_path *path,
                     const struct nas_stage *stage, double weight, mn_real *scale, mn_real *shift);
/* z = ReLU(batch norm(y)) of the first stage, into temporary Z. */
struct nas_view nas_stage_hidden(struct nas_run *run, const struct nas_path_use *use,
                                 const struct nas_block *block);

/* Factors of the images on a path under drop path, NULL = 1. */
const mn_real *nas_drop_factors(const struct nas_run *run, const struct nas_path *path);

#endif
