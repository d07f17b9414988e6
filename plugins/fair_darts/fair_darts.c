/* SPDX-License-Identifier: MIT */
/* FairDARTS (Chu et al., ECCV 2020): each candidate has a gate of its own, sigmoid(a), so that none
 * gains by what another loses (Eq. 4); a zero-one loss, -w mean (sigmoid(a) - 1/2)^2 over all gates
 * of the network (Eq. 6), is part of the task's loss and drives them to 0 or 1. */
#include "../common/pruning.h"
#include "../common/single_items.h"

struct fair_darts {
    double zero_one, keep_above;
};

static double sigmoid(mn_real a) {
    return 1 / (1 + exp(-(double)a));
}

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    for (int64_t i = 0; i < n; i++) {
        weights[i] = (mn_real)sigmoid(logits[i]);
    }
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    for (int64_t i = 0; i < n; i++) {
        const double gate = sigmoid(logits[i]);
        d_logits[i] += (mn_real)((double)d_weights[i] * gate * (1 - gate));
    }
    return MN_OK;
}

static double penalty(const void *self, const struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                      const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                      mn_real *d_logits) {
    const struct fair_darts *s = self;
    const double share = s->zero_one / ((double)n * when->mixture->n_mixtures);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const double gate = sigmoid(logits[i]);
        sum += (gate - 0.5) * (gate - 0.5);
        if (d_logits != NULL) {
            d_logits[i] -= (mn_real)(2 * share * (gate - 0.5) * gate * (1 - gate));
        }
    }
    return -share * sum;
}

/* The largest stays in any case. */
static int select_open(const void *self, struct mn_ctx *ctx, int64_t n, const struct mn_when *when,
                       const mn_real *weights, const mn_real *strength, uint8_t *keep) {
    const struct fair_darts *s = self;
    for (int64_t i = 0; i < n; i++) {
        keep[i] = (double)weights[i] > s->keep_above;
    }
    keep[pruning_largest(n, weights)] = 1;
    return MN_OK;
}

static const struct mn_mixer mixer = {
    .size = sizeof mixer,
    .n_choices = single_n_choices,
    .n_logits = single_n_choices,
    .holds = single_holds,
    .forward = forward,
    .backward = backward,
    .penalty = penalty,
    .select = select_open,
};

static const struct mn_opt options[] = {
    MN_REAL(struct fair_darts, zero_one, 10.0, 0, 1e6, "weight of the zero-one loss"),
    MN_REAL_FLAGS(struct fair_darts, keep_above, 0.85, 0, 1, MN_OPT_OPEN_MAX,
                  "operations whose gate is over this stay after pruning"),
};

MN_PLUGIN("fair_darts", "0.1.0",
          MN_UNIT_FLAGGED(MN_OP_MIXER, MN_UNIT_FREE_SUM, "fair_darts",
                          "a gate for each candidate, with a zero-one loss (FairDARTS)",
                          struct fair_darts, options, &mixer))
