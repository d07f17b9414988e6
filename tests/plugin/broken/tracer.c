/* SPDX-License-Identifier: MIT */
/* MAML with one learned factor for the updates of all steps. */
#define WAYS                                                                                       \
    FINE, NO_TRACES, OUT_OF_TURN, LATE_POINT, OWN_WITHOUT, OWN_UNWRITTEN, NEGATIVE_OWN,            \
        NAN_FACTORS, HALF_FACTORS, HIDDEN_FACTOR, SHAPE_ALONE, SHAPE_BACK_TWICE, SHAPE_UNWRITTEN
#include "wrong.h"

struct learner {
    double lr;
    int64_t n_w, n_a;
    mn_real *factor;
    double hidden;
};

static int start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    struct learner *s = self;
    s->n_w = dims->n_w;
    s->n_a = dims->n_a;
    s->hidden = 1;
    s->factor = mn_state(ctx, "factor", 1);
    if (s->factor == NULL) {
        return MN_NOMEM;
    }
    *s->factor = 1;
    return MN_OK;
}

static int traces(const void *self) {
    return wrong != NO_TRACES;
}

static int64_t n_own(const void *self, const struct mn_dims *dims) {
    if (wrong == NEGATIVE_OWN) {
        return -1;
    }
    return wrong != OWN_WITHOUT;
}

static int rates(const void *self, struct mn_ctx *ctx, const struct mn_model *model, int64_t step,
                 struct mn_point *out) {
    const struct learner *s = self;
    const mn_real factor = wrong == HIDDEN_FACTOR ? (mn_real)s->hidden : *s->factor;
    mn_vec_fill(wrong == HALF_FACTORS ? s->n_w - 1 : s->n_w, factor, out->w);
    if (wrong == HALF_FACTORS) {
        out->w[s->n_w - 1] = (mn_real)INFINITY;
    }
    mn_vec_fill(s->n_a, wrong == NAN_FACTORS ? (mn_real)NAN : factor, out->a);
    return MN_OK;
}

/* The adjoint of the query loss, and room for the gradients of the factors. */
static int begin(const struct learner *s, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *adapted,
                 struct mn_adjoint *out) {
    const struct mn_pass pass = {.size = sizeof pass,
                                 .progress = 1,
                                 .flags = MN_PASS_GRAD_W | (s->n_a > 0 ? MN_PASS_GRAD_A : 0u)};
    mn_real *room = mn_scratch(ctx, (size_t)(2 * (s->n_w + s->n_a)) * sizeof *room);
    if (room == NULL) {
        return MN_NOMEM;
    }
    *out = (struct mn_adjoint){.epsilon = 0.01};
    out->d.w = room;
    out->d_rates.w = room + s->n_w;
    out->d.a = s->n_a > 0 ? room + 2 * s->n_w : NULL;
    out->d_rates.a = s->n_a > 0 ? room + 2 * s->n_w + s->n_a : NULL;
    struct mn_outcome outcome = {.size = sizeof outcome, .d_w = out->d.w, .d_a = out->d.a};
    return mn_model_pass(ctx, model, adapted, &task->query, &pass, &outcome);
}

static double sum(int64_t n, const mn_real *x) {
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        total += (double)x[i];
    }
    return total;
}

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct learner *s = self;
    const int64_t steps = mn_trace_steps(ctx);
    struct mn_adjoint adjoint;
    struct mn_point at;
    mn_real *own = mn_own_delta(ctx);
    double d_factor = 0;
    if (steps < 0 || own == NULL) {
        return MN_INTERNAL;
    }
    int status = mn_trace_point(ctx, wrong == LATE_POINT ? steps + 1 : steps, &at);
    if (status == MN_OK) {
        status = begin(s, ctx, model, task, &at, &adjoint);
    }
    for (int64_t step = steps - 1; status == MN_OK && step >= 0; step--) {
        status = mn_trace_back(ctx, wrong == OUT_OF_TURN ? steps - 1 - step : step, &adjoint);
        if (status == MN_OK) {
            d_factor += sum(s->n_w, adjoint.d_rates.w) + sum(s->n_a, adjoint.d_rates.a);
        }
    }
    if (status != MN_OK) {
        return status;
    }
    if (wrong != OWN_UNWRITTEN) {
        *own = (mn_real)d_factor;
    }
    mn_vec_copy(s->n_w, adjoint.d.w, out->w);
    mn_vec_copy(s->n_a, adjoint.d.a, out->a);
    return MN_OK;
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    struct learner *s = self;
    const mn_real *own = mn_own_delta(ctx);
    if (own == NULL) {
        return MN_INTERNAL;
    }
    const double scale = wrong == HIDDEN_FACTOR ? s->hidden : 1;
    s->hidden -= 0.01 * (double)*own;
    *s->factor -= (mn_real)(0.01 * (double)*own);
    mn_vec_sgd(s->n_w, scale * s->lr, mean_delta->w, meta->w);
    mn_vec_sgd(s->n_a, scale * s->lr, mean_delta->a, meta->a);
    return MN_OK;
}

/* after = x + (1 + mean of u) u */
static double mean_of(const struct mn_update *update) {
    return sum(update->n, update->u) / (double)update->n;
}

static int shape(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_update *update, mn_real *after) {
    const mn_real rate = (mn_real)(1 + mean_of(update));
    for (int64_t i = wrong == SHAPE_UNWRITTEN; i < update->n; i++) {
        after[i] = update->x[i] + rate * update->u[i];
    }
    return MN_OK;
}

static int shape_back(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                      const struct mn_update *update, const mn_real *d, mn_real *d_x, mn_real *d_u,
                      mn_real *own) {
    const double rate = 1 + mean_of(update);
    const double each = mn_vec_dot(update->n, d, update->u) / (double)update->n;
    for (int64_t i = 0; i < update->n; i++) {
        d_x[i] = d[i];
        d_u[i] = (mn_real)(rate * (double)d[i] + (wrong == SHAPE_BACK_TWICE ? 2 : 1) * each);
    }
    return MN_OK;
}

static struct mn_meta_learner table = {.size = sizeof table,
                                       .start = start,
                                       .delta = delta,
                                       .update = update,
                                       .traces = traces,
                                       .n_own = n_own,
                                       .rates = rates};

static const struct mn_opt options[] = {
    MN_REAL(struct learner, lr, 0.1, 0, 1, "meta learning rate"),
};

MN_PLUGIN("broken_tracer", "1.0.0",
          MN_UNIT(MN_META_LEARNER, "learner", "MAML with one learned factor", struct learner,
                  options, &table))

__attribute__((constructor)) static void loaded(void) {
    choose_way();
    if (wrong >= SHAPE_ALONE) {
        table.shape = shape;
        table.shape_back = wrong == SHAPE_ALONE ? NULL : shape_back;
    }
}
