/* SPDX-License-Identifier: MIT */
/* Gumbel softmax: softmax((a + g) / tau) with Gumbel noise g in adaptation steps, g = 0 elsewhere;
 * tau is annealed as in soft pruning. */
#include "../common/annealing.h"
#include "../common/gumbel_softmax.h"
#include "../common/single_items.h"

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    double tau;
    const int status = annealing_begin(self, ctx, when, &tau);
    if (status != MN_OK) {
        return status;
    }
    if (when->training) {
        gumbel_softmax(n, logits, tau, rng, weights);
    } else {
        mn_vec_softmax(n, logits, tau, weights);
    }
    return MN_OK;
}

static const struct mn_mixer mixer = {
    .size = sizeof mixer,
    .check = annealing_check,
    .n_choices = single_n_choices,
    .n_logits = single_n_choices,
    .holds = single_holds,
    .threshold = pruning_threshold,
    .forward = forward,
    .backward = annealing_backward,
    .select = pruning_select_above,
};

static const struct mn_opt options[] = {
    ANNEALING_OPTIONS(1.0, 0.05),
    PRUNING_OPTIONS,
};

MN_PLUGIN("gumbel", "0.1.0",
          MN_UNIT(MN_OP_MIXER, "gumbel",
                  "softmax of the logits with Gumbel noise, annealed within each task",
                  struct annealing, options, &mixer))
