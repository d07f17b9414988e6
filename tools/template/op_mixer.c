/* SPDX-License-Identifier: MIT */
/* Softmax of the logits at a temperature that falls geometrically within each task:
 * w = softmax(a / t), t = t_max (t_min / t_max)^progress. */
#include <metanas/plugin.h>

struct mixer {
    double t_max, t_min;
};

static int check(const void *self, struct mn_ctx *ctx) {
    const struct mixer *s = self;
    if (s->t_min > s->t_max) {
        return mn_bad_option(ctx, "t_min", "%g is over t_max, %g", s->t_min, s->t_max);
    }
    return MN_OK;
}

static double temperature(const struct mixer *s, const struct mn_when *when) {
    return s->t_max * pow(s->t_min / s->t_max, when->progress);
}

/* One choice, and one logit, for every candidate operation. */
static int64_t n_choices(const void *self, int64_t n_items) {
    return n_items;
}

static int holds(const void *self, int64_t n_items, int64_t choice, int64_t item) {
    return choice == item;
}

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    mn_vec_softmax(n, logits, temperature(self, when), weights);
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    mn_vec_softmax_backward(n, weights, temperature(self, when), d_weights, d_logits);
    return MN_OK;
}

/* Pruning leaves the operation with the largest weight. */
static int select_largest(const void *self, struct mn_ctx *ctx, int64_t n,
                          const struct mn_when *when, const mn_real *weights,
                          const mn_real *strength, uint8_t *keep) {
    int64_t top = 0;
    for (int64_t i = 0; i < n; i++) {
        keep[i] = 0;
        top = weights[i] > weights[top] ? i : top;
    }
    keep[top] = 1;
    return MN_OK;
}

static const struct mn_mixer table = {
    .size = sizeof table,
    .check = check,
    .n_choices = n_choices,
    .n_logits = n_choices,
    .holds = holds,
    .forward = forward,
    .backward = backward,
    .select = select_largest,
};

static const struct mn_opt options[] = {
    MN_REAL_OPEN(struct mixer, t_max, 1.0, 0, 1e6, MN_OPT_OPEN_MIN, "temperature at the start"),
    MN_REAL_OPEN(struct mixer, t_min, 0.05, 0, 1e6, MN_OPT_OPEN_MIN, "temperature at the end"),
};

MN_PLUGIN("@NAME@", "0.1.0",
          MN_UNIT(MN_OP_MIXER, "@NAME@", "softmax at a temperature that falls geometrically",
                  struct mixer, options, &table))
