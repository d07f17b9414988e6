/* SPDX-License-Identifier: MIT */
/* DARTS- (Chu et al., ICLR 2021): beside the softmax an auxiliary skip connection of weight beta
 * (1 - p), which falls to 0 with the progress p of the task. It takes over what a skip connection
 * does for the training of the others, so that the candidate of that name is chosen for what it
 * adds. The host has no second skip connection to weigh: the weight of the first is raised. */
#include "../common/annealing.h"
#include "../common/single_items.h"

#include <stdio.h>
#include <string.h>

struct darts_minus {
    struct annealing annealing; /* first: ANNEALING_OPTIONS, PRUNING_OPTIONS */
    double beta;
    const char *skip;
};

/* Its number among the items, or n_items. */
static int32_t find_skip(const struct darts_minus *s, const struct mn_mixture *mixture) {
    int32_t i = 0;
    while (i < mixture->n_items && strcmp(mixture->items[i], s->skip) != 0) {
        i++;
    }
    return i;
}

static int accept(const void *self, struct mn_ctx *ctx, const struct mn_mixture *mixture) {
    const struct darts_minus *s = self;
    char names[512] = "";
    size_t at = 0;
    if (find_skip(s, mixture) < mixture->n_items) {
        return MN_OK;
    }
    for (int32_t i = 0; i < mixture->n_items && at < sizeof names; i++) {
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i > 0 ? ", " : "",
                               mixture->items[i]);
    }
    return mn_bad_option(ctx, "skip", "no candidate of %s is called '%.40s'; they are %s",
                         mixture->name, s->skip, names);
}

/* The softmax is what backward needs. */
static int64_t n_saved(const void *self, int64_t n) {
    return n;
}

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    const struct darts_minus *s = self;
    const int32_t skip = find_skip(s, when->mixture);
    double tau;
    const int status = annealing_begin(self, ctx, when, &tau);
    mn_vec_softmax(n, logits, tau, saved);
    for (int64_t i = 0; i < n; i++) {
        const double more = mn_choice(when, i) == skip ? s->beta * (1 - when->progress) : 0;
        weights[i] = (mn_real)((double)saved[i] + more);
    }
    return status;
}

static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    return annealing_backward(self, ctx, n, logits, when, saved, NULL, d_weights, d_logits);
}

static const struct mn_mixer mixer = {
    .size = sizeof mixer,
    .check = annealing_check,
    .n_choices = single_n_choices,
    .n_logits = single_n_choices,
    .holds = single_holds,
    .accept = accept,
    .n_saved = n_saved,
    .threshold = pruning_threshold,
    .forward = forward,
    .backward = backward,
    .select = pruning_select_above,
};

static const struct mn_opt options[] = {
    MN_REAL(struct darts_minus, beta, 1.0, 0, 1e6,
            "weight of the auxiliary skip connection in the first step; it falls to 0 in the last"),
    MN_TEXT(struct darts_minus, skip, "skip_connect",
            "the candidate that is the skip connection, as search_space.ops names it"),
    ANNEALING_OPTIONS(1.0, 0.05),
    PRUNING_OPTIONS,
};

MN_PLUGIN("darts_minus", "0.1.0",
          MN_UNIT_FLAGGED(MN_OP_MIXER, MN_UNIT_FREE_SUM, "darts_minus",
                          "annealed softmax with an auxiliary skip connection that fades (DARTS-)",
                          struct darts_minus, options, &mixer))
