/* SPDX-License-Identifier: MIT */
#include "learn/task_trace.h"

#include <inttypes.h>

static const struct mn_dims *dims_of(const struct nas_inner *inner) {
    return nas_model_dims(inner->e->model);
}

/* ---- factors of the updates --------------------------------------------------------------- */

static int ask_rates(const struct nas_inner *inner, struct mn_ctx *ctx,
                     const struct nas_meta_part *part, int64_t step, struct mn_point *out) {
    const struct mn_meta_learner *table = &part->unit->table.meta_learner;
    struct mn_point rates = inner->rates;
    if (table->rates == NULL) {
        return MN_OK;
    }
    mn_vec_fill(part->dims.n_w, 1, rates.w);
    mn_vec_fill(part->dims.n_a, 1, rates.a);
    struct nas_call call = nas_call_begin(ctx, part->unit);
    const int status =
        nas_call_end(&call, table->rates(part->unit->self, ctx, inner->e->model, step, &rates));
    out->w = part->dims.n_w > 0 && rates.w != NULL ? inner->rates.w : out->w;
    out->a = part->dims.n_a > 0 && rates.a != NULL ? inner->rates.a : out->a;
    return status;
}

int nas_service_step_rates(struct mn_ctx *ctx, int64_t step, struct mn_point *out) {
    const struct nas_inner *inner = nas_ctx_of(ctx)->inner;
    int status = MN_OK;
    *out = (struct mn_point){NULL, NULL};
    if (inner == NULL) {
        return mn_fail(ctx, MN_INTERNAL, "mn_step_rates outside of a task");
    }
    for (int i = 0; inner->e->rates && status == MN_OK && i < inner->e->n_meta; i++) {
        status = ask_rates(inner, ctx, &inner->e->meta[i], step, out);
    }
    return status;
}

/* ---- trace -------------------------------------------------------------------------------- */

static int64_t reals_of_step(const struct nas_inner *inner) {
    const struct mn_dims *d = dims_of(inner);
    return d->n_w + d->n_a + inner->e->n_state;
}

static mn_real *slot(const struct nas_inner *inner, int64_t step) {
    return inner->trace + step * reals_of_step(inner);
}

static struct mn_point point_at(const struct nas_inner *inner, int64_t step) {
    const struct mn_dims *d = dims_of(inner);
    mn_real *w = slot(inner, step);
    return (struct mn_point){w, d->n_a > 0 ? w + d->n_w : NULL};
}

static const mn_real *state_at(const struct nas_inner *inner, int64_t step) {
    const struct mn_dims *d = dims_of(inner);
    return slot(inner, step) + d->n_w + d->n_a;
}

static void copy_to(const struct nas_inner *inner, int64_t step) {
    const struct mn_dims *d = dims_of(inner);
    mn_real *to = slot(inner, step);
    mn_vec_copy(d->n_w, inner->params->w, to);
    mn_vec_copy(d->n_a, inner->params->a, to + d->n_w);
    mn_vec_copy(inner->e->n_state, inner->learner, to + d->n_w + d->n_a);
}

int nas_inner_record(struct nas_inner *inner, struct mn_ctx *ctx, int64_t step) {
    if (inner->trace == NULL) {
        return MN_OK;
    }
    if (step != inner->done || step >= inner->steps) {
        return mn_fail(ctx, MN_INTERNAL,
                       "step %" PRId64 " was reported done after %" PRId64 " of %" PRId64 " steps",
                       step, inner->done, inner->steps);
    }
    copy_to(inner, ++inner->done);
    return MN_OK;
}

int nas_inner_check(const struct nas_inner *inner, struct mn_ctx *ctx) {
    if (inner->trace == NULL || inner->done == inner->steps) {
        return MN_OK;
    }
    return mn_fail(ctx, MN_INTERNAL,
                   "%s: %" PRId64 " of the %" PRId64 " steps it has were reported",
                   inner->e->task_learner.label, inner->done, inner->steps);
}

/* The trace of the meta learner that asks, or NULL with a message. */
static struct nas_inner *traced(struct mn_ctx *ctx) {
    struct nas_inner *inner = nas_ctx_of(ctx)->inner;
    if (inner == NULL || inner->trace == NULL) {
        mn_fail(ctx, MN_INTERNAL,
                "mn_trace_* may only be called by the delta of a meta learner with traces");
        return NULL;
    }
    return inner;
}

int64_t nas_service_trace_steps(struct mn_ctx *ctx) {
    const struct nas_inner *inner = traced(ctx);
    return inner != NULL ? inner->steps : -1;
}

int nas_service_trace_point(struct mn_ctx *ctx, int64_t step, struct mn_point *out) {
    const struct nas_inner *inner = traced(ctx);
    if (inner == NULL) {
        return MN_INTERNAL;
    }
    if (step < 0 || step > inner->steps) {
        return mn_fail(ctx, MN_INTERNAL, "mn_trace_point: step %" PRId64 " of %" PRId64, step,
                       inner->steps);
    }
    *out = point_at(inner, step);
    return MN_OK;
}

int nas_service_trace_back(struct mn_ctx *ctx, int64_t step, struct mn_adjoint *adjoint) {
    struct nas_inner *inner = traced(ctx);
    if (inner == NULL) {
        return MN_INTERNAL;
    }
    const int first = step == inner->steps - 1; /* of a way back; there may be several */
    if (step < 0 || (!first && step != inner->next)) {
        return mn_fail(ctx, MN_INTERNAL,
                       "mn_trace_back: step %" PRId64 ", but step %" PRId64 " is next", step,
                       inner->next);
    }
    if (first) {
        mn_vec_fill(inner->e->n_state, 0, inner->d_state);
    }
    inner->next = step - 1;
    const struct mn_step done = {.size = sizeof done,
                                 .step = step,
                                 .before = point_at(inner, step),
                                 .after = point_at(inner, step + 1),
                                 .state = state_at(inner, step)};
    const struct nas_instance *learner = &inner->e->task_learner;
    adjoint->d_state = inner->d_state;
    struct nas_call call = nas_call_begin(ctx, learner);
    const int status = learner->table.task_learner.adjoint(learner->self, ctx, inner->e->model,
                                                           inner->task, &done, adjoint);
    return nas_call_end(&call, status);
}

mn_real *nas_service_own_delta(struct mn_ctx *ctx) {
    mn_real *own = nas_ctx_of(ctx)->own;
    if (own == NULL) {
        mn_fail(ctx, MN_INTERNAL,
                "mn_own_delta may only be called by delta and update of a meta learner with n_own");
    }
    return own;
}

/* ---- a task ------------------------------------------------------------------------------- */

static int begin_trace(struct nas_inner *inner, struct mn_ctx *ctx) {
    const struct nas_batches *given = nas_ctx_of(ctx)->prescribed;
    const struct nas_instance *learner = &inner->e->task_learner;
    const int64_t each = reals_of_step(inner);
    inner->steps = given != NULL ? given->steps
                                 : learner->table.task_learner.steps(learner->self, &ctx->where);
    if (inner->steps < 0 || each > INT64_MAX / 16 / (inner->steps + 1)) {
        return mn_fail(ctx, MN_NOMEM, "no memory to record %" PRId64 " steps", inner->steps);
    }
    inner->trace = mn_scratch(ctx, (size_t)(each * (inner->steps + 1)) * sizeof *inner->trace);
    inner->d_state = mn_scratch(ctx, (size_t)inner->e->n_state * sizeof *inner->d_state);
    if (inner->trace == NULL || inner->d_state == NULL) {
        return MN_NOMEM;
    }
    copy_to(inner, 0);
    return MN_OK;
}

int nas_inner_begin(struct nas_inner *inner, const struct nas_experiment *e, struct mn_ctx *ctx,
                    const struct mn_task *task, const struct mn_point *params,
                    const mn_real *learner, int with_trace) {
    *inner =
        (struct nas_inner){.e = e, .task = task, .params = params, .learner = learner, .next = -1};
    if (e->rates) {
        const struct mn_dims *d = dims_of(inner);
        inner->rates.w = mn_scratch(ctx, (size_t)d->n_w * sizeof(mn_real));
        inner->rates.a = mn_scratch(ctx, (size_t)d->n_a * sizeof(mn_real));
        if (inner->rates.w == NULL || inner->rates.a == NULL) {
            return MN_NOMEM;
        }
    }
    const int status = with_trace && e->traces ? begin_trace(inner, ctx) : MN_OK;
    nas_ctx_of(ctx)->inner = status == MN_OK ? inner : NULL;
    return status;
}

void nas_inner_end(struct mn_ctx *ctx) {
    nas_ctx_of(ctx)->inner = NULL;
}
