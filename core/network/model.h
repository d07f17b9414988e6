/* SPDX-License-Identifier: MIT */
#ifndef NAS_NETWORK_MODEL_H
#define NAS_NETWORK_MODEL_H

/* The network built from a search space: what it is made of and what it means, not how it is
 * computed (backend/backend.h). It does not change once it is built. */

#include "network/operations.h"
#include "plugin/instance.h"

struct mn_model;
struct nas_fixed;
struct nas_latencies;

enum { NAS_COSTS = MN_COST_LATENCY + 1 };

/* Images of the largest pass with gradients or of a step, and of the largest other one; where it is
 * wanted of an experiment, also of a support set, which goes with them where the head looks at it.
 */
struct nas_batches {
    int64_t steps, predictions, support;
};

/* What a network is made of. All of it must outlive the network. */
struct nas_network_units {
    struct nas_instance *search_space; /* changed by nas_model_fit alone */
    const struct nas_instance *op_mixer, *input_mixer, *head, *loss;
    struct nas_operations *operations; /* candidates of plugins; NULL = the built-in ones alone */
    const struct nas_fixed *fixed;     /* nodes that are not searched; NULL = there are none */
    const struct nas_latencies *latencies; /* of its candidates; NULL = they are not known */
};

/* Call the search space's `build`, and lay out w, a, choices and statistics. `dims` gives ways,
 * image shape and the largest batches; the rest of it is filled in by the search space. Messages
 * name the option or layer that does not fit. */
int nas_network_new(struct mn_ctx *ctx, const struct nas_network_units *units,
                    const struct mn_dims *dims, struct mn_model **out);
/* Of one that no backend has prepared. */
void nas_network_free(struct mn_model *model);

/* The channel count that a budget of weights leads to. */
struct nas_fit {
    int64_t budget; /* 0 = the options name the channel count */
    int64_t channels;
    double parameters; /* nas_model_mean_parameters with this channel count */
};

/* Where the search space was given a budget: give it the channel count whose network is nearest to
 * it in size, the smaller of equals. Before the network is built. MN_CONFIG when no count comes
 * near. */
int nas_model_fit(struct mn_ctx *ctx, const struct nas_network_units *units,
                  const struct mn_dims *dims, struct nas_fit *out);

/* Services of struct mn_host; model_prune is nas_model_prune. */
int nas_service_model_dims(struct mn_ctx *ctx, const struct mn_model *model, struct mn_dims *out);
int nas_service_model_segment(struct mn_ctx *ctx, const struct mn_model *model, int architecture,
                              int32_t index, struct mn_segment *out);
int nas_service_model_mixture(struct mn_ctx *ctx, const struct mn_model *model, int32_t index,
                              struct mn_mixture *out);

/* Arrays of weights that a unit of kind loss declares; NULL = there is none. */
int32_t nas_loss_n_weights(const struct nas_instance *loss, int32_t ways);
/* Where the weights lie that belong to the loss: no task adapts them. Returns how many reals. */
int64_t nas_model_loss_weights(const struct mn_model *model, int64_t *offset);

const struct mn_dims *nas_model_dims(const struct mn_model *model);
/* Segment i of w (architecture 0) or a (1). */
const struct mn_segment *nas_model_segment(const struct mn_model *model, int architecture, int i);

/* Initial point: PyTorch's defaults for weights (convolution and linear weights and biases uniform
 * in +-1/sqrt(fan_in); batch norm 1 and 0), logits normal with standard deviation `alpha_std`. */
void nas_model_init(const struct mn_model *model, uint64_t seed, double alpha_std,
                    struct mn_point *out);

/* Multiply-adds of one image, forward, all candidates computed. */
double nas_model_work(const struct mn_model *model);

/* ---- choices: the keep mask --------------------------------------------------------------- */

/* One mixture: the candidates of an edge, or the inputs of a node. */
struct nas_mixture {
    const char *name; /* alpha.GROUP.op row E: "normal.1.op.0"; inputs: "normal.1.in" */
    const char *group;
    int is_input;
    int edge; /* op mixture: index of the edge in its node */
    int n_items;
    int64_t n_choices;
    int64_t choice0;         /* first byte in a keep mask */
    int64_t logit0;          /* first real in a; -1 = no logits */
    const uint8_t *holds;    /* [n_choices][n_items] whether a choice holds an item */
    int64_t item0;           /* first of its items among those of all mixtures */
    int64_t saved0;          /* first real of what its mixer saves */
    struct mn_mixture about; /* as its mixer sees it */
    double *cost[NAS_COSTS]; /* enum mn_cost_of: [n_items] of about */
};
int nas_model_n_mixtures(const struct mn_model *model);
const struct nas_mixture *nas_model_mixture(const struct mn_model *model, int i);
/* Weight of an item of mixture i, from weights[n_choices]: the sum over the choices that hold it
 * (Eq. 7). */
double nas_model_item_weight(const struct mn_model *model, int i, const mn_real *weights, int item);

/* Mixture weights of every choice at progress 1, without noise and without skipping:
 * weights[n_choices]. */
int nas_model_mixture_weights(struct mn_ctx *ctx, const struct mn_model *model,
                              const struct mn_point *at, mn_real *weights);

/* Hard pruning (Algorithm 3, line 8). */
int nas_model_prune(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_point *at,
                    uint8_t *keep);

/* MN_INTERNAL, naming `label`, where a mask that a plugin made leaves nothing of a mixture. */
int nas_prune_check(struct mn_ctx *ctx, const struct mn_model *model, const char *label,
                    const uint8_t *keep);

/* Weights of the network that `keep` leaves (NULL = all): candidates and edges that are cut, and
 * what only they used, do not count. MN_NOMEM. */
int nas_model_parameters(struct mn_ctx *ctx, const struct mn_model *model, const uint8_t *keep,
                         int64_t *out);

/* What a network costs (enum mn_cost_of) of which only share[n_items] (NULL = 1) of each item
 * stays: 0 or 1, a probability, or its weight in the mixture. A layer counts where something that
 * stays reads it. MN_NOMEM. */
int nas_model_cost(struct mn_ctx *ctx, const struct mn_model *model, int of, const double *share,
                   double *out);

/* The cost of the network that `keep` leaves (NULL = all), as nas_model_parameters counts.
 * MN_NOMEM. */
int nas_model_pruned_cost(struct mn_ctx *ctx, const struct mn_model *model, int of,
                          const uint8_t *keep, double *out);

/* The smallest and the largest network that pruning can leave when every mixture has decided for
 * one choice; found by search, so the true ones may lie a little beyond. MN_CANCELLED. */
int nas_model_extremes(struct mn_ctx *ctx, const struct mn_model *model, int64_t *smallest,
                       int64_t *largest);
/* Mean weights of a pruned network before anything is known about it: every mixture is decided, as
 * many items stay as its mixer then keeps, and all of them are equally likely. Exact where nothing
 * is searched. */
int nas_model_mean_parameters(struct mn_ctx *ctx, const struct mn_model *model, double *out);

/* The kept architecture as one line of text, the same for equal architectures:
 * "normal: 0:conv_3x3@0+skip_connect@1 1:... | reduction: ..." ; node:op@input, several operations
 * of an edge joined with '&'. Into out, truncated never: returns the length needed without the
 * final zero, as snprintf does. */
size_t nas_model_genotype(const struct mn_model *model, const uint8_t *keep, char *out,
                          size_t size);

/* Weights out[n_w] of a fixed network from those of a pruned one. `to` is built like `from`, but
 * each node has the operations that `keep` leaves, an edge each, in the order of the genotype, with
 * the weights that `mixture` gives them (mn_edge_spec.weight, nas_model_pair_weight): those of a
 * pass with `keep`, after skipping (mn_outcome). MN_UNSUPPORTED where the networks differ. */
int nas_model_extract(struct mn_ctx *ctx, const struct mn_model *from, const mn_real *w,
                      const uint8_t *keep, const mn_real *mixture, const struct mn_model *to,
                      mn_real *out);

/* Weight of candidate `op` of edge `edge` in the sum of node `node` of cells of a type; 1 where
 * there is none. `mixture` as in nas_model_extract. */
double nas_model_pair_weight(const struct mn_model *model, const mn_real *mixture, const char *type,
                             int node, int edge, const char *op);

/* Mean entropy in nats of the operation and input mixtures at progress 1: out[0] op, out[1] in. */
int nas_model_entropy(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_point *at,
                      double out[2]);

#endif
