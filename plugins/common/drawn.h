/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_COMMON_DRAWN_H
#define PLUGINS_COMMON_DRAWN_H

/* Op mixers that draw a candidate in adaptation steps. Elsewhere, without noise, the weights are
 * the probabilities of the candidates, softmax(a): the mean of what is drawn. */

#include <metanas/plugin.h>

static inline void drawn_mean(int64_t n, const mn_real *logits, mn_real *weights) {
    mn_vec_softmax(n, logits, 1, weights);
}

static inline void drawn_mean_backward(int64_t n, const mn_real *weights, const mn_real *d_weights,
                                       mn_real *d_logits) {
    mn_vec_softmax_backward(n, weights, 1, d_weights, d_logits);
}

/* Weight 1 for the one that was drawn, 0 for the others. `p` is its probability: the host sees only
 * ones and zeroes, and would not find out that a logit is not a number. */
static inline int drawn_open(struct mn_ctx *ctx, int64_t n, int64_t drawn, mn_real p,
                             mn_real *weights) {
    if (!isfinite(p)) {
        return mn_fail(ctx, MN_NUMERIC, "the probability of a candidate is %g", fabs((double)p));
    }
    mn_vec_fill(n, 0, weights);
    weights[drawn] = 1;
    return MN_OK;
}

#endif
