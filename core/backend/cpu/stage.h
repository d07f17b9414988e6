/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_STAGE_H
#define NAS_BACKEND_CPU_STAGE_H

/* What the forward and the backward pass through the stages of a node's paths share. */

#include "network/graph.h"

/* A run of whole images that is worked on at once. */
struct nas_block {
    int n0, n;
    ptrdiff_t len;
};

/* Block i of the pass's images; 0 = there is none. */
int nas_block_at(const struct nas_run *run, const struct nas_size *size, int i,
                 struct nas_block *out);
/* All images at once: whole channels are read and written, so that the processor fetches ahead. */
struct nas_block nas_block_all(const struct nas_run *run, const struct nas_size *size);

/* A block of a tensor: pointer and channel stride. */
struct nas_view {
    mn_real *at;
    ptrdiff_t stride;
};
struct nas_view nas_tensor_view(const struct nas_run *run, const struct nas_size *size, int slot,
                                const struct nas_block *block);
/* Temporaries hold one block. */
enum nas_temp { NAS_TEMP_DY, NAS_TEMP_U, NAS_TEMP_DU, NAS_TEMP_Z, NAS_TEMP_DZ };
struct nas_view nas_temp_view(const struct nas_run *run, const struct nas_size *size,
                              enum nas_temp temp);
struct nas_view nas_source_view(const struct nas_source *source, const struct nas_block *block);

/* One computed path of a node, while the node runs. */
struct nas_job {
    const struct nas_path *path;
    int edge, item; /* of the layer, of the edge */
    double weight;  /* 0: computed because its gradient is asked for */
    struct nas_source source;
    int accumulate;         /* backward: add to the source's gradient */
    mn_real *scale, *shift; /* [channels] its term in the node */
    double *sum_g, *sum_gx; /* [channels] over all images of g, g (y - mean) */
};
/* The computed paths of a layer, in order, into the workspace's jobs; returns their number. */
int nas_jobs_of(struct nas_run *run, const struct nas_layer *layer);

/* A part of a node's paths that is worked on at once: those of one edge, which share a source, as
 * many as let their outputs stay in the last-level cache. */
struct nas_chunk {
    struct nas_job *jobs;
    int n;
};
/* 1 = a signal asks to stop, or an operation has failed: run->status says so, and what is computed
 * from here on counts for nothing. Looked at between layers and chunks, since a step of a large
 * network takes longer than a signal may wait. */
int nas_run_stopped(struct nas_run *run);
/* The chunk after `at` (n = 0 at first) of n_jobs; 0 = there is none, or the run is stopped. */
int nas_chunk_next(struct nas_run *run, const struct nas_size *size, int n_jobs,
                   struct nas_chunk *at);

/* The paths of a layer lie in groups of channels of the node: `group` of `layer->groups`. */
struct nas_view nas_group_view(const struct nas_size *size, const struct nas_layer *layer,
                               const mn_real *node, int group, const struct nas_block *block);
int nas_group_channels(const struct nas_run *run, const struct nas_layer *layer);

/* What a path gives to its node: the last stage's output before batch norm, or the source. */
struct nas_view nas_job_output(const struct nas_run *run, const struct nas_job *job,
                               const struct nas_size *size, const struct nas_block *block);
int nas_path_has_norm(const struct nas_path *path);
/* Whether the way back asks for the product of the node's gradient and the path's output. */
int nas_sums_wanted(const struct nas_layer *layer, const struct nas_path *path);

/* Batch norm of a stage as y * scale[c] + shift[c], times weight. */
void nas_norm_affine(const struct nas_run *run, const struct nas_path *path,
                     const struct nas_stage *stage, double weight, mn_real *scale, mn_real *shift);
/* z = ReLU(batch norm(y)) of the first stage, into temporary Z. */
void nas_stage_hidden(struct nas_run *run, const struct nas_path *path,
                      const struct nas_block *block);

/* Factors of the images on this path under drop path, NULL = 1. */
const mn_real *nas_drop_factors(const struct nas_run *run, const struct nas_path *path);
/* That of image n. */
double nas_drop_factor(const struct nas_run *run, const struct nas_path *path, int n);
int nas_path_drops(const struct nas_run *run, const struct nas_path *path);

/* maps.c: the linear maps of a stage on one block. */
void nas_maps_pack(struct nas_run *run, const struct nas_stage *stage);
/* Taps of a max pool, see nas_kernels. */
uint8_t *nas_maps_which(const struct nas_run *run, const struct nas_stage *stage);
/* Source x to the stored y, and to u where it is stored. */
void nas_maps_forward(struct nas_run *run, const struct nas_stage *stage,
                      const struct nas_size *size, const struct nas_block *block,
                      struct nas_view x);
/* The first map's output again, where it was not stored. */
struct nas_view nas_maps_between(struct nas_run *run, const struct nas_stage *stage,
                                 const struct nas_size *size, const struct nas_block *block,
                                 struct nas_view x);

/* maps_backward.c: what reaches a linear map backwards, and where it goes. */
struct nas_flow {
    struct nas_view g;      /* gradient of the output; its padding is zero */
    struct nas_view x;      /* the input */
    struct nas_view dx;     /* gradient of the input, at NULL: not wanted */
    ptrdiff_t phase;        /* between the phases of dx */
    int accumulate;         /* add to dx */
    const mn_real *dx_mask; /* NULL: the padding of dx may be written */
};
void nas_maps_pack_back(struct nas_run *run, const struct nas_stage *stage);
/* Add to d_w, and to or into dx. */
void nas_maps_backward(struct nas_run *run, const struct nas_stage *stage,
                       const struct nas_size *size, const struct nas_block *block,
                       const struct nas_flow *flow);

/* custom_op.c: an operation of a plugin on one block. A failure goes to run->status, and the rest
 * of the pass computes nothing that counts. */
void nas_foreign_forward(struct nas_run *run, const struct nas_linear *linear,
                         const struct nas_size *size, const struct nas_block *block,
                         struct nas_view x, struct nas_view y);
void nas_foreign_backward(struct nas_run *run, const struct nas_linear *linear,
                          const struct nas_flow *flow, const struct nas_size *size,
                          const struct nas_block *block);

#endif
