/* SPDX-License-Identifier: MIT */
/* Gumbel softmax: softmax((a + g) / tau) with Gumbel noise g in adaptation steps, g = 0 elsewhere;
 * tau is annealed as in soft pruning. The gradient needs only the weights, so nothing is saved. */
#include "../common/annealing.h"
#include "../common/op_mixture.h"
#include "../common/pruning.h"

struct gumbel {
    double t_max, t_min;
    int32_t anneal;
    double threshold, test_threshold;
};

static int check(const void *self, struct mn_cx *cx) {
    const struct gumbel *s = self;
    return annealing_check(cx, s->t_max, s->t_min);
}

static double threshold(const void *self, const struct mn_cx *cx) {
    const struct gumbel *s = self;
    return pruning_threshold(cx, s->threshold, s->test_threshold);
}

static double noise(struct mn_rng *rng) {
    double u;
    do {
        u = mn_rng_uniform(rng);
    } while (u <= 0); /* 0 would give minus infinity */
    return -log(-log(u));
}

static int forward(const void *self, struct mn_cx *cx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    const struct gumbel *s = self;
    mn_vec_copy(n, logits, weights);
    for (int64_t i = 0; when->training && i < n; i++) {
        weights[i] += (mn_real)noise(rng);
    }
    mn_vec_softmax(n, weights, annealing_tau(s->t_max, s->t_min, when->progress), weights);
    return MN_OK;
}

static int backward(const void *self, struct mn_cx *cx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    const struct gumbel *s = self;
    mn_vec_softmax_backward(n, weights, annealing_tau(s->t_max, s->t_min, when->progress),
                            d_weights, d_logits);
    return MN_OK;
}

static int select_above(const void *self, struct mn_cx *cx, int64_t n, const mn_real *weights,
                        const mn_real *strength, uint8_t *keep) {
    pruning_keep_above(n, weights, threshold(self, cx), keep);
    return MN_OK;
}

static const struct mn_mixer mixer = {
    .size = sizeof mixer,
    .check = check,
    .n_choices = op_n_choices,
    .n_logits = op_n_choices,
    .holds = op_holds,
    .threshold = threshold,
    .forward = forward,
    .backward = backward,
    .select = select_above,
};

static const struct mn_opt options[] = {
    ANNEALING_OPTIONS(struct gumbel),
    PRUNING_OPTIONS(struct gumbel),
};

MN_PLUGIN("gumbel", "0.1.0",
          MN_UNIT(MN_OP_MIXER, "gumbel",
                  "softmax of the logits with Gumbel noise, annealed within each task",
                  struct gumbel, options, &mixer))
