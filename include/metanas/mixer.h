/* SPDX-License-Identifier: MIT */
#ifndef METANAS_MIXER_H
#define METANAS_MIXER_H

/* op_mixer and input_mixer: one vtable, two kinds. A mixture has n_items items (the candidate
 * operations of an edge, or the inputs of a node) and n choices, each a subset of the items. The
 * mixer maps one logit for every choice to one mixture weight for every choice; the host drops the
 * choices at or under the threshold and gives each item the sum of the weights of the choices that
 * hold it (Eq. 7; for operations choice i is {item i}, Eq. 1 and 5). A mixer sees only the choices
 * that a keep mask left, so pruned logits behave as minus infinity. What has weight 0 in the end is
 * not computed, unless `measure` asks for it. */

#include "ctx.h"
#include "rng.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a mixture mixes: the same in every pass, and valid as long as the network. Nodes that share
 * their logits, as those of all normal cells do, share the mixture; its costs are sums over them.
 */
struct mn_mixture {
    uint32_t size;
    int32_t kind;       /* MN_OP_MIXER or MN_INPUT_MIXER */
    const char *name;   /* GROUP.op.EDGE or GROUP.in (docs/state-names.md) */
    int32_t stride;     /* of candidates: 1 or 2, the larger where nodes share; of inputs 1 */
    int32_t n_mixtures; /* of this kind in the network */
    int32_t n_items;    /* 1..64 */
    int32_t reserved;
    const char *const *items; /* [n_items] the candidates' names; of inputs "0", "1", .. */
    const double *parameters; /* [n_items] weights; of an input: those of all its candidates */
    const double *macs;       /* [n_items] multiply-adds of an image, forward */
    const double *latency; /* [n_items] the same in ns, measured; NULL = run.latency is not given */
    int64_t n_choices;
    const uint8_t *holds; /* [n_choices][n_items] whether a choice holds an item */
    int64_t first_choice; /* its place in a keep mask and in mn_outcome.mixture */
    int64_t first_logit;  /* its place in a; -1 = it has none */
};

/* When a mixture is computed, and what it is. */
struct mn_when {
    uint32_t size;
    uint32_t training; /* 1 in adaptation steps: noise is on */
    double progress;   /* 0..1 through the task's architecture steps; the annealing follows it */
    uint32_t gradient; /* 1 where the pass gives the gradient of the logits: backward follows */
    uint32_t reserved;
    const struct mn_mixture *mixture;
    const int32_t *choices; /* [n] those of the mixture's choices that a keep mask left; NULL = all;
                               see mn_choice */
};

/* Which of the mixture's choices is number i of the n that a call is about. */
static inline int64_t mn_choice(const struct mn_when *when, int64_t i) {
    return when->choices != NULL ? when->choices[i] : i;
}

struct mn_mixer {
    uint32_t size;
    uint32_t reserved;

    /* Optional. Rules across options; use mn_bad_option. [setup] */
    int (*check)(const void *self, struct mn_ctx *ctx);

    /* Choices over n_items items (1..64), 1 to 65536. [setup] */
    int64_t (*n_choices)(const void *self, int64_t n_items);

    /* Logits that are learned: n_choices, or 0 for a mixture without parameters, for which forward
     * is called with logits NULL and backward never. [setup] */
    int64_t (*n_logits)(const void *self, int64_t n_items);

    /* 1 if choice holds item, else 0. [setup] */
    int (*holds)(const void *self, int64_t n_items, int64_t choice, int64_t item);

    /* Optional. Whether it can weigh this mixture: called for each one when the network is built,
     * and refused with mn_bad_option or mn_fail. [setup] */
    int (*accept)(const void *self, struct mn_ctx *ctx, const struct mn_mixture *mixture);

    /* Reals kept from forward to backward for n choices, 0 to 2^32. Optional, NULL = 0. [setup] */
    int64_t (*n_saved)(const void *self, int64_t n);

    /* Weight at or under which a forward pass skips a choice, 0 to 1; 0 = never; the largest weight
     * is never skipped. Optional, NULL = 0. Called once a pass and mixture, and before the run. The
     * split in ctx->where tells meta-training from evaluation. [worker] */
    double (*threshold)(const void *self, const struct mn_ctx *ctx);

    /* weights[n] from logits[n], once a pass for each mixture, before anything else of the pass;
     * ctx's stream MN_RNG_MIXER is `rng`, already set to this mixture. [worker] */
    int (*forward)(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved);

    /* Adds dL/dlogits to d_logits[n], given dL/dweights in d_weights[n]: 0 for the choices that
     * were not computed. Once for each mixture at the end of a pass with when->gradient, with the
     * arrays that forward of the same pass wrote. NULL only where n_logits is always 0. [worker] */
    int (*backward)(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits);

    /* Optional. A term of the loss in steps of adaptation, such as one that pushes the weights
     * apart: returns its value, and adds its gradient to d_logits[n] where that is not NULL. Called
     * after forward where when->training is 1, and once more with d_logits after backward; the term
     * is part of mn_outcome.loss. [worker] Source: FairDARTS (Chu et al., ECCV 2020), section 4.2.
     */
    double (*penalty)(const void *self, const struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                      const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                      mn_real *d_logits);

    /* Hard pruning: keep[n] = 1 for the choices that stay, at least one. weights are those of
     * forward at progress 1 without noise, which `when` tells. strength[n], given to input mixers,
     * is the largest operation weight on the edge, for choices of one item; else NULL. [worker] */
    int (*select)(const void *self, struct mn_ctx *ctx, int64_t n, const struct mn_when *when,
                  const mn_real *weights, const mn_real *strength, uint8_t *keep);

    /* Which choices a pass with the gradient of the logits computes although their weight is 0:
     * measured[n], zeroes on entry, gets 1 for them. They do not change the output of the network,
     * but backward learns their dL/dweight. Called after forward, with what it wrote. Optional,
     * NULL = none. [worker] Source: Cai et al. (ProxylessNAS, ICLR 2019), section 3.2. */
    void (*measure)(const void *self, int64_t n, const mn_real *weights, const mn_real *saved,
                    uint8_t *measured);
};

#ifdef __cplusplus
}
#endif

#endif
