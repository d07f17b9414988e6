/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_COMMON_GUMBEL_SOFTMAX_H
#define PLUGINS_COMMON_GUMBEL_SOFTMAX_H

/* softmax((a + g) / tau) with independent standard Gumbel noise g (Jang et al., ICLR 2017). The
 * largest of a + g is i with probability softmax(a)_i, at any tau. */

#include <metanas/plugin.h>

static inline double gumbel_noise(struct mn_rng *rng) {
    double u;
    do {
        u = mn_rng_uniform(rng);
    } while (u <= 0); /* 0 would give minus infinity */
    return -log(-log(u));
}

static inline void gumbel_softmax(int64_t n, const mn_real *logits, double tau, struct mn_rng *rng,
                                  mn_real *out) {
    for (int64_t i = 0; i < n; i++) {
        out[i] = logits[i] + (mn_real)gumbel_noise(rng);
    }
    mn_vec_softmax(n, out, tau, out);
}

#endif
