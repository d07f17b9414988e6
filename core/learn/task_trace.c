/* SPDX-License-Identifier: MIT */
#include "learn/task.h"

#include <inttypes.h>

/* ---- factors of the updates --------------------------------------------------------------- */

int nas_service_step_rates(struct mn_ctx *ctx, int64_t step, struct mn_point *out) {
    const struct nas_scope *scope = nas_ctx_of(ctx)->scope;
    *out = (struct mn_point){NULL, NULL};
    if (scope == NULL || scope->task == NULL) {
        return mn_fail(ctx, MN_INTERNAL, "mn_step_rates outside of a task");
    }
    for (int i = 0; i < scope->e->n_meta; i++) {
        const struct nas_meta_part *part = &scope->e->meta[i];
        const struct mn_meta_learner *table = &part->unit->table.meta_learner;
        struct mn_point rates = scope->rates;
        if (table->rates == NULL) {
            continue;
        }
        mn_vec_fill(part->dims.n_w, 1, rates.w);
        mn_vec_fill(part->dims.n_a, 1, rates.a);
        struct nas_call call = nas_call_begin(ctx, part->unit);
        TRY(nas_call_end(&call,
                         table->rates(part->unit->self, ctx, scope->e->model, step, &rates)));
        out->w = part->dims.n_w > 0 && rates.w != NULL ? scope->rates.w : out->w;
        out->a = part->dims.n_a > 0 && rates.a != NULL ? scope->rates.a : out->a;
    }
    int64_t loss;
    const int64_t n = nas_model_loss_weights(scope->e->model, &loss);
    if (n > 0) {
        mn_vec_fill(out->w == NULL ? nas_model_dims(scope->e->model)->n_w : 0, 1, scope->rates.w);
        out->w = scope->rates.w;
        mn_vec_fill(n, 0, out->w + loss);
    }
    return MN_OK;
}

/* ---- shaped updates ----------------------------------------------------------------------- */

/* Whose part the update is, in a task whose meta learner shapes it; NULL with a message. */
static const struct nas_meta_part *shaper(struct mn_ctx *ctx, const struct mn_update *update) {
    const struct nas_scope *scope = nas_ctx_of(ctx)->scope;
    const uint32_t half = update->architecture ? MN_ADAPTS_A : MN_ADAPTS_W;
    for (int i = 0; scope != NULL && scope->task != NULL && i < scope->e->n_meta; i++) {
        const struct nas_meta_part *part = &scope->e->meta[i];
        if (part->unit->table.meta_learner.shape != NULL && (part->owns & half) != 0) {
            return part;
        }
    }
    mn_fail(ctx, MN_INTERNAL,
            "mn_shape of %s, which no meta learner shapes here; mn_shapes tells which are",
            update->architecture ? "the logits" : "the weights");
    return NULL;
}

/* Those of them that stay where they are: the weights of the loss. */
static int64_t loss_weights(const struct mn_model *model, const struct mn_update *update,
                            int64_t *offset) {
    const int64_t n = nas_model_loss_weights(model, offset);
    return update->architecture ? 0 : n;
}

uint32_t nas_service_shapes(struct mn_ctx *ctx) {
    const struct nas_scope *scope = nas_ctx_of(ctx)->scope;
    return scope != NULL && scope->task != NULL ? scope->e->shapes : 0;
}

int nas_service_shape(struct mn_ctx *ctx, const struct mn_update *update, mn_real *after) {
    const struct nas_meta_part *part = shaper(ctx, update);
    if (part == NULL) {
        return MN_INTERNAL;
    }
    const struct nas_instance *unit = part->unit;
    const struct mn_model *model = nas_ctx_of(ctx)->scope->e->model;
    struct nas_call call = nas_call_begin(ctx, unit);
    TRY(nas_call_end(&call, unit->table.meta_learner.shape(unit->self, ctx, model, update, after)));
    int64_t loss;
    const int64_t n = loss_weights(model, update, &loss);
    mn_vec_copy(n, update->x + loss, after + loss);
    return MN_OK;
}

int nas_service_shape_back(struct mn_ctx *ctx, const struct mn_update *update, mn_real *d,
                           mn_real *d_u) {
    const struct nas_meta_part *part = shaper(ctx, update);
    if (part == NULL) {
        return MN_INTERNAL;
    }
    const struct nas_instance *unit = part->unit;
    const struct nas_scope *scope = nas_ctx_of(ctx)->scope;
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    int64_t loss;
    const int64_t n = loss_weights(scope->e->model, update, &loss);
    mn_real *d_x = nas_arena_array(here.arena, (size_t)update->n, sizeof *d_x);
    mn_real *stays = nas_arena_array(here.arena, (size_t)n, sizeof *stays);
    if (d_x == NULL || stays == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a gradient");
    }
    mn_vec_copy(n, d + loss, stays);
    mn_vec_fill(n, 0, d + loss);
    struct nas_call call = nas_call_begin(ctx, unit);
    TRY(nas_call_end(&call, unit->table.meta_learner.shape_back(
                                unit->self, ctx, scope->e->model, update, d, d_x, d_u,
                                scope->asks == part ? scope->own_delta : NULL)));
    mn_vec_copy(update->n, d_x, d);
    mn_vec_axpy(n, 1, stays, d + loss);
    mn_vec_fill(n, 0, d_u + loss);
    return MN_OK;
}

/* ---- recording ---------------------------------------------------------------------------- */

/* Of a point with its optimiser state. */
static int64_t reals_of_step(const struct nas_scope *scope) {
    const struct mn_dims *d = nas_model_dims(scope->e->model);
    return d->n_w + d->n_a + scope->e->n_state;
}

static struct mn_point point_at(const struct nas_scope *scope, int64_t step) {
    const struct mn_dims *d = nas_model_dims(scope->e->model);
    mn_real *w = scope->trace + step * reals_of_step(scope);
    return (struct mn_point){w, d->n_a > 0 ? w + d->n_w : NULL};
}

static mn_real *state_at(const struct nas_scope *scope, int64_t step) {
    return scope->trace + (step + 1) * reals_of_step(scope) - scope->e->n_state;
}

static void copy_to(const struct nas_scope *scope, int64_t step) {
    const struct mn_dims *d = nas_model_dims(scope->e->model);
    const struct mn_point to = point_at(scope, step);
    mn_vec_copy(d->n_w, scope->params->w, to.w);
    mn_vec_copy(d->n_a, scope->params->a, to.a);
    mn_vec_copy(scope->e->n_state, scope->learner, state_at(scope, step));
}

int nas_trace_begin(struct nas_scope *scope, struct mn_ctx *ctx, int traced) {
    const struct nas_experiment *e = scope->e;
    if (e->rates) {
        TRY(nas_point_new(e, ctx, NULL, &scope->rates));
    }
    if (!traced || !e->traces) {
        return MN_OK;
    }
    const struct nas_instance *learner = &e->task_learner;
    const int64_t each = reals_of_step(scope);
    scope->steps = scope->watch.batches != NULL
                       ? scope->watch.n_batches
                       : learner->table.task_learner.steps(learner->self, &ctx->where);
    if (scope->steps < 0 || each > INT64_MAX / 16 / (scope->steps + 1)) {
        return mn_fail(ctx, MN_NOMEM, "no memory to record %" PRId64 " steps", scope->steps);
    }
    scope->trace = mn_scratch(ctx, (size_t)(each * (scope->steps + 1)) * sizeof *scope->trace);
    scope->d_state = mn_scratch(ctx, (size_t)e->n_state * sizeof *scope->d_state);
    if (scope->trace == NULL || scope->d_state == NULL) {
        return MN_NOMEM;
    }
    copy_to(scope, 0);
    return MN_OK;
}

void nas_trace_start(const struct nas_scope *scope) {
    if (scope->trace != NULL) {
        copy_to(scope, 0);
    }
}

int nas_trace_record(struct nas_scope *scope, struct mn_ctx *ctx, int64_t step) {
    if (scope->trace == NULL) {
        return MN_OK;
    }
    if (step != scope->done || step >= scope->steps) {
        return mn_fail(ctx, MN_INTERNAL,
                       "step %" PRId64 " was reported done after %" PRId64 " of %" PRId64 " steps",
                       step, scope->done, scope->steps);
    }
    copy_to(scope, ++scope->done);
    return MN_OK;
}

int nas_trace_check(const struct nas_scope *scope, struct mn_ctx *ctx) {
    return scope->trace == NULL || scope->done == scope->steps
               ? MN_OK
               : mn_fail(ctx, MN_INTERNAL,
                         "%s: %" PRId64 " of the %" PRId64 " steps it has were reported",
                         scope->e->task_learner.label, scope->done, scope->steps);
}

/* ---- going back --------------------------------------------------------------------------- */

/* The task of the meta learner that asks, if it has a trace, or NULL with a message. */
static struct nas_scope *traced(struct mn_ctx *ctx) {
    struct nas_scope *scope = nas_ctx_of(ctx)->scope;
    if (scope == NULL || scope->trace == NULL) {
        mn_fail(ctx, MN_INTERNAL,
                "mn_trace_* may only be called by the delta of a meta learner with traces");
        return NULL;
    }
    return scope;
}

int64_t nas_service_trace_steps(struct mn_ctx *ctx) {
    const struct nas_scope *scope = traced(ctx);
    return scope != NULL ? scope->steps : -1;
}

int nas_service_trace_point(struct mn_ctx *ctx, int64_t step, struct mn_point *out) {
    const struct nas_scope *scope = traced(ctx);
    if (scope == NULL) {
        return MN_INTERNAL;
    }
    if (step < 0 || step > scope->steps) {
        return mn_fail(ctx, MN_INTERNAL, "mn_trace_point: step %" PRId64 " of %" PRId64, step,
                       scope->steps);
    }
    *out = point_at(scope, step);
    return MN_OK;
}

int nas_service_trace_back(struct mn_ctx *ctx, int64_t step, struct mn_adjoint *adjoint) {
    struct nas_scope *scope = traced(ctx);
    if (scope == NULL) {
        return MN_INTERNAL;
    }
    const int first = step == scope->steps - 1; /* of a way back; there may be several */
    if (step < 0 || (!first && step != scope->next)) {
        return mn_fail(ctx, MN_INTERNAL,
                       "mn_trace_back: step %" PRId64 ", but step %" PRId64 " is next", step,
                       scope->next);
    }
    if (first) {
        mn_vec_fill(scope->e->n_state, 0, scope->d_state);
    }
    scope->next = step - 1;
    const struct mn_step done = {.size = sizeof done,
                                 .step = step,
                                 .before = point_at(scope, step),
                                 .after = point_at(scope, step + 1),
                                 .state = state_at(scope, step)};
    const struct nas_instance *learner = &scope->e->task_learner;
    adjoint->d_state = scope->d_state;
    struct nas_call call = nas_call_begin(ctx, learner);
    TRY(nas_call_end(&call, learner->table.task_learner.adjoint(learner->self, ctx, scope->e->model,
                                                                scope->task, &done, adjoint)));
    int64_t loss;
    const int64_t n = nas_model_loss_weights(scope->e->model, &loss);
    if (adjoint->d_rates.w != NULL) {
        mn_vec_fill(n, 0, adjoint->d_rates.w + loss); /* no factor has a say there */
    }
    return MN_OK;
}

mn_real *nas_service_own_delta(struct mn_ctx *ctx) {
    const struct nas_scope *scope = nas_ctx_of(ctx)->scope;
    if (scope == NULL || scope->own_delta == NULL) {
        mn_fail(ctx, MN_INTERNAL,
                "mn_own_delta may only be called by delta and update of a meta learner with n_own");
        return NULL;
    }
    return scope->own_delta;
}
