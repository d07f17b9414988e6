/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_COMMON_ANNEALING_H
#define PLUGINS_COMMON_ANNEALING_H

/* A softmax whose temperature falls from t_max to t_min within each task. */

#include "pruning.h"

/* The first field of an instance whose temperature falls. */
struct annealing {
    struct pruning pruning; /* zero in mixers without thresholds */
    double t_max, t_min;
    int32_t anneal;
};

static const char *const annealing_choices[] = {"linear", NULL};

#define ANNEALING_OPTIONS(t_max_, t_min_)                                                          \
    MN_REAL_OPEN(struct annealing, t_max, t_max_, 0, 1e6, MN_OPT_OPEN_MIN,                         \
                 "temperature of the first task step"),                                            \
        MN_REAL_OPEN(struct annealing, t_min, t_min_, 0, 1e6, MN_OPT_OPEN_MIN,                     \
                     "temperature of the last architecture step and after it"),                    \
        MN_CHOICE(struct annealing, anneal, 0, annealing_choices,                                  \
                  "course of the temperature over the task steps")

/* As check. */
static inline int annealing_check(const void *self, struct mn_ctx *ctx) {
    const struct annealing *s = self;
    if (s->t_min > s->t_max) {
        return mn_bad_option(ctx, "t_min", "t_min %g is over t_max %g; the temperature must fall",
                             s->t_min, s->t_max);
    }
    return MN_OK;
}

static inline double annealing_tau(const void *self, const struct mn_when *when) {
    const struct annealing *s = self;
    return s->t_max - when->progress * (s->t_max - s->t_min);
}

/* The same in `forward`, which tells metrics.jsonl. */
static inline int annealing_begin(const void *self, struct mn_ctx *ctx, const struct mn_when *when,
                                  double *tau) {
    *tau = annealing_tau(self, when);
    return mn_metric(ctx, "temperature", *tau);
}

/* As backward, for weights that are a softmax at the temperature of `when`, whatever was added to
 * the logits: it needs only the weights. */
static inline int annealing_backward(const void *self, struct mn_ctx *ctx, int64_t n,
                                     const mn_real *logits, const struct mn_when *when,
                                     const mn_real *weights, const mn_real *saved,
                                     const mn_real *d_weights, mn_real *d_logits) {
    mn_vec_softmax_backward(n, weights, annealing_tau(self, when), d_weights, d_logits);
    return MN_OK;
}

#endif
