/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_PLAN_H
#define NAS_BACKEND_CPU_PLAN_H

/* How a network is computed on this processor: its maps as taps into padded tensors, the schedule
 * of a pass, and where its tensors lie. Does not change once it is made, but for `filled`. */

#include "backend/cpu/allocator.h"
#include "backend/cpu/kernels/kernel.h"
#include "backend/cpu/schedule.h"
#include "network/graph.h"

#include <pthread.h>

/* The taps that reach one phase of the source, for the way back. */
struct nas_taps {
    int n;
    int *index;     /* which taps of the map */
    ptrdiff_t *tap; /* from the source's pixel to the output's */
    size_t pack;    /* in the lane's packed weights */
};

/* Output channels of a map with taps of their own: tap t reads source + tap[t]. */
struct nas_map_part {
    int64_t weight;          /* offset in w, -1 = none */
    ptrdiff_t *tap;          /* [n_tap] */
    int *phase;              /* [n_tap] which phase of the source each tap lies in */
    size_t pack;             /* in the lane's packed weights */
    struct nas_taps back[4]; /* by phase of the source */
};

/* A linear map, and how it is reached in memory. It has two parts where it is a factorised reduce,
 * which has weights for each, and where the next map strides over rows: the even and the odd rows
 * of what that reads. */
struct nas_map {
    const struct nas_linear *linear;
    int n_tap, n_parts, part_out; /* output channels of a part */
    struct nas_map_part part[2];
    mn_real *const *planes; /* of a pool, see nas_planes */
};

/* Whether the map is made of products over channels: its weights are packed. */
static inline int nas_map_has_products(const struct nas_map *map) {
    return map->linear->kind == NAS_LINEAR_CONV || map->linear->kind == NAS_LINEAR_REDUCE;
}

struct nas_cpu_path {
    const struct nas_path *path;
    const struct nas_layer *layer;
    int edge, item; /* of the layer, of the edge */
    int strided;    /* reads the phases of its source */
    int sums;       /* the way back asks for the product of the node's gradient and its output */
    int recompute;  /* its output is not kept for the way back, but made again there */
    struct nas_map map[2][2]; /* of each stage */
};

/* Blocks of temporaries. */
enum nas_temp { NAS_TEMP_DY, NAS_TEMP_U, NAS_TEMP_DU, NAS_TEMP_Z, NAS_TEMP_DZ, NAS_TEMPS };

/* Grids of a size of images, and what hangs on them. */
struct nas_cpu_size {
    struct nas_grid grid;  /* n = plan->n */
    struct nas_grid block; /* n = images of a block; temporaries */
    int n_block;
    int temp_channels;      /* most channels of a temporary */
    size_t temp[NAS_TEMPS]; /* in the lane */
};

/* Blocks of images as operations of plugins have them, [n][channels][height][width]. */
enum nas_plain { NAS_PLAIN_X, NAS_PLAIN_Y, NAS_PLAIN_DX, NAS_PLAIN_WORK, NAS_PLAIN };

/* Which taps of a pool lie on the image: a plane for each tap (max pool), or one of mask / number
 * of taps (average pool). Pools of one form share them. */
struct nas_planes {
    const struct nas_grid *grid; /* of the output */
    struct nas_linear form;
    int in_h, in_w;
    int n;
    mn_real **plane; /* [n][image] */
    struct nas_planes *next;
};

struct nas_cpu_plan {
    const struct mn_model *model;
    struct nas_arena arena;
    const struct nas_kernels *kernels;
    int n; /* images of the largest pass */
    /* The same for larger passes without gradients, in the same memory; NULL = there are none. */
    struct nas_cpu_plan *predictions;
    int pad;                    /* rows of zeros beyond the image that taps may reach */
    int recompute;              /* what is cheap to make again is not kept for the way back */
    struct nas_cpu_size *sizes; /* [n_sizes] */
    struct nas_cpu_path *paths; /* [n_paths] */
    int *first;                 /* [n_states] where a state begins in its tensor */
    struct nas_schedule schedule;
    size_t plain[NAS_PLAIN], n_plain[NAS_PLAIN]; /* in the lane, see enum nas_plain */
    size_t n_packed; /* reals of the packed weights of an edge's paths */
    int64_t most_weights;
    int most_channels, most_jobs; /* of a path; paths of an edge */
    int most_groups;              /* of a node's channels */
    size_t n_fixed;               /* where the reals of a lane end that are held all the time */
    size_t n_reals;               /* of a lane */
    struct nas_planes *planes;
    pthread_mutex_t
        filling; /* masks and planes are filled with the first lane: what only plans a */
    int filled;  /* network does not touch them */
};

int nas_cpu_prepare(struct mn_ctx *ctx, const struct mn_model *network,
                    const struct nas_kernels *kernels, void **plan);
void nas_cpu_free(void *plan);

#endif
