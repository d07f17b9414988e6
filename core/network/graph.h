/* SPDX-License-Identifier: MIT */
#ifndef NAS_NETWORK_GRAPH_H
#define NAS_NETWORK_GRAPH_H

/* The built network. Every layer is a node: a weighted sum over edges of weighted sums over paths
 * (Eq. 1, 7); a plain convolution is a node of one edge with one path of weight 1. A path is one or
 * two stages, a stage one or two linear maps and a batch norm. */

#include <pthread.h>

#include "backend/cpu/allocator.h"
#include "base/arena.h"
#include "metanas/operation.h"
#include "metanas/search_space.h"
#include "network/model.h"

#define NAS_NORM_EPS 1e-5
#define NAS_NOWHERE (-1) /* no slot, no layer */

enum nas_linear_kind {
    NAS_LINEAR_CONV,
    NAS_LINEAR_DEPTHWISE,
    NAS_LINEAR_MAX_POOL,
    NAS_LINEAR_AVG_POOL,
    NAS_LINEAR_REDUCE, /* two 1x1 convolutions on two phases, concatenated */
    NAS_LINEAR_FOREIGN /* an operation that computes: on plain arrays, source at full size */
};

/* The taps that reach one phase of the source, for the way back. */
struct nas_taps {
    int n;
    int *index;     /* which taps of the map */
    ptrdiff_t *tap; /* from the source's pixel to the output's */
    size_t pack;    /* in the workspace's packed weights */
};

/* An operation of a plugin at its place. */
struct nas_foreign {
    const struct nas_instance *unit;
    struct mn_op_site site;
    struct mn_op_shape shape;
    int grid;          /* of the source */
    int64_t n_weights; /* reals */
    int saved;         /* slot: [max_batch][n_saved] */
};

/* A linear map, and how it is reached in memory: tap t of row phase p reads source + tap[p][t]. */
struct nas_linear {
    enum nas_linear_kind kind;
    int kh, kw, dilation;
    int sh, sw;      /* stride along y and x */
    int centred;     /* padding (k-1)/2 * dilation; 0 = none */
    int n_in, n_out; /* channels */
    int n_tap;
    ptrdiff_t *tap[2];
    int *phase[2];              /* which phase of the source each tap lies in */
    mn_real *const *valid;      /* pools: [n_tap] planes */
    const mn_real *share;       /* average pool: plane of mask / number of taps on the image */
    int64_t weight, weight2;    /* offsets in w; weight2 for REDUCE */
    size_t pack;                /* in the workspace's packed weights */
    struct nas_taps back[2][4]; /* by row phase of the output and phase of the source */
    struct nas_foreign *foreign;
};

struct nas_stage {
    int n_linear;
    struct nas_linear linear[2];
    int n_phase; /* row phases of the first map's output: 2 where the second strides over rows */
    int has_norm;
    int64_t bias;    /* offset in w of the convolution's bias, -1 = none */
    int64_t gamma;   /* offset in w of scale [n] and shift [n], -1 = no affine part */
    int64_t stats;   /* offset of mean [n] and variance [n] in a statistics buffer */
    int u, y, which; /* slots: after the first map (NOWHERE if it is the last or cheap to compute
                        again), after the last, taps of a max pool */
};

/* A candidate operation: built in (op.h), or of a plugin. */
struct nas_op {
    const char *name;
    const struct mn_operation *table;
    const void *self;                /* of a built-in one's functions */
    const struct nas_instance *unit; /* of a plugin; NULL: built in */
};

struct nas_path {
    const struct nas_op *op; /* NULL: convolution, reduce or max pool of its own layer */
    const char *name;
    int identity, none;
    int source;  /* state */
    int relu;    /* reads ReLU of the source */
    int strided; /* reads the phases of the source */
    int grid;    /* of the output */
    int channels;
    int first;     /* channel of the source where it begins to read */
    int out_first; /* its channel c is channel out_first + c * groups of the node */
    int n_stages;
    int again; /* its output is not kept for the way back, but computed again there */
    struct nas_stage stage[2];
    int index;   /* in the model: keys drop path */
    int64_t n_w; /* weights */
    double work; /* multiply-adds an image */
};

struct nas_edge {
    int n_paths;
    int n_ops; /* candidates; paths after them pass channels by, with weight 1 */
    struct nas_path *paths;
    int mixture;   /* op mixture, -1 = weights 1 */
    double weight; /* factor of all of it, mn_edge_spec.weight */
};

enum nas_layer_kind { NAS_LAYER_NODE, NAS_LAYER_CONCAT };

struct nas_layer {
    enum nas_layer_kind kind;
    const char *name;
    int state; /* output */
    int n_edges;
    struct nas_edge *edges;
    int groups;  /* of channels that paths write: mn_node_spec.partial */
    int mixture; /* input mixture, -1 = weights 1 */
    int n_parts; /* concat */
    int *parts;
    /* Steps of the pass: of the first edge forward; of folding the output's gradients; of the first
     * edge back. */
    int forward, fold, back;
};

/* A tensor of activations, its ReLU and their gradients: slots. */
struct nas_act {
    int channels, grid;
    int x, r, dx, dr;
    int again; /* the layer that makes x again on the way back; NOWHERE: x is kept */
};

/* A range of channels of an act. Stride-2 consumers read four phases of it on a half-size grid. */
struct nas_cell_state {
    int act, first, channels, grid;
    int relu; /* consumers see ReLU of it */
    int need_r, need_xp, need_rp;
    int half;             /* grid of the phases */
    int xp, rp, dxp, drp; /* slots */
    int layer;            /* that makes it, -1 = the images */
};

/* Grids and what hangs on their size. */
struct nas_size {
    struct nas_grid grid;  /* n = max_batch */
    struct nas_grid block; /* n = images of a block; temporaries */
    int n_block;
    int temp_channels; /* most channels of a temporary */
    size_t temp[5];    /* workspace: block temporaries, see enum nas_temp */
};

struct nas_head {
    const char *name;
    int from, kind;
    int64_t n_features;
    int64_t weight, bias;
    size_t features, d_features, logits, d_logits;
    int forward, back; /* steps of the pass */
};

/* Blocks of images as operations of plugins have them, [n][channels][height][width]. */
enum nas_plain { NAS_PLAIN_X, NAS_PLAIN_Y, NAS_PLAIN_DX, NAS_PLAIN_WORK, NAS_PLAIN };

/* Which taps of a pool lie on the image, a plane for each of `valid` (largest pool) or the share of
 * one in `share` (average pool). Pools of one form have one. */
struct nas_planes {
    const struct nas_grid *grid; /* of the output */
    struct nas_linear map;       /* its form */
    int in_h, in_w;
    mn_real **valid; /* [n_tap], or NULL */
    mn_real *share;  /* or NULL */
    struct nas_planes *next;
};

struct mn_model {
    struct nas_arena arena;
    const struct nas_kernels *kernels;
    const struct nas_instance *op_mixer, *input_mixer;
    struct mn_dims dims;
    int pad;
    int n_sizes;
    struct nas_size *sizes;
    int n_acts;
    struct nas_act *acts;
    int n_states;
    struct nas_cell_state *states;
    int n_layers;
    struct nas_layer *layers;
    int n_paths;
    struct nas_head head;
    struct mn_segment *segments[2]; /* of w, of a */
    double *bounds; /* [n_w_segments] initial weights: uniform bound; 0: ones; -1: zeros */
    int n_mixtures;
    struct nas_mixture *mixtures;
    int64_t *saved0; /* [n_mixtures] first real of what the mixer saves */
    int64_t *item0;  /* [n_mixtures] first item weight */
    uint8_t **holds; /* [n_mixtures] input mixtures: [choices][items] */
    int64_t n_saved, n_items, most_choices;
    double drop_path;
    int drop_ramp;
    size_t plain[NAS_PLAIN], n_plain[NAS_PLAIN]; /* workspace: see enum nas_plain */
    size_t n_packed; /* reals of the packed weights of a layer's paths */
    int64_t most_weights;
    int most_channels, most_jobs; /* of a path, of a layer */
    int again;                    /* what is cheap to make again is not kept for the way back */
    int n_slots, n_steps;
    struct nas_slot *slots;
    size_t n_fixed; /* reals of a workspace that are held all the time; slots come after them */
    size_t n_reals; /* of a workspace */
    struct nas_planes *planes;
    pthread_mutex_t filling; /* masks and planes are filled with the first workspace: what only */
    int filled;              /* plans a network does not touch them */
};

struct nas_workspace {
    const struct mn_model *model;
    mn_real *reals; /* [n_reals] */
    size_t mapped;
    int poison;             /* passes to come that check the plan: see nas_slots_poison */
    int plan;               /* of the last pass, -1 = none, checked or failed */
    int32_t *clean;         /* [n_slots] images whose padding is zero since then */
    uint8_t *ready;         /* [n_states] bits of prepared sources, see source.c */
    uint8_t **written;      /* [n_acts] [2][channels]: gradients dx and dr hold something */
    uint8_t *phased;        /* [n_states] the same bits as `ready`, for the gradients of phases */
    mn_real *packed;        /* [n_packed] weights of the layer in work, as the kernels want them */
    mn_real *gather;        /* [most_weights] */
    mn_real *coef;          /* [most_channels] */
    mn_real *hidden;        /* [n_stats] scale and shift of batch norms inside a path */
    mn_real *back;          /* [3 n_stats / 2] batch norm backwards */
    double *sums;           /* [n_stats] sum and sum of squares about the mean */
    double *block_sums;     /* [2 * most_channels] */
    struct nas_job *jobs;   /* [most_jobs] */
    mn_real *job_coef;      /* [most_jobs][2][most_channels] */
    double *job_sums;       /* [most_jobs][2][most_channels] */
    struct nas_term *terms; /* [most_jobs] */
    struct nas_product *products; /* [most_jobs] */
    mn_real
        *weights;   /* [n_choices] mixture weights as the mixer gave them, kept choices compacted */
    mn_real *mixed; /* [n_choices] after skipping, at their choice */
    mn_real *d_weights; /* [n_choices] */
    mn_real *logits;    /* [n_a] compacted */
    mn_real *d_logits;  /* [n_a] compacted */
    mn_real *saved;     /* [n_saved] */
    int32_t *kept;      /* [n_choices] compacted to choice */
    int32_t *n_kept;    /* [n_mixtures] */
    double *item;       /* [n_items] item weights */
    double *d_item;     /* [n_items] */
    uint8_t *measured;  /* [n_choices] computed at weight 0, kept choices compacted */
    uint8_t *computed;  /* [n_items] weight not 0, or measured */
    mn_real *norm;      /* [n_stats] mean and variance used by this pass */
    mn_real *drop;      /* [n_paths][max_batch] factors, when drop path is on */
    struct nas_arena arena;
};

/* builder.c: run the search space; plan.c: lay out w, a, statistics and workspace. */
int nas_graph_build(struct mn_model *model, struct mn_ctx *ctx,
                    const struct nas_instance *search_space, struct nas_operations *operations);
int nas_graph_plan(struct mn_model *model, struct mn_ctx *ctx);
/* Grid of a size, made on first use. -1 = no memory. */
int nas_graph_grid(struct mn_model *model, int height, int width);
/* liveness.c: when each slot is held, and its place in the workspace. */
int nas_holds_plan(struct mn_model *model);
/* taps.c: where a path's maps read and how they go back; `n_packed` counts the reals of the packed
 * weights of its layer. */
void nas_planes_fill(struct mn_model *model);
int nas_taps_plan(struct mn_model *model, struct nas_path *path, size_t *n_packed);

/* prune.c: does `keep` (NULL = all) leave a choice of the mixture (-1 = none) that holds item? */
/* After the logits of one mixture have changed: bring weights[n_choices] and keep up to date, and
 * say which mixtures were looked at again in touched[n_mixtures]. */
int nas_model_prune_again(struct mn_ctx *ctx, const struct mn_model *model,
                          const struct mn_point *at, int changed, mn_real *weights, uint8_t *keep,
                          uint8_t *touched);
/* Whether an input mixture may go by the strength of this op mixture. */
int nas_mixture_leads(const struct mn_model *model, int op);
int nas_item_kept(const struct mn_model *model, int mixture, const uint8_t *keep, int item);

/* mixture.c */
int nas_mix_forward(struct nas_workspace *ws, struct mn_ctx *ctx, const mn_real *a,
                    const struct mn_pass *pass, double *skip_share);
int nas_mix_backward(struct nas_workspace *ws, struct mn_ctx *ctx, const struct mn_pass *pass,
                     mn_real *d_a);
/* Whether a candidate is computed: path p of edge e of a layer. */
int nas_mix_computed(const struct nas_workspace *ws, const struct nas_layer *layer, int e, int p);

/* One pass, while it runs. */
struct nas_run {
    const struct mn_model *model;
    struct nas_workspace *ws;
    const struct nas_kernels *k;
    const mn_real *w;
    mn_real *d_w; /* NULL = no weight gradients */
    const struct mn_pass *pass;
    int n; /* images */
    int dropping;
    struct mn_ctx *ctx;
    int status; /* of the first operation of a plugin that failed */
    int back;   /* on the way back */
    enum nas_plan plan;
    int poison;
};
/* tensor.c: the tensor in a slot; NULL for NAS_NOWHERE. */
mn_real *nas_slot(const struct nas_run *run, int slot);
/* Make zero what kernels leave out of a tensor that is about to be written, but taps may read: the
 * rows after each image and the guards. */
void nas_edges_clear(const struct nas_run *run, const struct nas_grid *grid, int channels,
                     mn_real *x);
/* The same for a whole tensor in a slot, where it is not zero still since the pass before. */
void nas_slot_begin(const struct nas_run *run, int slot, const struct nas_grid *grid, int channels);
/* Make all of it zero. */
void nas_tensor_clear(const struct nas_run *run, const struct nas_grid *grid, int channels,
                      mn_real *x);
/* Under `poison`: overwrite what is held to one of these steps and no longer with numbers that are
 * none, so that whoever still reads it shows in the result; first < 0: all slots. */
void nas_slots_poison(const struct nas_run *run, int first, int last);
/* node_forward.c, node_backward.c: a layer's output from its sources; given the gradient of the
 * output, add to the sources' gradients, to d_w and to the items' gradients. */
void nas_node_forward(struct nas_run *run, const struct nas_layer *layer);
void nas_node_backward(struct nas_run *run, const struct nas_layer *layer);
/* The output of a convolution once more, from what it was before batch norm. */
void nas_node_again(struct nas_run *run, const struct nas_layer *layer);
/* source.c: begin the way back: no source is prepared, no gradient written. */
void nas_gradients_begin(struct nas_run *run);
/* Pointers into a state, its ReLU or phases, prepared on first use. */
struct nas_source {
    mn_real *x, *dx; /* dx NULL for the images */
    ptrdiff_t channel, image, phase;
};
struct nas_source nas_source_of(struct nas_run *run, const struct nas_path *path);
/* Whether a path can only add to its source's gradient: better after one that can write it. */
int nas_gradient_adds(const struct nas_path *path);
/* Before a path goes backwards: must it add to its source's gradient (1), or write it (0)? */
int nas_gradient_begin(struct nas_run *run, const struct nas_path *path);
/* The same for the head, which always adds. */
void nas_gradient_clear(struct nas_run *run, int state, int relu);
/* Fold the gradients of a state's phases into dx and dr; if `whole`, dr into dx, which then holds
 * all of the state's gradient. */
void nas_source_fold(struct nas_run *run, int state, int whole);

#endif
