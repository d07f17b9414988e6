/* SPDX-License-Identifier: MIT */
#include "learn/adapt.h"

#include "backend/head_start.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static int all_finite(int64_t n, const mn_real *x) {
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            return 0;
        }
    }
    return 1;
}

static int check_finite(struct mn_ctx *ctx, int finite, const struct nas_instance *unit,
                        const char *what) {
    return finite ? MN_OK
                  : mn_fail(ctx, MN_NUMERIC, "%s: %s holds a number that is not finite",
                            unit->label, what);
}

/* Of the parts that the meta learner owns. */
static int check_owned(struct mn_ctx *ctx, const struct nas_meta_part *part,
                       const struct mn_point *at, const char *what) {
    return check_finite(ctx, all_finite(part->dims.n_w, at->w) && all_finite(part->dims.n_a, at->a),
                        part->unit, what);
}

/* ---- the task learner --------------------------------------------------------------------- */

int nas_adapt_start(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_point *meta,
                    const mn_real *state, struct mn_point *params, mn_real **learner) {
    *learner = mn_scratch(ctx, (size_t)e->n_state * sizeof(mn_real));
    TRY(*learner != NULL ? nas_point_new(e, ctx, meta, params) : MN_NOMEM);
    nas_moments_start(e, state, *learner);
    return MN_OK;
}

void nas_moments_start(const struct nas_experiment *e, const mn_real *state, mn_real *out) {
    if (e->moments == MN_MOMENTS_RESET) {
        mn_vec_fill(e->n_state, 0, out);
    } else {
        mn_vec_copy(e->n_state, state, out);
    }
}

/* The task learner on the scope's task, from what the head makes of params. */
static int adapt(struct nas_scope *scope, struct mn_ctx *ctx, struct mn_point *params,
                 mn_real *learner) {
    const struct nas_experiment *e = scope->e;
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    const struct mn_dims *d = nas_model_dims(e->model);
    ctx->where.step = 0;
    TRY(nas_head_start(ctx, e->model, params, &scope->task->support, params->w));
    nas_trace_start(scope);
    TRY(nas_teacher_start(scope, ctx, params));
    if (scope->watch.on_start != NULL) {
        TRY(scope->watch.on_start(scope->watch.data, ctx, params));
    }
    ctx->where.adapts = nas_experiment_adapts(e, &ctx->where);
    ctx->where.step = 0;
    struct nas_call call = nas_call_begin(ctx, &e->task_learner);
    const int status =
        table->adapt(e->task_learner.self, ctx, e->model, scope->task, params, learner);
    if (status != MN_OK) {
        nas_ctx_where(ctx, "step %lld", (long long)ctx->where.step);
    }
    TRY(nas_call_end(&call, status));
    /* A finite loss does not say that the last update was finite, nor the optimiser state. */
    char what[64];
    const int point = all_finite(d->n_w, params->w) && all_finite(d->n_a, params->a);
    snprintf(what, sizeof what, "after step %" PRId64 " %s", ctx->where.step,
             point ? "its state" : "the adapted point");
    return check_finite(ctx, point && all_finite(e->n_state, learner), &e->task_learner, what);
}

int nas_adapt(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_task *task,
              const struct nas_watch *watch, struct mn_point *params, mn_real *learner) {
    struct nas_scope scope;
    int status = nas_scope_begin(&scope, e, ctx, task, params, learner, watch, 0);
    status = status == MN_OK ? adapt(&scope, ctx, params, learner) : status;
    nas_scope_end(ctx);
    return status;
}

/* ---- directions --------------------------------------------------------------------------- */

int nas_direction_new(const struct nas_experiment *e, struct nas_arena *arena,
                      struct nas_direction *out) {
    const struct mn_dims *d = nas_model_dims(e->model);
    out->to.w = nas_arena_array(arena, (size_t)d->n_w, sizeof(mn_real));
    out->to.a = nas_arena_array(arena, (size_t)d->n_a, sizeof(mn_real));
    out->own = nas_arena_array(arena, (size_t)e->n_own, sizeof(mn_real));
    return out->to.w != NULL && out->to.a != NULL && out->own != NULL;
}

static mn_real *own_of(const struct nas_meta_part *part, const struct nas_direction *direction) {
    return part->n_own > 0 ? direction->own + part->own0 : NULL;
}

/* The parts of `from` that the meta learner owns. */
static void take_owned(const struct nas_meta_part *part, const struct mn_point *from,
                       struct mn_point *to) {
    mn_vec_copy(part->dims.n_w, from->w, to->w);
    mn_vec_copy(part->dims.n_a, from->a, to->a);
}

static int part_delta(struct nas_scope *scope, struct mn_ctx *ctx, const struct nas_meta_part *part,
                      const struct mn_point *meta, struct nas_direction *out) {
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    const uint32_t all = ctx->where.adapts;
    struct nas_direction whole; /* a meta learner may write what it does not own */
    if (!nas_direction_new(scope->e, here.arena, &whole)) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a direction");
    }
    ctx->where.adapts = all & part->owns;
    scope->own_delta = own_of(part, out);
    scope->asks = part;
    struct nas_call call = nas_call_begin(ctx, part->unit);
    TRY(nas_call_end(&call, part->unit->table.meta_learner.delta(part->unit->self, ctx,
                                                                 scope->e->model, scope->task, meta,
                                                                 scope->params, &whole.to)));
    scope->own_delta = NULL;
    scope->asks = NULL;
    ctx->where.adapts = all;
    take_owned(part, &whole.to, &out->to);
    return check_finite(ctx, all_finite(part->n_own, own_of(part, out)), part->unit,
                        "its direction");
}

/* The task learner, then the meta learners, for which the task began where it started. */
static int find_direction(struct nas_scope *scope, struct mn_ctx *ctx, const struct mn_point *meta,
                          struct mn_point *params, mn_real *learner, struct nas_direction *out) {
    const struct nas_experiment *e = scope->e;
    const struct mn_dims *d = nas_model_dims(e->model);
    TRY(adapt(scope, ctx, params, learner));
    TRY(nas_trace_check(scope, ctx));
    const struct mn_point *from = scope->start.w != NULL ? &scope->start : meta;
    for (int i = 0; i < e->n_meta; i++) {
        TRY(part_delta(scope, ctx, &e->meta[i], from, out));
    }
    TRY(nas_head_start_back(ctx, e->model, meta, &scope->task->support,
                            (ctx->where.adapts & MN_ADAPTS_A) != 0, &out->to));
    if ((ctx->where.adapts & MN_ADAPTS_W) == 0) {
        mn_vec_fill(d->n_w, 0, out->to.w);
    }
    if ((ctx->where.adapts & MN_ADAPTS_A) == 0) {
        mn_vec_fill(d->n_a, 0, out->to.a);
    }
    for (int i = 0; i < e->n_meta; i++) {
        TRY(check_owned(ctx, &e->meta[i], &out->to, "its direction"));
    }
    return MN_OK;
}

int nas_task_direction(const struct nas_experiment *e, struct mn_ctx *ctx,
                       const struct mn_task *task, const struct nas_watch *watch,
                       const struct mn_point *meta, struct mn_point *params, mn_real *learner,
                       struct nas_direction *out) {
    struct nas_scope scope;
    int status = nas_scope_begin(&scope, e, ctx, task, params, learner, watch, 1);
    status = status == MN_OK ? find_direction(&scope, ctx, meta, params, learner, out) : status;
    nas_scope_end(ctx);
    return status;
}

/* ---- the update --------------------------------------------------------------------------- */

void nas_mean(int64_t n, const void *rows, size_t stride, int64_t count, mn_real *out) {
    enum { BLOCK = 8192 }; /* the sums stay in the cache however many rows there are */
    double sums[BLOCK];
    for (int64_t first = 0; first < count; first += BLOCK) {
        const int64_t end = count - first < BLOCK ? count - first : BLOCK;
        for (int64_t j = 0; j < end; j++) {
            sums[j] = 0;
        }
        for (int64_t i = 0; i < n; i++) {
            const mn_real *row;
            memcpy(&row, (const char *)rows + (size_t)i * stride, sizeof row);
            for (int64_t j = 0; j < end; j++) {
                sums[j] += (double)row[first + j];
            }
        }
        for (int64_t j = 0; j < end; j++) {
            out[first + j] = (mn_real)(sums[j] / (double)n);
        }
    }
}

/* The part of `next` that the meta learner owns. */
static int part_update(const struct nas_experiment *e, struct mn_ctx *ctx,
                       const struct nas_meta_part *part, const struct mn_point *meta,
                       const struct nas_direction *step, struct nas_metrics *metrics,
                       struct mn_point *next) {
    struct nas_scope scope = {.e = e, .own_delta = own_of(part, step), .watch.metrics = metrics};
    struct mn_point whole;
    TRY(nas_point_new(e, ctx, meta, &whole));
    nas_ctx_of(ctx)->scope = &scope;
    struct nas_call call = nas_call_begin(ctx, part->unit);
    const int status = nas_call_end(
        &call, part->unit->table.meta_learner.update(part->unit->self, ctx, &whole, &step->to));
    nas_ctx_of(ctx)->scope = NULL;
    TRY(status);
    take_owned(part, &whole, next);
    return check_owned(ctx, part, next, "the updated state");
}

static double length(int64_t n, const mn_real *x) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sqrt(sum);
}

int nas_meta_update(const struct nas_experiment *e, struct mn_ctx *ctx, struct mn_point *meta,
                    int64_t n, const struct nas_direction *directions,
                    struct nas_update_report *report) {
    const struct mn_dims *d = nas_model_dims(e->model);
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    struct nas_direction step;
    struct mn_point next;
    if (!nas_direction_new(e, here.arena, &step)) {
        return mn_fail(ctx, MN_NOMEM, "no memory for an update");
    }
    TRY(nas_point_new(e, ctx, NULL, &next));
    nas_mean(n, &directions->to.w, sizeof *directions, d->n_w, step.to.w);
    nas_mean(n, &directions->to.a, sizeof *directions, d->n_a, step.to.a);
    nas_mean(n, &directions->own, sizeof *directions, e->n_own, step.own);
    if (report != NULL) {
        *report = (struct nas_update_report){.norm_w = length(d->n_w, step.to.w),
                                             .norm_a = length(d->n_a, step.to.a)};
    }
    for (int i = 0; i < e->n_meta; i++) {
        TRY(part_update(e, ctx, &e->meta[i], meta, &step, report != NULL ? &report->metrics : NULL,
                        &next));
    }
    mn_vec_copy(d->n_w, next.w, meta->w);
    mn_vec_copy(d->n_a, next.a, meta->a);
    return MN_OK;
}
