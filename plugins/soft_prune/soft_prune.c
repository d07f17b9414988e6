/* SPDX-License-Identifier: MIT */
/* Soft pruning: a softmax whose temperature falls within each task, over the candidates of an edge
 * (Eq. 5) and over the combinations of k inputs of a node (Eq. 7; k = 1: Eq. 6). */
#include "../common/annealing.h"
#include "../common/op_mixture.h"
#include "../common/pruning.h"

#include "combinations.h"

struct soft_prune {
    double t_max, t_min;
    int32_t anneal;
    double threshold, test_threshold;
    int64_t k; /* input mixer only */
};

static int check(const void *self, struct mn_cx *cx) {
    const struct soft_prune *s = self;
    return annealing_check(cx, s->t_max, s->t_min);
}

static double threshold(const void *self, const struct mn_cx *cx) {
    const struct soft_prune *s = self;
    return pruning_threshold(cx, s->threshold, s->test_threshold);
}

static double tau(const struct soft_prune *s, const struct mn_when *when) {
    return annealing_tau(s->t_max, s->t_min, when->progress);
}

static int forward(const void *self, struct mn_cx *cx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    mn_vec_softmax(n, logits, tau(self, when), weights);
    return MN_OK;
}

static int backward(const void *self, struct mn_cx *cx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    mn_vec_softmax_backward(n, weights, tau(self, when), d_weights, d_logits);
    return MN_OK;
}

static int select_above(const void *self, struct mn_cx *cx, int64_t n, const mn_real *weights,
                        const mn_real *strength, uint8_t *keep) {
    pruning_keep_above(n, weights, threshold(self, cx), keep);
    return MN_OK;
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
    .check = check,
    .n_choices = op_n_choices,
    .n_logits = op_n_choices,
    .holds = op_holds,
    .threshold = threshold,
    .forward = forward,
    .backward = backward,
    .select = select_above,
};

static const struct mn_mixer input_mixer = {
    .size = sizeof input_mixer,
    .check = check,
    .n_choices = input_n_choices,
    .n_logits = input_n_choices,
    .holds = input_holds,
    .threshold = threshold,
    .forward = forward,
    .backward = backward,
    .select = select_above,
};

static const struct mn_opt op_options[] = {
    ANNEALING_OPTIONS(struct soft_prune),
    PRUNING_OPTIONS(struct soft_prune),
};

static const struct mn_opt input_options[] = {
    MN_INT(struct soft_prune, k, 2, 1, 64,
           "inputs in a combination; where a node has fewer, all of them"),
    ANNEALING_OPTIONS(struct soft_prune),
    PRUNING_OPTIONS(struct soft_prune),
};

MN_PLUGIN("soft_prune", "0.1.0",
          MN_UNIT(MN_OP_MIXER, "soft_prune",
                  "softmax of the logits, annealed within each task (Eq. 5)", struct soft_prune,
                  op_options, &op_mixer),
          MN_UNIT(MN_INPUT_MIXER, "soft_prune",
                  "annealed softmax over the combinations of k inputs (Eq. 7)", struct soft_prune,
                  input_options, &input_mixer))
