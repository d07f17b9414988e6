/* SPDX-License-Identifier: MIT */
/* Softmax over the inputs of a node, w = softmax(a / temperature) (Eq. 6); pruning leaves the k
 * inputs whose weight times their strongest operation is largest. */
#include <metanas/plugin.h>

struct mixer {
    int64_t k;
    double temperature;
};

/* One choice, and one logit, for every input. */
static int64_t n_choices(const void *self, int64_t n_items) {
    return n_items;
}

static int holds(const void *self, int64_t n_items, int64_t choice, int64_t item) {
    return choice == item;
}

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    const struct mixer *s = self;
    mn_vec_softmax(n, logits, s->temperature, weights);
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    const struct mixer *s = self;
    mn_vec_softmax_backward(n, weights, s->temperature, d_weights, d_logits);
    return MN_OK;
}

static double score(const mn_real *weights, const mn_real *strength, int64_t i) {
    return (double)weights[i] * (strength != NULL ? (double)strength[i] : 1);
}

/* An input stays if fewer than k come before it; of equals the first does. */
static int select_strongest(const void *self, struct mn_ctx *ctx, int64_t n,
                            const struct mn_when *when, const mn_real *weights,
                            const mn_real *strength, uint8_t *keep) {
    const struct mixer *s = self;
    for (int64_t i = 0; i < n; i++) {
        const double own = score(weights, strength, i);
        int64_t before = 0;
        for (int64_t j = 0; j < n; j++) {
            const double other = score(weights, strength, j);
            before += other > own || (other == own && j < i);
        }
        keep[i] = before < s->k;
    }
    return MN_OK;
}

static const struct mn_mixer table = {
    .size = sizeof table,
    .n_choices = n_choices,
    .n_logits = n_choices,
    .holds = holds,
    .forward = forward,
    .backward = backward,
    .select = select_strongest,
};

static const struct mn_opt options[] = {
    MN_INT(struct mixer, k, 2, 1, 64, "inputs that a node keeps"),
    MN_REAL_OPEN(struct mixer, temperature, 1.0, 0, 1e6, MN_OPT_OPEN_MIN, "of the softmax"),
};

MN_PLUGIN("@NAME@", "0.1.0",
          MN_UNIT(MN_INPUT_MIXER, "@NAME@", "softmax over the inputs, the k strongest stay",
                  struct mixer, options, &table))
