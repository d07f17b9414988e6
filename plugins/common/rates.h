/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_COMMON_RATES_H
#define PLUGINS_COMMON_RATES_H

/* Updates whose length a meta learner has learned (mn_step_rates). */

#include <metanas/plugin.h>

/* Room for the points that rates_apply starts from. */
struct rates {
    struct mn_point factors; /* of the step; NULL = 1 */
    mn_real *before;         /* [max(n_w, n_a)] */
};

/* The factors of `step`. */
static inline int rates_begin(struct rates *rates, struct mn_ctx *ctx, const struct mn_dims *dims,
                              int64_t step) {
    const int status = mn_step_rates(ctx, step, &rates->factors);
    const int any = rates->factors.w != NULL || rates->factors.a != NULL;
    if (status != MN_OK || !any || rates->before != NULL) {
        return status;
    }
    const int64_t n = dims->n_w > dims->n_a ? dims->n_w : dims->n_a;
    rates->before = mn_scratch(ctx, (size_t)n * sizeof *rates->before);
    return rates->before != NULL ? MN_OK : MN_NOMEM;
}

/* Before an update of x[n] with these factors (NULL = 1) ... */
static inline void rates_note(const struct rates *rates, const mn_real *factors, int64_t n,
                              const mn_real *x) {
    if (factors != NULL) {
        mn_vec_copy(n, x, rates->before);
    }
}

/* ... and after it: x = before + factor * (x - before). */
static inline void rates_apply(const struct rates *rates, const mn_real *factors, int64_t n,
                               mn_real *x) {
    for (int64_t i = 0; factors != NULL && i < n; i++) {
        x[i] = rates->before[i] + factors[i] * (x[i] - rates->before[i]);
    }
}

#endif
