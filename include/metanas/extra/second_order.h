/* SPDX-License-Identifier: MIT */
#ifndef METANAS_EXTRA_SECOND_ORDER_H
#define METANAS_EXTRA_SECOND_ORDER_H

/* MAML (Finn et al. 2017): the gradient of the query loss with regard to the point a task starts
 * from, taken back through all its steps. struct mn_second_order stands first in the instance. */

#include "outer.h"

struct mn_second_order {
    struct mn_outer outer; /* first: MN_OUTER_OPTIONS */
    double first_order, multi_step, epsilon;
};

#define MN_SECOND_ORDER_OPTIONS                                                                    \
    MN_OUTER_OPTIONS,                                                                              \
        MN_REAL(struct mn_second_order, first_order, 0, 0, 1,                                      \
                "fraction of the meta-epochs, from the first, in which second derivatives are "    \
                "left out; 1 = always"),                                                           \
        MN_REAL(struct mn_second_order, multi_step, 0, 0, 1,                                       \
                "fraction of the meta-epochs, from the first, in which the query losses after "    \
                "all steps count, at first alike, in the end only the last; 0 = only the last"),   \
        MN_REAL_OPEN(struct mn_second_order, epsilon, 0.01, 0, 1e6, MN_OPT_OPEN_MIN,               \
                     "length of the displacement in the finite differences of gradients that "     \
                     "stand for second derivatives")

static inline int mn_second_order_traces(const void *self) {
    (void)self;
    return 1;
}

/* Fraction f of the meta-epochs has begun and not ended. */
static inline int mn_second_order_within(double f, const struct mn_where *where) {
    return (double)where->meta_epoch < f * (double)where->meta_epochs;
}

/* Weight of the query loss after `done` of `steps` steps (MAML++, Antoniou et al. 2019, section 4:
 * multi-step loss), linear in the meta-epoch from 1 / steps each to 1 for the last. */
static inline double mn_second_order_weight(const struct mn_second_order *s,
                                            const struct mn_where *where, int64_t steps,
                                            int64_t done) {
    const double last = done == steps ? 1 : 0;
    if (steps == 0 || !mn_second_order_within(s->multi_step, where)) {
        return last;
    }
    const double way = (double)where->meta_epoch / (s->multi_step * (double)where->meta_epochs);
    return (1 - way) / (double)steps + way * last;
}

struct mn_second_order_run {
    const struct mn_second_order *s;
    struct mn_ctx *ctx;
    const struct mn_model *model;
    const struct mn_task *task;
    struct mn_dims dims;
    int64_t steps;
    struct mn_point query; /* room */
    struct mn_adjoint adjoint;
};

static inline mn_real *mn_second_order_room(struct mn_ctx *ctx, int64_t n, int *status) {
    mn_real *at = n > 0 ? mn_scratch(ctx, (size_t)n * sizeof *at) : NULL;
    *status = n > 0 && at == NULL ? MN_NOMEM : *status;
    return at;
}

static inline int mn_second_order_begin(struct mn_second_order_run *r) {
    int status = mn_model_dims(r->ctx, r->model, &r->dims);
    r->steps = status == MN_OK ? mn_trace_steps(r->ctx) : -1;
    if (r->steps < 0) {
        return status != MN_OK ? status : MN_INTERNAL;
    }
    r->query.w = mn_second_order_room(r->ctx, r->dims.n_w, &status);
    r->query.a = mn_second_order_room(r->ctx, r->dims.n_a, &status);
    r->adjoint.epsilon = r->s->epsilon;
    r->adjoint.d.w = mn_second_order_room(r->ctx, r->dims.n_w, &status);
    r->adjoint.d.a = mn_second_order_room(r->ctx, r->dims.n_a, &status);
    if (mn_second_order_within(r->s->first_order, &r->ctx->where)) {
        r->adjoint.flags = MN_ADJOINT_FIRST_ORDER;
    }
    mn_vec_fill(status == MN_OK ? r->dims.n_w : 0, 0, r->adjoint.d.w);
    mn_vec_fill(status == MN_OK ? r->dims.n_a : 0, 0, r->adjoint.d.a);
    return status;
}

/* d += weight * gradient of the query loss after `done` steps. */
static inline int mn_second_order_query(struct mn_second_order_run *r, int64_t done) {
    const double weight = mn_second_order_weight(r->s, &r->ctx->where, r->steps, done);
    struct mn_point at;
    if (weight == 0) {
        return MN_OK;
    }
    int status = mn_trace_point(r->ctx, done, &at);
    if (status == MN_OK) {
        status = mn_outer_query_gradient(r->ctx, r->model, r->task, &at, r->query.w, r->query.a);
    }
    if (status == MN_OK) {
        mn_vec_axpy(r->dims.n_w, (mn_real)weight, r->query.w, r->adjoint.d.w);
        mn_vec_axpy(r->dims.n_a, (mn_real)weight, r->query.a, r->adjoint.d.a);
    }
    return status;
}

/* What a meta learner that has learned the factors of the steps does with their gradient. */
typedef int (*mn_second_order_rates)(const void *self, struct mn_ctx *ctx,
                                     const struct mn_model *model, int64_t step,
                                     const struct mn_point *d_rates);

static inline int mn_second_order_back(struct mn_second_order_run *r, int64_t step,
                                       mn_second_order_rates rates) {
    if (rates == NULL && r->adjoint.flags == MN_ADJOINT_FIRST_ORDER && mn_shapes(r->ctx) == 0) {
        return MN_OK; /* d stays as it is */
    }
    if (mn_cancelled(r->ctx)) {
        return mn_fail(r->ctx, MN_CANCELLED, "stopped by the user");
    }
    const int status = mn_trace_back(r->ctx, step, &r->adjoint);
    if (status != MN_OK || rates == NULL) {
        return status;
    }
    return rates(r->s, r->ctx, r->model, step, &r->adjoint.d_rates);
}

/* meta_learner.delta; `rates` may be NULL. */
static inline int mn_second_order_delta(const struct mn_second_order *s, struct mn_ctx *ctx,
                                        const struct mn_model *model, const struct mn_task *task,
                                        mn_second_order_rates rates, struct mn_point *out) {
    struct mn_second_order_run r = {.s = s, .ctx = ctx, .model = model, .task = task};
    int status = mn_second_order_begin(&r);
    if (rates != NULL && status == MN_OK) {
        r.adjoint.d_rates.w = mn_second_order_room(ctx, s->outer.n_w, &status);
        r.adjoint.d_rates.a = mn_second_order_room(ctx, s->outer.n_a, &status);
    }
    if (status == MN_OK) {
        status = mn_second_order_query(&r, r.steps);
    }
    for (int64_t step = r.steps - 1; status == MN_OK && step >= 0; step--) {
        status = mn_second_order_back(&r, step, rates);
        if (status == MN_OK && step > 0) {
            status = mn_second_order_query(&r, step);
        }
    }
    if (status != MN_OK) {
        return status;
    }
    mn_vec_copy(s->outer.n_w, r.adjoint.d.w, out->w);
    mn_vec_copy(s->outer.n_a, r.adjoint.d.a, out->a);
    return MN_OK;
}

#endif
