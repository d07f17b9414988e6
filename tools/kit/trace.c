/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include <string.h>

#define RATE 0.05

static struct trace *trace_of(struct mn_ctx *ctx) {
    return mock_of(ctx)->data;
}

/* ---- the task ----------------------------------------------------------------------------- */

static void gradient(const struct trace *trace, int64_t step, double *dw, double *da) {
    double w[TOY_W], a[TOY_A];
    for (int i = 0; i < TOY_W; i++) {
        w[i] = (double)trace->points[step].w[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        a[j] = (double)trace->points[step].a[j];
        da[j] = 0;
    }
    toy_loss(w, trace->toy.dims.n_a > 0 ? a : NULL, TOY_QUERY, 1, dw, da);
}

/* What step `step` adds, with its factors. */
static struct trace_at proposed(const struct trace *trace, int64_t step) {
    const struct trace_at *by = &trace->factors[step];
    struct trace_at u = {0};
    double dw[TOY_W], da[TOY_A];
    gradient(trace, step, dw, da);
    for (int i = 0; i < TOY_W; i++) {
        u.w[i] = (mn_real)(-RATE * (double)by->w[i] * dw[i]);
    }
    for (int j = 0; j < TOY_A; j++) {
        u.a[j] = (mn_real)(-RATE * (double)by->a[j] * da[j]);
    }
    return u;
}

static struct mn_update update_of(const struct trace *trace, int64_t step, int architecture,
                                  const struct trace_at *u) {
    const struct trace_at *x = &trace->points[step];
    return (struct mn_update){.size = sizeof(struct mn_update),
                              .architecture = architecture,
                              .step = step,
                              .n = architecture ? trace->toy.dims.n_a : TOY_W,
                              .x = architecture ? x->a : x->w,
                              .u = architecture ? u->a : u->w};
}

int trace_run(struct trace *trace, const struct mn_point *meta) {
    mn_vec_copy(TOY_W, meta->w, trace->points[0].w);
    mn_vec_copy(trace->toy.dims.n_a, meta->a, trace->points[0].a);
    for (int64_t step = 0; step < TRACE_STEPS; step++) {
        const struct trace_at u = proposed(trace, step);
        struct trace_at *next = &trace->points[step + 1];
        for (int half = 0; half < (trace->toy.dims.n_a > 0 ? 2 : 1); half++) {
            const struct mn_update update = update_of(trace, step, half, &u);
            mn_real *after = half == 0 ? next->w : next->a;
            for (int64_t i = 0; i < update.n; i++) {
                after[i] = update.x[i] + update.u[i];
            }
            const int status =
                trace->shaper != NULL
                    ? trace->shaper->shape(trace->self, &trace->toy.mock->ctx, NULL, &update, after)
                    : MN_OK;
            if (status != MN_OK) {
                return status;
            }
        }
    }
    trace->back = TRACE_STEPS;
    return MN_OK;
}

/* ---- services ----------------------------------------------------------------------------- */

static int64_t trace_steps(struct mn_ctx *ctx) {
    if (!trace_of(ctx)->open) {
        mn_fail(ctx, MN_INTERNAL,
                "no trace was kept: `traces` does not ask for it, or this is not "
                "`delta`");
        return -1;
    }
    return TRACE_STEPS;
}

static int trace_point(struct mn_ctx *ctx, int64_t step, struct mn_point *out) {
    struct trace *trace = trace_of(ctx);
    if (trace_steps(ctx) < 0) {
        return MN_INTERNAL;
    }
    if (step < 0 || step > TRACE_STEPS) {
        return mn_fail(ctx, MN_INTERNAL, "the trace has no point before step %lld",
                       (long long)step);
    }
    *out = (struct mn_point){trace->points[step].w,
                             trace->toy.dims.n_a > 0 ? trace->points[step].a : NULL};
    return MN_OK;
}

/* With regard to the factors: an update is -RATE factor gradient. */
static void back_to_factors(const struct trace *trace, int64_t step, const struct trace_at *d_u,
                            struct mn_adjoint *io) {
    double dw[TOY_W], da[TOY_A];
    gradient(trace, step, dw, da);
    for (int i = 0; io->d_rates.w != NULL && i < TOY_W; i++) {
        io->d_rates.w[i] = (mn_real)(-RATE * dw[i] * (double)d_u->w[i]);
    }
    for (int j = 0; io->d_rates.a != NULL && j < trace->toy.dims.n_a; j++) {
        io->d_rates.a[j] = (mn_real)(-RATE * da[j] * (double)d_u->a[j]);
    }
}

/* d -= H (RATE factor d_u), where H holds i+1 for w_i, 2 for a_j and 1.2 for a_j with w_j. */
static void back_to_point(const struct trace *trace, int64_t step, const struct trace_at *d_u,
                          struct mn_adjoint *io) {
    const double coupling = 1.2;
    const struct trace_at *by = &trace->factors[step];
    const int n_a = (int)trace->toy.dims.n_a;
    double vw[TOY_W], va[TOY_A] = {0};
    for (int i = 0; i < TOY_W; i++) {
        vw[i] = RATE * (double)by->w[i] * (double)d_u->w[i];
    }
    for (int j = 0; j < n_a; j++) {
        va[j] = RATE * (double)by->a[j] * (double)d_u->a[j];
    }
    for (int i = 0; i < TOY_W; i++) {
        const double coupled = i < n_a ? coupling * va[i] : 0;
        io->d.w[i] = (mn_real)((double)io->d.w[i] - (i + 1) * vw[i] - coupled);
    }
    for (int j = 0; j < n_a; j++) {
        io->d.a[j] = (mn_real)((double)io->d.a[j] - 2 * va[j] - coupling * vw[j]);
    }
}

/* d becomes what reaches the point without the update, d_u what reaches the update. */
static int back_to_update(const struct trace *trace, int64_t step, struct mn_adjoint *io,
                          struct trace_at *d_u) {
    const struct trace_at u = proposed(trace, step);
    mn_vec_copy(TOY_W, io->d.w, d_u->w);
    mn_vec_copy(trace->toy.dims.n_a, io->d.a, d_u->a);
    for (int half = 0; trace->shaper != NULL && half < (trace->toy.dims.n_a > 0 ? 2 : 1); half++) {
        const struct mn_update update = update_of(trace, step, half, &u);
        mn_real d_x[TOY_W > TOY_A ? TOY_W : TOY_A], *d = half == 0 ? io->d.w : io->d.a;
        const int status =
            trace->shaper->shape_back(trace->self, &trace->toy.mock->ctx, NULL, &update, d, d_x,
                                      half == 0 ? d_u->w : d_u->a, trace->own);
        if (status != MN_OK) {
            return status;
        }
        mn_vec_copy(update.n, d_x, d);
    }
    return MN_OK;
}

static int trace_back(struct mn_ctx *ctx, int64_t step, struct mn_adjoint *adjoint) {
    struct trace *trace = trace_of(ctx);
    if (trace_steps(ctx) < 0) {
        return MN_INTERNAL;
    }
    if (step < 0 || step != trace->back - 1) {
        return mn_fail(ctx, MN_INTERNAL, "step %lld is not the next one back", (long long)step);
    }
    if (adjoint->size != sizeof *adjoint) {
        mock_fail("size_field", "a struct mn_adjoint has size %u instead of %zu", adjoint->size,
                  sizeof *adjoint);
    }
    struct trace_at d_u;
    trace->back = step;
    const int status = back_to_update(trace, step, adjoint, &d_u);
    if (status != MN_OK) {
        return status;
    }
    back_to_factors(trace, step, &d_u, adjoint);
    if ((adjoint->flags & MN_ADJOINT_FIRST_ORDER) == 0) {
        back_to_point(trace, step, &d_u, adjoint);
    }
    return MN_OK;
}

static mn_real *own_delta(struct mn_ctx *ctx) {
    if (trace_of(ctx)->own == NULL) {
        mn_fail(ctx, MN_INTERNAL,
                "there is no direction of its own: `n_own` is 0, or this is "
                "neither `delta` nor `update`");
    }
    return trace_of(ctx)->own;
}

void trace_install(struct trace *trace, struct mock *mock, int64_t n_a) {
    memset(trace, 0, sizeof *trace);
    toy_install(&trace->toy, mock, n_a);
    mock->data = trace;
    mock->host.trace_steps = trace_steps;
    mock->host.trace_point = trace_point;
    mock->host.trace_back = trace_back;
    mock->host.own_delta = own_delta;
}
