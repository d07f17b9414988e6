/* SPDX-License-Identifier: MIT */
/* Soft pruning: a softmax whose temperature falls within each task, over the candidates of an edge
 * (Eq. 5) and over the combinations of k inputs of a node (Eq. 7; k = 1: Eq. 6). */
#include "../common/annealing.h"
#include "../common/single_items.h"

#include "combinations.h"

struct soft_prune {
    struct annealing annealing; /* first: ANNEALING_OPTIONS, PRUNING_OPTIONS */
    int64_t k;                  /* input mixer only */
};

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

static int64_t held(const struct soft_prune *s, int64_t n_items) {
    return s->k < n_items ? s->k : n_items;
}

static int64_t input_n_choices(const void *self, int64_t n_items) {
    return combinations_count(n_items, held(self, n_items));
}

static int input_holds(const void *self, int64_t n_items, int64_t choice, int64_t item) {
    return combinations_holds(n_items, held(self, n_items), choice, item);
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
    .n_choices = input_n_choices,
    .n_logits = input_n_choices,
    .holds = input_holds,
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
    MN_INT(struct soft_prune, k, 2, 1, 64,
           "inputs in a combination; where a node has fewer, all of them"),
    ANNEALING_OPTIONS(1.0, 0.05),
    PRUNING_OPTIONS,
};

MN_PLUGIN("soft_prune", "0.1.0",
          MN_UNIT(MN_OP_MIXER, "soft_prune",
                  "softmax of the logits, annealed within each task (Eq. 5)", struct soft_prune,
                  op_options, &op_mixer),
          MN_UNIT(MN_INPUT_MIXER, "soft_prune",
                  "annealed softmax over the combinations of k inputs (Eq. 7)", struct soft_prune,
                  input_options, &input_mixer))
