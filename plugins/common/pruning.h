/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_COMMON_PRUNING_H
#define PLUGINS_COMMON_PRUNING_H

/* Pruning by mixture weight: a choice at or under the threshold is skipped in a pass and cut at the
 * end of a task. Meta-training and evaluation have a threshold each. */

#include <metanas/plugin.h>

#define PRUNING_OPTIONS(s)                                                                         \
    MN_REAL_OPEN(s, threshold, 0.01, 0, 1, MN_OPT_OPEN_MAX,                                        \
                 "weight at or under which a choice is skipped and cut in meta-training; 0 = "     \
                 "only weights of 0 are cut"),                                                     \
        MN_REAL_OPEN(s, test_threshold, 0.05, 0, 1, MN_OPT_OPEN_MAX, "the same in evaluation")

static inline double pruning_threshold(const struct mn_cx *cx, double train, double test) {
    return cx->where.split == MN_TRAIN ? train : test;
}

/* The largest weight, the first of equals. */
static inline int64_t pruning_largest(int64_t n, const mn_real *weights) {
    int64_t top = 0;
    for (int64_t i = 1; i < n; i++) {
        top = weights[i] > weights[top] ? i : top;
    }
    return top;
}

/* All above the threshold stay, and the largest in any case. */
static inline void pruning_keep_above(int64_t n, const mn_real *weights, double threshold,
                                      uint8_t *keep) {
    for (int64_t i = 0; i < n; i++) {
        keep[i] = (double)weights[i] > threshold;
    }
    if (n > 0) {
        keep[pruning_largest(n, weights)] = 1;
    }
}

#endif
