/* SPDX-License-Identifier: MIT */
/* Plain DARTS: the softmax of the logits (Eq. 1). Nothing is skipped; the largest stays. */
#include "../common/pruning.h"
#include "../common/single_items.h"

struct softmax {
    double temperature;
};

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    const struct softmax *s = self;
    mn_vec_softmax(n, logits, s->temperature, weights);
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    const struct softmax *s = self;
    mn_vec_softmax_backward(n, weights, s->temperature, d_weights, d_logits);
    return MN_OK;
}

static const struct mn_mixer mixer = {
    .size = sizeof mixer,
    .n_choices = single_n_choices,
    .n_logits = single_n_choices,
    .holds = single_holds,
    .forward = forward,
    .backward = backward,
    .select = pruning_select_largest,
};

static const struct mn_opt options[] = {
    MN_REAL_OPEN(struct softmax, temperature, 1.0, 0, 1e6, MN_OPT_OPEN_MIN,
                 "temperature of the softmax, the same in every step"),
};

MN_PLUGIN("softmax", "0.1.0",
          MN_UNIT(MN_OP_MIXER, "softmax",
                  "plain DARTS: softmax of the logits, the largest operation stays", struct softmax,
                  options, &mixer))
