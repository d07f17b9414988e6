/* SPDX-License-Identifier: MIT */
#ifndef MN__MODEL_STAGE_H
#define MN__MODEL_STAGE_H

/* What the forward and the backward pass through the stages of a node's paths share. */

#include "model/graph.h"

/* A run of whole images that is worked on at once. */
struct mn__block {
    int n0, n;
    ptrdiff_t len;
};

/* Block i of the pass's images; 0 = there is none. */
int mn__block_at(const struct mn__run *run, const struct mn__size *size, int i,
                 struct mn__block *out);
/* All images at once: whole channels are read and written, so that the processor fetches ahead. */
struct mn__block mn__block_all(const struct mn__run *run, const struct mn__size *size);

/* A block of a tensor: pointer and channel stride. */
struct mn__view {
    mn_real *at;
    ptrdiff_t stride;
};
struct mn__view mn__tensor_view(const struct mn__run *run, const struct mn__size *size, int slot,
                                const struct mn__block *block);
/* Temporaries hold one block. */
enum mn__temp { MN__TEMP_DY, MN__TEMP_U, MN__TEMP_DU, MN__TEMP_Z, MN__TEMP_DZ };
struct mn__view mn__temp_view(const struct mn__run *run, const struct mn__size *size,
                              enum mn__temp temp);
struct mn__view mn__source_view(const struct mn__source *source, const struct mn__block *block);

/* One computed path of a node, while the node runs. */
struct mn__job {
    const struct mn__path *path;
    int edge, item; /* of the layer, of the edge */
    double weight;  /* 0: computed because its gradient is asked for */
    struct mn__source source;
    int accumulate;         /* backward: add to the source's gradient */
    mn_real *scale, *shift; /* [channels] its term in the node */
    double *sum_g, *sum_gx; /* [channels] over all images of g, g (y - mean) */
};
/* The computed paths of a layer, in order, into the workspace's jobs; returns their number. */
int mn__jobs_of(struct mn__run *run, const struct mn__layer *layer);

/* A part of a node's paths that is worked on at once: those of one edge, which share a source, as
 * many as let their outputs stay in the last-level cache. */
struct mn__chunk {
    struct mn__job *jobs;
    int n;
};
/* 1 = a signal asks to stop, or an operation has failed: run->status says so, and what is computed
 * from here on counts for nothing. Looked at between layers and chunks, since a step of a large
 * network takes longer than a signal may wait. */
int mn__run_stopped(struct mn__run *run);
/* The chunk after `at` (n = 0 at first) of n_jobs; 0 = there is none, or the run is stopped. */
int mn__chunk_next(struct mn__run *run, const struct mn__size *size, int n_jobs,
                   struct mn__chunk *at);

/* The paths of a layer lie in groups of channels of the node: `group` of `layer->groups`. */
struct mn__view mn__group_view(const struct mn__size *size, const struct mn__layer *layer,
                               const mn_real *node, int group, const struct mn__block *block);
int mn__group_channels(const struct mn__run *run, const struct mn__layer *layer);

/* What a path gives to its node: the last stage's output before batch norm, or the source. */
struct mn__view mn__job_output(const struct mn__run *run, const struct mn__job *job,
                               const struct mn__size *size, const struct mn__block *block);
int mn__path_has_norm(const struct mn__path *path);
/* Whether the way back asks for the product of the node's gradient and the path's output. */
int mn__sums_wanted(const struct mn__layer *layer, const struct mn__path *path);

/* Batch norm of a stage as y * scale[c] + shift[c], times weight. */
void mn__norm_affine(const struct mn__run *run, const struct mn__path *path,
                     const struct mn__stage *stage, double weight, mn_real *scale, mn_real *shift);
/* z = ReLU(batch norm(y)) of the first stage, into temporary Z. */
void mn__stage_hidden(struct mn__run *run, const struct mn__path *path,
                      const struct mn__block *block);

/* Factors of the images on this path under drop path, NULL = 1. */
const mn_real *mn__drop_factors(const struct mn__run *run, const struct mn__path *path);
/* That of image n. */
double mn__drop_factor(const struct mn__run *run, const struct mn__path *path, int n);
int mn__path_drops(const struct mn__run *run, const struct mn__path *path);

/* maps.c: the linear maps of a stage on one block. */
void mn__maps_pack(struct mn__run *run, const struct mn__stage *stage);
/* Taps of a max pool, see mn__kernels. */
uint8_t *mn__maps_which(const struct mn__run *run, const struct mn__stage *stage);
/* Source x to the stored y, and to u where it is stored. */
void mn__maps_forward(struct mn__run *run, const struct mn__stage *stage,
                      const struct mn__size *size, const struct mn__block *block,
                      struct mn__view x);
/* The first map's output again, where it was not stored. */
struct mn__view mn__maps_between(struct mn__run *run, const struct mn__stage *stage,
                                 const struct mn__size *size, const struct mn__block *block,
                                 struct mn__view x);

/* maps_backward.c: what reaches a linear map backwards, and where it goes. */
struct mn__flow {
    struct mn__view g;      /* gradient of the output; its padding is zero */
    struct mn__view x;      /* the input */
    struct mn__view dx;     /* gradient of the input, at NULL: not wanted */
    ptrdiff_t phase;        /* between the phases of dx */
    int accumulate;         /* add to dx */
    const mn_real *dx_mask; /* NULL: the padding of dx may be written */
};
void mn__maps_pack_back(struct mn__run *run, const struct mn__stage *stage);
/* Add to d_w, and to or into dx. */
void mn__maps_backward(struct mn__run *run, const struct mn__stage *stage,
                       const struct mn__size *size, const struct mn__block *block,
                       const struct mn__flow *flow);

/* foreign.c: an operation of a plugin on one block. A failure goes to run->status, and the rest of
 * the pass computes nothing that counts. */
void mn__foreign_forward(struct mn__run *run, const struct mn__linear *linear,
                         const struct mn__size *size, const struct mn__block *block,
                         struct mn__view x, struct mn__view y);
void mn__foreign_backward(struct mn__run *run, const struct mn__linear *linear,
                          const struct mn__flow *flow, const struct mn__size *size,
                          const struct mn__block *block);

#endif
