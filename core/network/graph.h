/* SPDX-License-Identifier: MIT */
#ifndef NAS_NETWORK_GRAPH_H
#define NAS_NETWORK_GRAPH_H

/* The built network. Every layer is a node: a weighted sum over edges of weighted sums over paths
 * (Eq. 1, 7); a plain convolution is a node of one edge with one path of weight 1. A path is one or
 * two stages, a stage one or two linear maps and a batch norm. How it is computed is the business
 * of a backend. */

#include "base/arena.h"
#include "metanas/operation.h"
#include "network/model.h"

#define NAS_NORM_EPS 1e-5

enum nas_linear_kind {
    NAS_LINEAR_CONV,
    NAS_LINEAR_DEPTHWISE,
    NAS_LINEAR_MAX_POOL,
    NAS_LINEAR_AVG_POOL,
    NAS_LINEAR_REDUCE, /* two 1x1 convolutions, the second shifted by a pixel, concatenated */
    NAS_LINEAR_CUSTOM  /* an operation of a plugin that computes */
};

/* An operation of a plugin at its place. */
struct nas_custom_op {
    const struct nas_instance *unit;
    struct mn_op_site site;
    struct mn_op_shape shape;
    int64_t n_weights; /* reals */
};

struct nas_linear {
    enum nas_linear_kind kind;
    int kh, kw, dilation;
    int sh, sw;      /* stride along y and x */
    int centred;     /* padding (k-1)/2 * dilation; 0 = none */
    int n_in, n_out; /* channels */
    int64_t weight;  /* offset in w, -1 = none; of REDUCE: those of both, in order */
    struct nas_custom_op *custom;
};

struct nas_stage {
    int n_linear;
    struct nas_linear linear[2];
    int has_norm;
    int64_t weights, n_weights; /* in w: of the maps, and the bias */
    int64_t bias;               /* offset in w of the convolution's bias, -1 = none */
    int64_t gamma;              /* offset in w of scale [n] and shift [n], -1 = no affine part */
    int64_t stats;              /* offset of mean [n] and variance [n] in a statistics buffer */
};

/* In the maps of a built-in candidate: the stride of the site. */
enum { NAS_OP_SITE_STRIDE = 0 };

/* A candidate operation: built in (op.h), or of a plugin. */
struct nas_op {
    const char *name;
    const struct mn_op_maps *maps;   /* of a built-in one */
    const struct nas_instance *unit; /* of a plugin's */
};

struct nas_path {
    const struct nas_op *op; /* NULL: convolution, reduce or max pool of its own layer */
    const char *name;
    int identity, none;
    int source; /* state */
    int relu;   /* reads ReLU of the source */
    int stride;
    int size; /* of the output */
    int channels;
    int inner, n_inner; /* layers of the model that make its source from that of its edge */
    int first;          /* channel of the source where it begins to read */
    int out_first;      /* its channel c is channel out_first + c * groups of the node */
    int n_stages;
    struct nas_stage stage[2];
    int index;   /* in the model: keys drop path */
    int64_t n_w; /* weights */
    double work; /* multiply-adds an image */
    double ns;   /* of a candidate: time of an image, where it is known */
};

struct nas_edge {
    int from,
        stride; /* what its candidates read and do; their paths may begin later, see n_inner */
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
    int n_parts; /* concat; one part: another name of its state */
    int *parts;
    /* An inner layer of a candidate is computed where that is: layer, edge and item; -1 = always.
     */
    int owner, owner_edge, owner_item;
};

/* The output of a layer; state 0 is the images. */
struct nas_cell_state {
    int channels, size;
    int relu;    /* consumers see ReLU of it */
    int layer;   /* that makes it, -1 = the images */
    int part_of; /* concatenation layer, -1 = none */
    int half;    /* size that consumers of stride 2 make of it, one for all; -1 = there are none */
};

/* Images of states. */
struct nas_size {
    int height, width;
};

struct nas_head {
    const char *name;
    int from, kind;
    int64_t weights, n_weights; /* in w */
};

struct mn_model {
    struct nas_arena arena;
    struct nas_network_units units;
    struct mn_dims dims;
    int n_sizes;
    struct nas_size *sizes;
    int n_states;
    struct nas_cell_state *states;
    int n_layers;
    struct nas_layer *layers;
    int n_paths;
    struct nas_head head;
    int64_t loss_weights, n_loss_weights; /* in w: those of the loss, the last of all */
    struct mn_segment *segments[2];       /* of w, of a */
    double *bounds; /* [n_w_segments] initial weights: uniform bound; 0: ones; -1: zeros */
    int n_mixtures;
    struct nas_mixture *mixtures;
    int64_t n_saved, n_items; /* of all mixtures */
    double drop_path;
    int drop_ramp;
    /* What a backend has prepared to compute it (backend/backend.h), or NULL. */
    const struct nas_backend *backend;
    void *plan;
};

/* Who weighs a mixture. */
static inline const struct nas_instance *nas_mixer_of(const struct mn_model *model,
                                                      const struct nas_mixture *mixture) {
    return mixture->is_input ? model->units.input_mixer : model->units.op_mixer;
}

/* Multiply-adds of the head for an image: those of a product of features and one vector a class. */
static inline double nas_head_work(const struct mn_model *model) {
    return (double)model->dims.n_features * model->dims.ways;
}

/* What a path costs when its weight is 1, in the unit of enum mn_cost_of. */
static inline double nas_path_cost(const struct nas_path *path, int of) {
    return of == MN_COST_PARAMETERS ? (double)path->n_w
           : of == MN_COST_MACS     ? path->work
                                    : path->ns;
}

/* Whether the output of a path has a batch norm, and that of its node is then a weighted sum of
 * normalised tensors. */
int nas_path_has_norm(const struct nas_path *path);

#endif
