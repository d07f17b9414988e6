/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_COMMON_PRUNING_H
#define PLUGINS_COMMON_PRUNING_H

/* Pruning by mixture weight. With thresholds, a choice at or under the threshold is skipped in a
 * pass and cut at the end of a task; meta-training and evaluation have a threshold each. */

#include <metanas/plugin.h>

/* The first field of an instance with thresholds. */
struct pruning {
    double threshold, test_threshold;
};

#define PRUNING_OPTIONS                                                                            \
    MN_REAL_OPEN(struct pruning, threshold, 0.01, 0, 1, MN_OPT_OPEN_MAX,                           \
                 "weight at or under which a choice is skipped and cut in meta-training; 0 = "     \
                 "only weights of 0 are cut"),                                                     \
        MN_REAL_FLAGS(struct pruning, test_threshold, 0.05, 0, 1,                                  \
                      MN_OPT_OPEN_MAX | MN_OPT_EVALUATION, "the same in evaluation")

/* As threshold. */
static inline double pruning_threshold(const void *self, const struct mn_ctx *ctx) {
    const struct pruning *s = self;
    return ctx->where.split == MN_TRAIN ? s->threshold : s->test_threshold;
}

/* The largest weight, the first of equals. */
static inline int64_t pruning_largest(int64_t n, const mn_real *weights) {
    int64_t top = 0;
    for (int64_t i = 1; i < n; i++) {
        top = weights[i] > weights[top] ? i : top;
    }
    return top;
}

/* As select: all above the threshold stay, and the largest in any case. */
static inline int pruning_select_above(const void *self, struct mn_ctx *ctx, int64_t n,
                                       const struct mn_when *when, const mn_real *weights,
                                       const mn_real *strength, uint8_t *keep) {
    const double threshold = pruning_threshold(self, ctx);
    for (int64_t i = 0; i < n; i++) {
        keep[i] = (double)weights[i] > threshold;
    }
    keep[pruning_largest(n, weights)] = 1;
    return MN_OK;
}

/* As select: only the largest stays. */
static inline int pruning_select_largest(const void *self, struct mn_ctx *ctx, int64_t n,
                                         const struct mn_when *when, const mn_real *weights,
                                         const mn_real *strength, uint8_t *keep) {
    memset(keep, 0, (size_t)n);
    keep[pruning_largest(n, weights)] = 1;
    return MN_OK;
}

#endif
