/* SPDX-License-Identifier: MIT */
/* GDAS (Dong and Yang, CVPR 2019): in adaptation steps one candidate of every edge is
 * drawn by Gumbel noise and has weight 1; the others have weight 0, so that they are not computed.
 * The gradient goes straight through: as if the weights were softmax((a + g) / tau). */
#include "../common/annealing.h"
#include "../common/drawn.h"
#include "../common/gumbel_softmax.h"
#include "../common/single_items.h"

/* The softmax of the logits with noise. */
static int64_t n_saved(const void *self, int64_t n) {
    return n;
}

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    if (!when->training) {
        drawn_mean(n, logits, weights);
        return MN_OK;
    }
    double tau;
    const int status = annealing_begin(self, ctx, when, &tau);
    if (status != MN_OK) {
        return status;
    }
    gumbel_softmax(n, logits, tau, rng, saved);
    const int64_t drawn = pruning_largest(n, saved);
    return drawn_open(ctx, n, drawn, saved[drawn], weights);
}

static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    if (when->training) {
        mn_vec_softmax_backward(n, saved, annealing_tau(self, when), d_weights, d_logits);
    } else {
        drawn_mean_backward(n, weights, d_weights, d_logits);
    }
    return MN_OK;
}

static const struct mn_mixer mixer = {
    .size = sizeof mixer,
    .check = annealing_check,
    .n_choices = single_n_choices,
    .n_logits = single_n_choices,
    .holds = single_holds,
    .n_saved = n_saved,
    .forward = forward,
    .backward = backward,
    .select = pruning_select_largest,
};

static const struct mn_opt options[] = {
    ANNEALING_OPTIONS(10, 0.1),
};

MN_PLUGIN("gdas", "0.1.0",
          MN_UNIT_FLAGGED(MN_OP_MIXER, MN_UNIT_SURROGATE, "gdas",
                          "one candidate drawn by Gumbel noise, gradient straight through (GDAS)",
                          struct annealing, options, &mixer))
