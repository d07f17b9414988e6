/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_LANE_H
#define NAS_BACKEND_CPU_LANE_H

/* One thread's memory for the passes of a plan. */

#include "backend/cpu/tensor.h"

/* One computed path of an edge, while the edge is in work (node.c). */
struct nas_job {
    const struct nas_path_use *use;
    const struct nas_path *path;
    double weight;          /* 0: computed because its gradient is asked for */
    struct nas_region x;    /* the source, from the first channel that it reads */
    mn_real *dx;            /* its gradient; NULL for the images, and on the way forward */
    const mn_real *drop;    /* factors of the images under drop path, NULL = 1 */
    int accumulate;         /* backward: add to the source's gradient */
    mn_real *scale, *shift; /* [channels] its term in the node */
    double *sum_g, *sum_gx; /* [channels] over all images of g, g (y - mean) */
};

struct nas_lane {
    const struct nas_cpu_plan *plan;
    mn_real *reals; /* [n_reals] */
    size_t mapped;  /* 0: they are another lane's */
    /* For plan->predictions, in the same memory: what is there counts for one of the two. */
    struct nas_lane *predictions;
    int extent;             /* of the last pass, -1 = none, or one that failed */
    int32_t *clean;         /* [n_tensors] images whose padding is zero since then */
    uint8_t *needed;        /* [n_ops] optional operations that run */
    uint8_t *written;       /* [n_flags] channels of gradients that hold something */
    uint8_t *given;         /* [most_groups] groups of a node's channels that hold something */
    mn_real *packed;        /* [n_packed] weights of the edge in work, as the kernels want them */
    mn_real *gather;        /* [most_weights] */
    mn_real *coef;          /* [most_channels] */
    mn_real *norm;          /* [n_stats] mean and variance used by this pass */
    mn_real *hidden;        /* [n_stats] scale and shift of batch norms inside a path */
    mn_real *back;          /* [3 n_stats / 2] batch norm backwards */
    double *sums;           /* [n_stats] sum and sum of squares about the mean */
    double *block_sums;     /* [2 * most_channels] */
    struct nas_job *jobs;   /* [most_jobs] */
    struct nas_job **order; /* [most_jobs] those that go backwards */
    mn_real *job_coef;      /* [most_jobs][2][most_channels] */
    double *job_sums;       /* [most_jobs][2][most_channels] */
    struct nas_term *terms; /* [most_jobs] */
    struct nas_product *products; /* [most_jobs] */
    struct nas_arena arena;
};

int nas_lane_new(struct mn_ctx *ctx, void *plan, void **lane);
void nas_lane_free(void *lane);
size_t nas_lane_bytes(const void *plan);

#endif
