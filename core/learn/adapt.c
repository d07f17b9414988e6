/* SPDX-License-Identifier: MIT */
#include "learn/adapt.h"

#include "backend/head_start.h"
#include "learn/task_trace.h"
#include "learn/teacher.h"

#include <inttypes.h>
#include <math.h>

static int all_finite(int64_t n, const mn_real *x) {
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            return 0;
        }
    }
    return 1;
}

static int not_finite(struct mn_ctx *ctx, const struct nas_instance *unit, const char *what) {
    return mn_fail(ctx, MN_NUMERIC, "%s: %s holds a number that is not finite", unit->label, what);
}

/* Of the parts that the meta learner owns. */
static int check_owned(struct mn_ctx *ctx, const struct nas_meta_part *part,
                       const struct mn_point *at, const char *what) {
    return all_finite(part->dims.n_w, at->w) && all_finite(part->dims.n_a, at->a)
               ? MN_OK
               : not_finite(ctx, part->unit, what);
}

/* ---- the task learner --------------------------------------------------------------------- */

int nas_adapt_start(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_point *meta,
                    const mn_real *state, struct mn_point *params, mn_real **learner) {
    const struct mn_dims *d = nas_model_dims(e->model);
    params->w = mn_scratch(ctx, (size_t)d->n_w * sizeof(mn_real));
    params->a = mn_scratch(ctx, (size_t)d->n_a * sizeof(mn_real));
    *learner = mn_scratch(ctx, (size_t)e->n_state * sizeof(mn_real));
    if (!params->w || !params->a || !*learner) {
        return MN_NOMEM;
    }
    mn_vec_copy(d->n_w, meta->w, params->w);
    mn_vec_copy(d->n_a, meta->a, params->a);
    if (e->moments == MN_MOMENTS_RESET) {
        mn_vec_fill(e->n_state, 0, *learner);
    } else {
        mn_vec_copy(e->n_state, state, *learner);
    }
    return MN_OK;
}

/* Make params[n_w], a copy of the meta point, what the task starts from. */
static int start(struct nas_scope *scope, struct mn_ctx *ctx, struct mn_point *params) {
    ctx->where.step = 0;
    TRY(nas_head_start(ctx, scope->e->model, params, &scope->task->support, params->w));
    nas_trace_start(scope);
    TRY(nas_teacher_start(scope, ctx, params));
    return scope->watch.on_start != NULL ? scope->watch.on_start(scope->watch.data, ctx, params)
                                         : MN_OK;
}

/* The task learner on the task of ctx's scope. */
static int adapt(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_task *task,
                 struct mn_point *params, mn_real *learner) {
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    const void *self = e->task_learner.self;
    const struct mn_dims *d = nas_model_dims(e->model);
    ctx->where.adapts = nas_experiment_adapts(e, &ctx->where);
    ctx->where.step = 0;
    struct nas_call call = nas_call_begin(ctx, &e->task_learner);
    const int status = table->adapt(self, ctx, e->model, task, params, learner);
    if (status != MN_OK) {
        nas_ctx_where(ctx, "step %lld", (long long)ctx->where.step);
    }
    TRY(nas_call_end(&call, status));
    /* A finite loss does not say that the last update was finite, nor the optimiser state. */
    char what[64];
    const int point = all_finite(d->n_w, params->w) && all_finite(d->n_a, params->a);
    if (point && all_finite(e->n_state, learner)) {
        return MN_OK;
    }
    snprintf(what, sizeof what, "after step %" PRId64 " %s", ctx->where.step,
             point ? "its state" : "the adapted point");
    return not_finite(ctx, &e->task_learner, what);
}

int nas_adapt(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_task *task,
              const struct nas_watch *watch, struct mn_point *params, mn_real *learner) {
    struct nas_scope scope;
    int status = nas_scope_begin(&scope, e, ctx, task, params, learner, watch, 0);
    if (status == MN_OK) {
        status = start(&scope, ctx, params);
    }
    if (status == MN_OK) {
        status = adapt(e, ctx, task, params, learner);
    }
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

static int part_delta(const struct nas_scope *scope, struct mn_ctx *ctx,
                      const struct nas_meta_part *part, const struct mn_point *meta,
                      struct nas_direction *out) {
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    const uint32_t all = ctx->where.adapts;
    struct nas_direction whole; /* a meta learner may write what it does not own */
    if (!nas_direction_new(scope->e, here.arena, &whole)) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a direction");
    }
    ctx->where.adapts = all & part->owns;
    nas_ctx_of(ctx)->scope->own_delta = own_of(part, out);
    nas_ctx_of(ctx)->scope->asks = part;
    struct nas_call call = nas_call_begin(ctx, part->unit);
    TRY(nas_call_end(&call, part->unit->table.meta_learner.delta(part->unit->self, ctx,
                                                                 scope->e->model, scope->task, meta,
                                                                 scope->params, &whole.to)));
    nas_ctx_of(ctx)->scope->own_delta = NULL;
    nas_ctx_of(ctx)->scope->asks = NULL;
    ctx->where.adapts = all;
    take_owned(part, &whole.to, &out->to);
    return all_finite(part->n_own, own_of(part, out))
               ? MN_OK
               : not_finite(ctx, part->unit, "its direction");
}

/* The task learner, then the meta learners, for which the task began where it started. */
static int find_direction(struct nas_scope *scope, struct mn_ctx *ctx, const struct mn_point *meta,
                          struct mn_point *params, mn_real *learner, struct nas_direction *out) {
    const struct nas_experiment *e = scope->e;
    const struct mn_dims *d = nas_model_dims(e->model);
    TRY(start(scope, ctx, params));
    const struct mn_point *from = scope->start.w != NULL ? &scope->start : meta;
    TRY(adapt(e, ctx, scope->task, params, learner));
    TRY(nas_trace_check(scope, ctx));
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
    if (status == MN_OK) {
        status = find_direction(&scope, ctx, meta, params, learner, out);
    }
    nas_scope_end(ctx);
    return status;
}

/* ---- the update --------------------------------------------------------------------------- */

void nas_mean(int64_t n, const mn_real *const *rows, int64_t count, mn_real *out) {
    enum { BLOCK = 8192 }; /* the sums stay in the cache however many rows there are */
    double sums[BLOCK];
    for (int64_t first = 0; first < count; first += BLOCK) {
        const int64_t end = count - first < BLOCK ? count - first : BLOCK;
        for (int64_t j = 0; j < end; j++) {
            sums[j] = 0;
        }
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < end; j++) {
                sums[j] += (double)rows[i][first + j];
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
    const struct mn_dims *d = nas_model_dims(e->model);
    struct nas_scope scope = {.e = e, .own_delta = own_of(part, step), .watch.metrics = metrics};
    struct nas_direction whole;
    if (!nas_direction_new(e, &nas_ctx_of(ctx)->scratch, &whole)) {
        return mn_fail(ctx, MN_NOMEM, "no memory for an update");
    }
    mn_vec_copy(d->n_w, meta->w, whole.to.w);
    mn_vec_copy(d->n_a, meta->a, whole.to.a);
    nas_ctx_of(ctx)->scope = &scope;
    struct nas_call call = nas_call_begin(ctx, part->unit);
    const int status = nas_call_end(
        &call, part->unit->table.meta_learner.update(part->unit->self, ctx, &whole.to, &step->to));
    nas_ctx_of(ctx)->scope = NULL;
    TRY(status);
    take_owned(part, &whole.to, next);
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
    const mn_real **w = nas_arena_array(here.arena, (size_t)n, sizeof *w);
    const mn_real **a = nas_arena_array(here.arena, (size_t)n, sizeof *a);
    const mn_real **own = nas_arena_array(here.arena, (size_t)n, sizeof *own);
    struct nas_direction step, next;
    if (w == NULL || a == NULL || own == NULL || !nas_direction_new(e, here.arena, &step) ||
        !nas_direction_new(e, here.arena, &next)) {
        return mn_fail(ctx, MN_NOMEM, "no memory for an update");
    }
    for (int64_t i = 0; i < n; i++) {
        w[i] = directions[i].to.w;
        a[i] = directions[i].to.a;
        own[i] = directions[i].own;
    }
    nas_mean(n, w, d->n_w, step.to.w);
    nas_mean(n, a, d->n_a, step.to.a);
    nas_mean(n, own, e->n_own, step.own);
    if (report != NULL) {
        *report = (struct nas_update_report){.norm_w = length(d->n_w, step.to.w),
                                             .norm_a = length(d->n_a, step.to.a)};
    }
    for (int i = 0; i < e->n_meta; i++) {
        TRY(part_update(e, ctx, &e->meta[i], meta, &step, report != NULL ? &report->metrics : NULL,
                        &next.to));
    }
    mn_vec_copy(d->n_w, next.to.w, meta->w);
    mn_vec_copy(d->n_a, next.to.a, meta->a);
    return MN_OK;
}
