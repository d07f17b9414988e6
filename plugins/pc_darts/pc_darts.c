/* SPDX-License-Identifier: MIT */
/* PC-DARTS (Xu et al., ICLR 2020). Search space: only 1/k of the channels of an edge go through the
 * candidates, the others pass by (section 3.2). Input mixer: edge normalisation, a softmax over the
 * inputs of a node (section 3.3). */
#include "../common/single_items.h"
#include "../common/strongest.h"
#include "../darts/one_shot.h"

/* ---- partial channels --------------------------------------------------------------------- */

struct partial {
    struct one_shot one_shot; /* first: ONE_SHOT_OPTIONS */
    int64_t k;
};

/* Every candidate has an even number of channels: a factorized reduce halves them. */
static int check(const void *self, struct mn_ctx *ctx) {
    const struct partial *s = self;
    const int64_t channels = s->one_shot.network.size.channels;
    if (channels % (2 * s->k) != 0) {
        return mn_bad_option(ctx, "channels",
                             "%" PRId64 " is not a multiple of 2 k = %" PRId64
                             ": 1/k of the channels go through the candidates, and a factorized "
                             "reduce needs two halves of them",
                             channels, 2 * s->k);
    }
    return one_shot_check(self, ctx);
}

static int build(const void *self, struct mn_ctx *ctx, const struct mn_dims *dims,
                 struct mn_builder *builder) {
    const struct partial *s = self;
    return one_shot_build(&s->one_shot, ctx, builder, (int32_t)s->k);
}

static int budget(const void *self, struct mn_ctx *ctx, struct mn_budget *out) {
    const struct partial *s = self;
    const int status = network_budget(self, ctx, out);
    out->least = out->step = 2 * s->k;
    return status;
}

static const struct mn_search_space space = {
    .size = sizeof space,
    .check = check,
    .build = build,
    .budget = budget,
    .resize = budget_resize,
};

static const struct mn_opt space_options[] = {
    MN_INT(struct partial, k, 2, 1, 64,
           "1/k of the channels go through the candidates; 1 = all, as in darts"),
    ONE_SHOT_OPTIONS,
};

/* ---- edge normalisation ------------------------------------------------------------------- */

struct edges {
    int64_t k;
};

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    mn_vec_softmax(n, logits, 1, weights);
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    mn_vec_softmax_backward(n, weights, 1, d_weights, d_logits);
    return MN_OK;
}

/* An input is as strong as its weight times that of its strongest operation. */
static int select_strongest(const void *self, struct mn_ctx *ctx, int64_t n,
                            const struct mn_when *when, const mn_real *weights,
                            const mn_real *strength, uint8_t *keep) {
    const struct edges *s = self;
    mn_real *product = mn_scratch(ctx, (size_t)n * sizeof *product);
    if (product == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; strength != NULL && i < n; i++) {
        product[i] = weights[i] * strength[i];
    }
    return strongest_select(ctx, n, strength != NULL ? product : NULL, s->k, keep);
}

static const struct mn_mixer mixer = {
    .size = sizeof mixer,
    .n_choices = single_n_choices,
    .n_logits = single_n_choices,
    .holds = single_holds,
    .forward = forward,
    .backward = backward,
    .select = select_strongest,
};

static const struct mn_opt mixer_options[] = {
    MN_INT(struct edges, k, 2, 1, 64, "inputs of a node that stay after pruning"),
};

MN_PLUGIN("pc_darts", "0.1.0",
          MN_UNIT(MN_SEARCH_SPACE, "pc_darts",
                  "the cells of darts, with 1/k of the channels in the candidates (PC-DARTS)",
                  struct partial, space_options, &space),
          MN_UNIT(MN_INPUT_MIXER, "pc_darts",
                  "edge normalisation: softmax over the inputs, the k strongest stay (PC-DARTS)",
                  struct edges, mixer_options, &mixer))
