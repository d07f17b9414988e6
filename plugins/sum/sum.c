/* SPDX-License-Identifier: MIT */
/* Plain DARTS: a node sums all its inputs with weight 1; at the end of a task the k inputs with the
 * strongest operation stay. */
#include "../common/single_items.h"
#include "../common/strongest.h"

struct sum {
    int64_t k;
};

static int64_t n_logits(const void *self, int64_t n_items) {
    return 0;
}

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    mn_vec_fill(n, 1, weights);
    return MN_OK;
}

static int select_strongest(const void *self, struct mn_ctx *ctx, int64_t n,
                            const struct mn_when *when, const mn_real *weights,
                            const mn_real *strength, uint8_t *keep) {
    const struct sum *s = self;
    return strongest_select(ctx, n, strength, s->k, keep);
}

static const struct mn_mixer mixer = {
    .size = sizeof mixer,
    .n_choices = single_n_choices,
    .n_logits = n_logits,
    .holds = single_holds,
    .forward = forward,
    .select = select_strongest,
};

static const struct mn_opt options[] = {
    MN_INT(struct sum, k, 2, 1, 64, "inputs of a node that stay after pruning"),
};

MN_PLUGIN("sum", "0.1.0",
          MN_UNIT(MN_INPUT_MIXER, "sum", "plain DARTS: all inputs of a node with weight 1",
                  struct sum, options, &mixer))
