/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_COMMON_STRONGEST_H
#define PLUGINS_COMMON_STRONGEST_H

/* Hard pruning of inputs by rank: the k strongest stay. */

#include <metanas/plugin.h>

/* Inputs that go before input i: the stronger ones, and of equals the earlier. */
static inline int64_t strongest_rank(int64_t n, const mn_real *strength, int64_t i) {
    int64_t before = 0;
    for (int64_t j = 0; j < n; j++) {
        before += strength[j] > strength[i] || (j < i && strength[j] >= strength[i]);
    }
    return before;
}

/* strength is what select was given: the largest operation weight on each edge. */
static inline int strongest_select(struct mn_ctx *ctx, int64_t n, const mn_real *strength,
                                   int64_t k, uint8_t *keep) {
    if (strength == NULL) {
        return mn_fail(ctx, MN_INTERNAL, "select needs the strength of every input");
    }
    for (int64_t i = 0; i < n; i++) {
        keep[i] = strongest_rank(n, strength, i) < k;
    }
    return MN_OK;
}

#endif
