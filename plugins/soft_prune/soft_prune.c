/* SPDX-License-Identifier: MIT */
/* Soft pruning: a softmax whose temperature falls within each task, over the candidates of an edge
 * (Eq. 5) and over the combinations of k inputs of a node (Eq. 7; k = 1: Eq. 6). */
#include "../common/combinations.h"
#include "../common/single_items.h"

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    double tau;
    const int status = annealing_begin(self, ctx, when, &tau);
    if (status == MN_OK) {
        mn_vec_softmax(n, logits, tau, weights);
    }
    return status;
}

static const struct mn_mixer op_mixer = {
    .size = sizeof op_mixer,
    .check = annealing_check,
    .n_choices = single_n_choices,
    .n_logits = single_n_choices,
    .holds = single_holds,
    .threshold = pruning_threshold,
    .forward = forward,
    .backward = annealing_backward,
    .select = pruning_select_above,
};

static const struct mn_mixer input_mixer = {
    .size = sizeof input_mixer,
    .check = annealing_check,
    .n_choices = combined_n_choices,
    .n_logits = combined_n_choices,
    .holds = combined_holds,
    .threshold = pruning_threshold,
    .forward = forward,
    .backward = annealing_backward,
    .select = pruning_select_above,
};

static const struct mn_opt op_options[] = {
    ANNEALING_OPTIONS(1.0, 0.05),
    PRUNING_OPTIONS,
};

static const struct mn_opt input_options[] = {
    COMBINED_OPTION,
    ANNEALING_OPTIONS(1.0, 0.05),
    PRUNING_OPTIONS,
};

MN_PLUGIN("soft_prune", "0.1.0",
          MN_UNIT(MN_OP_MIXER, "soft_prune",
                  "softmax of the logits, annealed within each task (Eq. 5)", struct annealing,
                  op_options, &op_mixer),
          MN_UNIT(MN_INPUT_MIXER, "soft_prune",
                  "annealed softmax over the combinations of k inputs (Eq. 7)", struct combined,
                  input_options, &input_mixer))
