/* SPDX-License-Identifier: MIT */
/* Meta-SGD (Li et al. 2017): MAML with a learned step size for every weight and logit, here a
 * factor on the task learner's own rate. */
#include <metanas/extra/second_order.h>

struct meta_sgd {
    struct mn_second_order second_order; /* first: MN_SECOND_ORDER_OPTIONS */
    double lr_rates;
    struct mn_point rates; /* set by start, as the rest */
    struct mn_outer_moments moments_w, moments_a;
};

static int64_t n_own(const void *self, const struct mn_dims *dims) {
    return dims->n_w + dims->n_a;
}

/* n factors of 1; NULL where n is 0 or there is no memory. */
static mn_real *claim_rates(struct mn_ctx *ctx, const char *name, int64_t n, int *status) {
    mn_real *rates = n > 0 && *status == MN_OK ? mn_state(ctx, name, n) : NULL;
    if (rates != NULL) {
        mn_vec_fill(n, 1, rates);
    } else if (n > 0 && *status == MN_OK) {
        *status = MN_NOMEM;
    }
    return rates;
}

static int start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    static const char *const names_w[] = {"m_rates_w", "v_rates_w", "t_rates_w"};
    static const char *const names_a[] = {"m_rates_a", "v_rates_a", "t_rates_a"};
    struct meta_sgd *s = self;
    struct mn_outer *outer = &s->second_order.outer;
    int status = mn_outer_start(outer, ctx, dims);
    s->rates.w = claim_rates(ctx, "rates_w", dims->n_w, &status);
    s->rates.a = claim_rates(ctx, "rates_a", dims->n_a, &status);
    if (status == MN_OK) {
        status = mn_outer_claim(outer, ctx, names_w, dims->n_w, &s->moments_w);
    }
    if (status == MN_OK) {
        status = mn_outer_claim(outer, ctx, names_a, dims->n_a, &s->moments_a);
    }
    return status;
}

static int rates(const void *self, struct mn_ctx *ctx, const struct mn_model *model, int64_t step,
                 struct mn_point *out) {
    const struct meta_sgd *s = self;
    mn_vec_copy(s->second_order.outer.n_w, s->rates.w, out->w);
    mn_vec_copy(s->second_order.outer.n_a, s->rates.a, out->a);
    return MN_OK;
}

/* The factors are those of all steps. */
static int add_rates(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                     int64_t step, const struct mn_point *d_rates) {
    const struct mn_outer *outer = &((const struct meta_sgd *)self)->second_order.outer;
    mn_real *own = mn_own_delta(ctx);
    if (own == NULL) {
        return MN_INTERNAL;
    }
    mn_vec_axpy(outer->n_w, 1, d_rates->w, own);
    mn_vec_axpy(outer->n_a, 1, d_rates->a, own + outer->n_w);
    return MN_OK;
}

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct meta_sgd *s = self;
    mn_real *own = mn_own_delta(ctx);
    if (own == NULL) {
        return MN_INTERNAL;
    }
    mn_vec_fill(s->second_order.outer.n_w + s->second_order.outer.n_a, 0, own);
    return mn_second_order_delta(&s->second_order, ctx, model, task, add_rates, out);
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    struct meta_sgd *s = self;
    struct mn_outer *outer = &s->second_order.outer;
    const double lr = s->lr_rates * mn_schedule_factor(outer->schedule, &ctx->where);
    const mn_real *own = mn_own_delta(ctx);
    if (own == NULL) {
        return MN_INTERNAL;
    }
    mn_outer_descend(outer, lr, outer->n_w, own, &s->moments_w, s->rates.w);
    mn_outer_descend(outer, lr, outer->n_a, own + outer->n_w, &s->moments_a, s->rates.a);
    return mn_outer_update(outer, ctx, meta, mean_delta);
}

static const struct mn_meta_learner learner = {
    .size = sizeof learner,
    .start = start,
    .delta = delta,
    .update = update,
    .traces = mn_second_order_traces,
    .n_own = n_own,
    .rates = rates,
};

static const struct mn_opt options[] = {
    MN_SECOND_ORDER_OPTIONS,
    MN_REAL(struct meta_sgd, lr_rates, 0.01, 0, 1e12, "meta learning rate of the factors"),
};

MN_PLUGIN("meta_sgd", "0.1.0",
          MN_UNIT(MN_META_LEARNER, "meta_sgd",
                  "MAML with a learned step size for every weight and logit", struct meta_sgd,
                  options, &learner))
