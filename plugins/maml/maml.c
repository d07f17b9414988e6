/* SPDX-License-Identifier: MIT */
/* MAML with second derivatives (Finn et al. 2017), and learning rates for every step (MAML++,
 * Antoniou et al. 2019, section 4). */
#include <metanas/extra/second_order.h>

enum { FIXED, STEP, LAYER };

struct maml {
    struct mn_second_order second_order; /* first: MN_SECOND_ORDER_OPTIONS */
    int32_t step_rates;
    int64_t rate_steps;
    double lr_rates;
    int64_t n_w_groups, n_a_groups; /* set by start, as the rest */
    mn_real *rates;                 /* [rate_steps][n_w_groups + n_a_groups] */
    struct mn_outer_moments moments;
};

/* Groups of weights or logits that share a factor; n reals in n_segments tensors. */
static int64_t groups_of(const struct maml *s, int64_t n, int32_t n_segments) {
    if (n == 0) {
        return 0;
    }
    return s->step_rates == LAYER ? n_segments : 1;
}

static int64_t n_own(const void *self, const struct mn_dims *dims) {
    const struct maml *s = self;
    if (s->step_rates == FIXED) {
        return 0;
    }
    return s->rate_steps * (groups_of(s, dims->n_w, dims->n_w_segments) +
                            groups_of(s, dims->n_a, dims->n_a_segments));
}

static int start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    static const char *const names[] = {"m_rates", "v_rates", "t_rates"};
    struct maml *s = self;
    const int64_t n = n_own(self, dims);
    s->n_w_groups = groups_of(s, dims->n_w, dims->n_w_segments);
    s->n_a_groups = groups_of(s, dims->n_a, dims->n_a_segments);
    const int status = mn_outer_start(&s->second_order.outer, ctx, dims);
    if (status != MN_OK || n == 0) {
        return status;
    }
    s->rates = mn_state(ctx, "rates", n);
    if (s->rates == NULL) {
        return MN_NOMEM;
    }
    mn_vec_fill(n, 1, s->rates);
    return mn_outer_claim(&s->second_order.outer, ctx, names, n, &s->moments);
}

/* ---- groups ------------------------------------------------------------------------------- */

/* Where group g of w or a lies. */
static int group_at(const struct maml *s, struct mn_ctx *ctx, const struct mn_model *model,
                    int architecture, int64_t g, struct mn_segment *out) {
    const struct mn_outer *outer = &s->second_order.outer;
    if (s->step_rates == LAYER) {
        return mn_model_segment(ctx, model, architecture, (int32_t)g, out);
    }
    out->offset = 0;
    out->count = architecture ? outer->n_a : outer->n_w;
    return MN_OK;
}

/* The factors of a step; those after the last learned one share its factors. */
static int64_t row_of(const struct maml *s, int64_t step) {
    const int64_t row = step < s->rate_steps ? step : s->rate_steps - 1;
    return row * (s->n_w_groups + s->n_a_groups);
}

static int spread(const struct maml *s, struct mn_ctx *ctx, const struct mn_model *model,
                  int architecture, const mn_real *factors, mn_real *out) {
    const int64_t n = architecture ? s->n_a_groups : s->n_w_groups;
    for (int64_t g = 0; g < n; g++) {
        struct mn_segment at;
        const int status = group_at(s, ctx, model, architecture, g, &at);
        if (status != MN_OK) {
            return status;
        }
        mn_vec_fill(at.count, factors[g], out + at.offset);
    }
    return MN_OK;
}

static int rates(const void *self, struct mn_ctx *ctx, const struct mn_model *model, int64_t step,
                 struct mn_point *out) {
    const struct maml *s = self;
    if (s->rates == NULL) {
        *out = (struct mn_point){NULL, NULL};
        return MN_OK;
    }
    const mn_real *row = s->rates + row_of(s, step);
    const int status = spread(s, ctx, model, 0, row, out->w);
    return status != MN_OK ? status : spread(s, ctx, model, 1, row + s->n_w_groups, out->a);
}

static int gather(const struct maml *s, struct mn_ctx *ctx, const struct mn_model *model,
                  int architecture, const mn_real *d_rates, mn_real *out) {
    const int64_t n = architecture ? s->n_a_groups : s->n_w_groups;
    for (int64_t g = 0; g < n; g++) {
        struct mn_segment at;
        double sum = 0;
        const int status = group_at(s, ctx, model, architecture, g, &at);
        if (status != MN_OK) {
            return status;
        }
        for (int64_t i = 0; i < at.count; i++) {
            sum += (double)d_rates[at.offset + i];
        }
        out[g] += (mn_real)sum;
    }
    return MN_OK;
}

static int add_rates(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                     int64_t step, const struct mn_point *d_rates) {
    const struct maml *s = self;
    mn_real *own = mn_own_delta(ctx);
    if (own == NULL) {
        return MN_INTERNAL;
    }
    own += row_of(s, step);
    const int status = gather(s, ctx, model, 0, d_rates->w, own);
    return status != MN_OK ? status : gather(s, ctx, model, 1, d_rates->a, own + s->n_w_groups);
}

/* ---- outer loop --------------------------------------------------------------------------- */

static int64_t n_rates(const struct maml *s) {
    return s->rates == NULL ? 0 : s->rate_steps * (s->n_w_groups + s->n_a_groups);
}

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct maml *s = self;
    if (s->rates == NULL) {
        return mn_second_order_delta(&s->second_order, ctx, model, task, NULL, out);
    }
    mn_real *own = mn_own_delta(ctx);
    if (own == NULL) {
        return MN_INTERNAL;
    }
    mn_vec_fill(n_rates(s), 0, own);
    return mn_second_order_delta(&s->second_order, ctx, model, task, add_rates, out);
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    struct maml *s = self;
    struct mn_outer *outer = &s->second_order.outer;
    const int status = mn_outer_update(outer, ctx, meta, mean_delta);
    if (status != MN_OK || s->rates == NULL) {
        return status;
    }
    const mn_real *own = mn_own_delta(ctx);
    if (own == NULL) {
        return MN_INTERNAL;
    }
    mn_outer_descend(outer, s->lr_rates * mn_schedule_factor(outer->schedule, &ctx->where),
                     n_rates(s), own, &s->moments, s->rates);
    return MN_OK;
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

static const char *const step_rates_choices[] = {"fixed", "step", "layer", NULL};

static const struct mn_opt options[] = {
    MN_SECOND_ORDER_OPTIONS,
    MN_CHOICE(struct maml, step_rates, FIXED, step_rates_choices,
              "learned factors on the task learner's rates: none; one for the weights and one for "
              "the logits of every step; or one for every tensor of every step"),
    MN_INT(struct maml, rate_steps, 5, 1, 10000,
           "steps that have factors of their own; later steps take those of the last"),
    MN_REAL(struct maml, lr_rates, 0.01, 0, 1e12, "meta learning rate of the factors"),
};

MN_PLUGIN("maml", "0.1.0",
          MN_UNIT(MN_META_LEARNER, "maml",
                  "descends the query loss through the steps of the task, with second derivatives",
                  struct maml, options, &learner))
