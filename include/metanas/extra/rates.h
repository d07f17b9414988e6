/* SPDX-License-Identifier: MIT */
#ifndef METANAS_EXTRA_RATES_H
#define METANAS_EXTRA_RATES_H

/* Updates in which a meta learner has a hand: factors on them (mn_step_rates), or where they lead
 * (mn_shape). */

#include "../plugin.h"

/* Of a step; `begin` once, then `note` and `apply` around every update, or `back` on the way back.
 */
struct mn_rates {
    struct mn_ctx *ctx;
    int64_t step;
    struct mn_point factors;   /* of the step; NULL = 1 */
    uint32_t shapes;           /* what mn_shapes names */
    mn_real *before, *u, *d_u; /* room: [max(n_w, n_a)] each, the last two where shapes is not 0 */
};

static inline int mn_rates_begin(struct mn_rates *rates, struct mn_ctx *ctx,
                                 const struct mn_dims *dims, int64_t step) {
    const int status = mn_step_rates(ctx, step, &rates->factors);
    rates->ctx = ctx;
    rates->step = step;
    rates->shapes = mn_shapes(ctx);
    const int any = rates->factors.w != NULL || rates->factors.a != NULL || rates->shapes != 0;
    if (status != MN_OK || !any || rates->before != NULL) {
        return status;
    }
    const int64_t n = dims->n_w > dims->n_a ? dims->n_w : dims->n_a;
    rates->before = mn_scratch(ctx, (size_t)(rates->shapes != 0 ? 3 * n : n) * sizeof(mn_real));
    if (rates->before == NULL) {
        return MN_NOMEM;
    }
    rates->u = rates->before + (rates->shapes != 0 ? n : 0);
    rates->d_u = rates->u + (rates->shapes != 0 ? n : 0);
    return MN_OK;
}

static inline const mn_real *mn_rates_factors(const struct mn_rates *rates, int architecture) {
    return architecture ? rates->factors.a : rates->factors.w;
}

static inline int mn_rates_shaped(const struct mn_rates *rates, int architecture) {
    return (rates->shapes & (architecture ? MN_ADAPTS_A : MN_ADAPTS_W)) != 0;
}

/* Before an update of x[n], the weights or the logits ... */
static inline void mn_rates_note(const struct mn_rates *rates, int architecture, int64_t n,
                                 const mn_real *x) {
    if (mn_rates_factors(rates, architecture) != NULL || mn_rates_shaped(rates, architecture)) {
        mn_vec_copy(n, x, rates->before);
    }
}

static inline struct mn_update mn_rates_update(const struct mn_rates *rates, int architecture,
                                               int64_t n, const mn_real *x) {
    return (struct mn_update){.size = sizeof(struct mn_update),
                              .architecture = architecture,
                              .step = rates->step,
                              .n = n,
                              .x = x,
                              .u = rates->u};
}

/* ... and after it: with u = factor * (x - before), x = before + u or where that is shaped to. */
static inline int mn_rates_apply(const struct mn_rates *rates, int architecture, int64_t n,
                                 mn_real *x) {
    const mn_real *factors = mn_rates_factors(rates, architecture);
    for (int64_t i = 0; factors != NULL && i < n; i++) {
        x[i] = rates->before[i] + factors[i] * (x[i] - rates->before[i]);
    }
    if (!mn_rates_shaped(rates, architecture)) {
        return MN_OK;
    }
    mn_vec_sub(n, x, rates->before, rates->u);
    const struct mn_update update = mn_rates_update(rates, architecture, n, rates->before);
    return mn_shape(rates->ctx, &update, x);
}

/* The gradient with regard to u = x after - x before, which rates->u holds where the update is
 * shaped. d[n] comes with regard to x after and becomes what reaches x before without u. */
static inline int mn_rates_back(const struct mn_rates *rates, int architecture, int64_t n,
                                const mn_real *x, mn_real *d, const mn_real **d_u) {
    *d_u = d;
    if (!mn_rates_shaped(rates, architecture)) {
        return MN_OK;
    }
    const struct mn_update update = mn_rates_update(rates, architecture, n, x);
    *d_u = rates->d_u;
    return mn_shape_back(rates->ctx, &update, d, rates->d_u);
}

#endif
