/* SPDX-License-Identifier: MIT */
#ifndef MN__MODEL_GRAPH_H
#define MN__MODEL_GRAPH_H

/* The built network. Every layer is a node: a weighted sum over edges of weighted sums over paths
 * (Eq. 1, 7); a plain convolution is a node of one edge with one path of weight 1. A path is one or
 * two stages, a stage one or two linear maps and a batch norm. */

#include <pthread.h>

#include "base/arena.h"
#include "metanas/operation.h"
#include "metanas/search_space.h"
#include "model/model.h"
#include "model/slots.h"

#define MN__NORM_EPS 1e-5
#define MN__NOWHERE (-1) /* no slot, no layer */

enum mn__linear_kind {
    MN__LINEAR_CONV,
    MN__LINEAR_DEPTHWISE,
    MN__LINEAR_MAX_POOL,
    MN__LINEAR_AVG_POOL,
    MN__LINEAR_REDUCE, /* two 1x1 convolutions on two phases, concatenated */
    MN__LINEAR_FOREIGN /* an operation that computes: on plain arrays, source at full size */
};

/* The taps that reach one phase of the source, for the way back. */
struct mn__taps {
    int n;
    int *index;     /* which taps of the map */
    ptrdiff_t *tap; /* from the source's pixel to the output's */
    size_t pack;    /* in the workspace's packed weights */
};

/* An operation of a plugin at its place. */
struct mn__foreign {
    const struct mn__instance *unit;
    struct mn_op_site site;
    struct mn_op_shape shape;
    int grid;          /* of the source */
    int64_t n_weights; /* reals */
    int saved;         /* slot: [max_batch][n_saved] */
};

/* A linear map, and how it is reached in memory: tap t of row phase p reads source + tap[p][t]. */
struct mn__linear {
    enum mn__linear_kind kind;
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
    struct mn__taps back[2][4]; /* by row phase of the output and phase of the source */
    struct mn__foreign *foreign;
};

struct mn__stage {
    int n_linear;
    struct mn__linear linear[2];
    int n_phase; /* row phases of the first map's output: 2 where the second strides over rows */
    int has_norm;
    int64_t bias;    /* offset in w of the convolution's bias, -1 = none */
    int64_t gamma;   /* offset in w of scale [n] and shift [n], -1 = no affine part */
    int64_t stats;   /* offset of mean [n] and variance [n] in a statistics buffer */
    int u, y, which; /* slots: after the first map (NOWHERE if it is the last or cheap to compute
                        again), after the last, taps of a max pool */
};

/* A candidate operation: built in (op.h), or of a plugin. */
struct mn__op {
    const char *name;
    const struct mn_operation *table;
    const void *self;                /* of a built-in one's functions */
    const struct mn__instance *unit; /* of a plugin; NULL: built in */
};

struct mn__path {
    const struct mn__op *op; /* NULL: convolution, reduce or max pool of its own layer */
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
    struct mn__stage stage[2];
    int index;   /* in the model: keys drop path */
    int64_t n_w; /* weights */
    double work; /* multiply-adds an image */
};

struct mn__edge {
    int n_paths;
    int n_ops; /* candidates; paths after them pass channels by, with weight 1 */
    struct mn__path *paths;
    int mixture;   /* op mixture, -1 = weights 1 */
    double weight; /* factor of all of it, mn_edge_spec.weight */
};

enum mn__layer_kind { MN__LAYER_NODE, MN__LAYER_CONCAT };

struct mn__layer {
    enum mn__layer_kind kind;
    const char *name;
    int state; /* output */
    int n_edges;
    struct mn__edge *edges;
    int groups;  /* of channels that paths write: mn_node_spec.partial */
    int mixture; /* input mixture, -1 = weights 1 */
    int n_parts; /* concat */
    int *parts;
    /* Steps of the pass: of the first edge forward; of folding the output's gradients; of the first
     * edge back. */
    int forward, fold, back;
};

/* A tensor of activations, its ReLU and their gradients: slots. */
struct mn__act {
    int channels, grid;
    int x, r, dx, dr;
    int again; /* the layer that makes x again on the way back; NOWHERE: x is kept */
};

/* A range of channels of an act. Stride-2 consumers read four phases of it on a half-size grid. */
struct mn__cell_state {
    int act, first, channels, grid;
    int relu; /* consumers see ReLU of it */
    int need_r, need_xp, need_rp;
    int half;             /* grid of the phases */
    int xp, rp, dxp, drp; /* slots */
    int layer;            /* that makes it, -1 = the images */
};

/* Grids and what hangs on their size. */
struct mn__size {
    struct mn__grid grid;  /* n = max_batch */
    struct mn__grid block; /* n = images of a block; temporaries */
    int n_block;
    int temp_channels; /* most channels of a temporary */
    size_t temp[5];    /* workspace: block temporaries, see enum mn__temp */
};

struct mn__head {
    const char *name;
    int from, kind;
    int64_t n_features;
    int64_t weight, bias;
    size_t features, d_features, logits, d_logits;
    int forward, back; /* steps of the pass */
};

/* Blocks of images as operations of plugins have them, [n][channels][height][width]. */
enum mn__plain { MN__PLAIN_X, MN__PLAIN_Y, MN__PLAIN_DX, MN__PLAIN_WORK, MN__PLAIN };

/* Which taps of a pool lie on the image, a plane for each of `valid` (largest pool) or the share of
 * one in `share` (average pool). Pools of one form have one. */
struct mn__planes {
    const struct mn__grid *grid; /* of the output */
    struct mn__linear map;       /* its form */
    int in_h, in_w;
    mn_real **valid; /* [n_tap], or NULL */
    mn_real *share;  /* or NULL */
    struct mn__planes *next;
};

struct mn_model {
    struct mn__arena arena;
    const struct mn__kernels *kernels;
    const struct mn__instance *op_mixer, *input_mixer;
    struct mn_dims dims;
    int pad;
    int n_sizes;
    struct mn__size *sizes;
    int n_acts;
    struct mn__act *acts;
    int n_states;
    struct mn__cell_state *states;
    int n_layers;
    struct mn__layer *layers;
    int n_paths;
    struct mn__head head;
    struct mn_segment *segments[2]; /* of w, of a */
    double *bounds; /* [n_w_segments] initial weights: uniform bound; 0: ones; -1: zeros */
    int n_mixtures;
    struct mn__mixture *mixtures;
    int64_t *saved0; /* [n_mixtures] first real of what the mixer saves */
    int64_t *item0;  /* [n_mixtures] first item weight */
    uint8_t **holds; /* [n_mixtures] input mixtures: [choices][items] */
    int64_t n_saved, n_items, most_choices;
    double drop_path;
    int drop_ramp;
    size_t plain[MN__PLAIN], n_plain[MN__PLAIN]; /* workspace: see enum mn__plain */
    size_t n_packed; /* reals of the packed weights of a layer's paths */
    int64_t most_weights;
    int most_channels, most_jobs; /* of a path, of a layer */
    int again;                    /* what is cheap to make again is not kept for the way back */
    int n_slots, n_steps;
    struct mn__slot *slots;
    size_t n_fixed; /* reals of a workspace that are held all the time; slots come after them */
    size_t n_reals; /* of a workspace */
    struct mn__planes *planes;
    pthread_mutex_t filling; /* masks and planes are filled with the first workspace: what only */
    int filled;              /* plans a network does not touch them */
};

struct mn__workspace {
    const struct mn_model *model;
    mn_real *reals; /* [n_reals] */
    size_t mapped;
    int poison;             /* passes to come that check the plan: see mn__slots_poison */
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
    struct mn__job *jobs;   /* [most_jobs] */
    mn_real *job_coef;      /* [most_jobs][2][most_channels] */
    double *job_sums;       /* [most_jobs][2][most_channels] */
    struct mn__term *terms; /* [most_jobs] */
    struct mn__product *products; /* [most_jobs] */
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
    struct mn__arena arena;
};

/* builder.c: run the search space; plan.c: lay out w, a, statistics and workspace. */
int mn__graph_build(struct mn_model *model, struct mn_cx *cx,
                    const struct mn__instance *search_space, struct mn__operations *operations);
int mn__graph_plan(struct mn_model *model, struct mn_cx *cx);
void mn__builder_install(struct mn_host *host);
/* Grid of a size, made on first use. -1 = no memory. */
int mn__graph_grid(struct mn_model *model, int height, int width);
/* holds.c: when each slot is held, and its place in the workspace. */
int mn__holds_plan(struct mn_model *model);
/* taps.c: where a path's maps read and how they go back; `n_packed` counts the reals of the packed
 * weights of its layer. */
void mn__planes_fill(struct mn_model *model);
int mn__taps_plan(struct mn_model *model, struct mn__path *path, size_t *n_packed);

/* prune.c: does `keep` (NULL = all) leave a choice of the mixture (-1 = none) that holds item? */
/* After the logits of one mixture have changed: bring weights[n_choices] and keep up to date, and
 * say which mixtures were looked at again in touched[n_mixtures]. */
int mn__model_prune_again(struct mn_cx *cx, const struct mn_model *model, const struct mn_point *at,
                          int changed, mn_real *weights, uint8_t *keep, uint8_t *touched);
/* Whether an input mixture may go by the strength of this op mixture. */
int mn__mixture_leads(const struct mn_model *model, int op);
int mn__item_kept(const struct mn_model *model, int mixture, const uint8_t *keep, int item);

/* mixture.c */
int mn__mix_forward(struct mn__workspace *ws, struct mn_cx *cx, const mn_real *a,
                    const struct mn_pass *pass, double *skip_share);
int mn__mix_backward(struct mn__workspace *ws, struct mn_cx *cx, const struct mn_pass *pass,
                     mn_real *d_a);
/* Whether a candidate is computed: path p of edge e of a layer. */
int mn__mix_computed(const struct mn__workspace *ws, const struct mn__layer *layer, int e, int p);

/* One pass, while it runs. */
struct mn__run {
    const struct mn_model *model;
    struct mn__workspace *ws;
    const struct mn__kernels *k;
    const mn_real *w;
    mn_real *d_w; /* NULL = no weight gradients */
    const struct mn_pass *pass;
    int n; /* images */
    int dropping;
    struct mn_cx *cx;
    int status; /* of the first operation of a plugin that failed */
    int back;   /* on the way back */
    enum mn__plan plan;
    int poison;
};
/* tensor.c: the tensor in a slot; NULL for MN__NOWHERE. */
mn_real *mn__slot(const struct mn__run *run, int slot);
/* Make zero what kernels leave out of a tensor that is about to be written, but taps may read: the
 * rows after each image and the guards. */
void mn__edges_clear(const struct mn__run *run, const struct mn__grid *grid, int channels,
                     mn_real *x);
/* The same for a whole tensor in a slot, where it is not zero still since the pass before. */
void mn__slot_begin(const struct mn__run *run, int slot, const struct mn__grid *grid, int channels);
/* Make all of it zero. */
void mn__tensor_clear(const struct mn__run *run, const struct mn__grid *grid, int channels,
                      mn_real *x);
/* Under `poison`: overwrite what is held to one of these steps and no longer with numbers that are
 * none, so that whoever still reads it shows in the result; first < 0: all slots. */
void mn__slots_poison(const struct mn__run *run, int first, int last);
/* node_forward.c, node_backward.c: a layer's output from its sources; given the gradient of the
 * output, add to the sources' gradients, to d_w and to the items' gradients. */
void mn__node_forward(struct mn__run *run, const struct mn__layer *layer);
void mn__node_backward(struct mn__run *run, const struct mn__layer *layer);
/* The output of a convolution once more, from what it was before batch norm. */
void mn__node_again(struct mn__run *run, const struct mn__layer *layer);
/* source.c: begin the way back: no source is prepared, no gradient written. */
void mn__gradients_begin(struct mn__run *run);
/* Pointers into a state, its ReLU or phases, prepared on first use. */
struct mn__source {
    mn_real *x, *dx; /* dx NULL for the images */
    ptrdiff_t channel, image, phase;
};
struct mn__source mn__source_of(struct mn__run *run, const struct mn__path *path);
/* Whether a path can only add to its source's gradient: better after one that can write it. */
int mn__gradient_adds(const struct mn__path *path);
/* Before a path goes backwards: must it add to its source's gradient (1), or write it (0)? */
int mn__gradient_begin(struct mn__run *run, const struct mn__path *path);
/* The same for the head, which always adds. */
void mn__gradient_clear(struct mn__run *run, int state, int relu);
/* Fold the gradients of a state's phases into dx and dr; if `whole`, dr into dx, which then holds
 * all of the state's gradient. */
void mn__source_fold(struct mn__run *run, int state, int whole);

#endif
