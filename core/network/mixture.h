/* SPDX-License-Identifier: MIT */
#ifndef NAS_NETWORK_MIXTURE_H
#define NAS_NETWORK_MIXTURE_H

/* The mixtures of one pass: from logits to the weights of paths, and their gradients back. */

#include "network/graph.h"

struct nas_mix {
    const struct mn_model *model;
    mn_real *weights;   /* [n_choices] as the mixer gave them, active choices compacted */
    mn_real *mixed;     /* [n_choices] after skipping, at their choice */
    mn_real *d_weights; /* [n_choices] */
    mn_real *logits;    /* [n_a] compacted */
    mn_real *d_logits;  /* [n_a] compacted */
    mn_real *saved;     /* [n_saved] */
    int32_t *active;    /* [n_choices] those that the keep mask leaves, one after the other */
    int32_t *n_active;  /* [n_mixtures] */
    double penalty;     /* of all mixers, in steps of adaptation */
    double *item;       /* [n_items] item weights */
    double *d_item;     /* [n_items] */
    uint8_t *measured;  /* [n_choices] computed at weight 0, active choices compacted */
    uint8_t *computed;  /* [n_items] weight not 0, or measured */
};

/* Room for the passes of one thread, in the arena. MN_NOMEM, without a message. */
int nas_mix_new(const struct mn_model *model, struct nas_arena *arena, struct nas_mix **out);

/* Ask the mixers for the weights of a pass, and clear the gradients. */
int nas_mix_forward(struct nas_mix *mix, struct mn_ctx *ctx, const mn_real *a,
                    const struct mn_pass *pass, double *skip_share);
int nas_mix_backward(struct nas_mix *mix, struct mn_ctx *ctx, const struct mn_pass *pass,
                     mn_real *d_a);

/* Whether path p of edge e of a layer is computed, and its weight in the layer's sum: 0 where it is
 * computed for the gradient of its weight only. */
int nas_mix_computed(const struct nas_mix *mix, const struct nas_layer *layer, int e, int p);
double nas_mix_weight(const struct nas_mix *mix, const struct nas_layer *layer, int e, int p);
/* Take in the gradient of the cost that a pass at `at` has in its objective; *out =
 * mn_outcome.cost.
 */
int nas_mix_cost(struct nas_mix *mix, struct mn_ctx *ctx, const mn_real *a,
                 const struct mn_cost *cost, double *out);
/* Take in the product of the gradient of the layer's output and the output of the path. */
void nas_mix_gradient(struct nas_mix *mix, const struct nas_layer *layer, int e, int p,
                      double product);

#endif
