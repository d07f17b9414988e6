/* SPDX-License-Identifier: MIT */
#include "learn/adapt.h"
#include "learn/task_trace.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* What the task learner changes at this place; nothing is searched where there are no logits. */
static uint32_t adapts(const struct nas_experiment *e, const struct mn_ctx *ctx) {
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    const uint32_t both = MN_ADAPTS_W | MN_ADAPTS_A;
    const uint32_t own =
        table->adapts != NULL ? table->adapts(e->task_learner.self, &ctx->where) & both : both;
    return nas_model_dims(e->model)->n_a > 0 ? own : own & (uint32_t)MN_ADAPTS_W;
}

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
static int check_finite(struct mn_ctx *ctx, const struct nas_meta_part *part,
                        const struct mn_point *at, const char *what) {
    return all_finite(part->dims.n_w, at->w) && all_finite(part->dims.n_a, at->a)
               ? MN_OK
               : not_finite(ctx, part->unit, what);
}

/* A finite loss does not say that the last update was finite, nor the optimiser state. */
static int check_adapted(const struct nas_experiment *e, struct mn_ctx *ctx,
                         const struct mn_point *params, const mn_real *learner) {
    const struct mn_dims *d = nas_model_dims(e->model);
    char what[64];
    const int point = all_finite(d->n_w, params->w) && all_finite(d->n_a, params->a);
    if (point && all_finite(e->n_state, learner)) {
        return MN_OK;
    }
    snprintf(what, sizeof what, "after step %" PRId64 " %s", ctx->where.step,
             point ? "its state" : "the adapted point");
    return not_finite(ctx, &e->task_learner, what);
}

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

/* The task learner on the task that ctx is at. */
static int adapt(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_task *task,
                 struct mn_point *params, mn_real *learner) {
    ctx->where.adapts = adapts(e, ctx);
    ctx->where.step = 0;
    struct nas_call call = nas_call_begin(ctx, &e->task_learner);
    int status = e->task_learner.table.task_learner.adapt(e->task_learner.self, ctx, e->model, task,
                                                          params, learner);
    if (status != MN_OK) {
        nas_ctx_where(ctx, "step %lld", (long long)ctx->where.step);
    }
    status = nas_call_end(&call, status);
    return status != MN_OK ? status : check_adapted(e, ctx, params, learner);
}

int nas_adapt(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_task *task,
              struct mn_point *params, mn_real *learner) {
    struct nas_inner inner;
    int status = nas_inner_begin(&inner, e, ctx, task, params, learner, 0);
    if (status == MN_OK) {
        status = adapt(e, ctx, task, params, learner);
    }
    nas_inner_end(ctx);
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

static int part_delta(const struct nas_experiment *e, struct mn_ctx *ctx,
                      const struct nas_meta_part *part, const struct mn_task *task,
                      const struct mn_point *meta, const struct mn_point *adapted,
                      struct nas_direction *out) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    const size_t mark = nas_arena_mark(&c->scratch);
    const uint32_t all = ctx->where.adapts;
    struct nas_direction whole; /* a meta learner may write what it does not own */
    if (!nas_direction_new(e, &c->scratch, &whole)) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a direction");
    }
    ctx->where.adapts = all & part->owns;
    c->own = own_of(part, out);
    struct nas_call call = nas_call_begin(ctx, part->unit);
    int status =
        nas_call_end(&call, part->unit->table.meta_learner.delta(part->unit->self, ctx, e->model,
                                                                 task, meta, adapted, &whole.to));
    c->own = NULL;
    ctx->where.adapts = all;
    if (status == MN_OK) {
        take_owned(part, &whole.to, &out->to);
    }
    if (status == MN_OK && !all_finite(part->n_own, own_of(part, out))) {
        status = not_finite(ctx, part->unit, "its direction");
    }
    nas_arena_release(&c->scratch, mark);
    return status;
}

static int meta_delta(const struct nas_experiment *e, struct mn_ctx *ctx,
                      const struct mn_task *task, const struct mn_point *meta,
                      const struct mn_point *adapted, struct nas_direction *out) {
    const struct mn_dims *d = nas_model_dims(e->model);
    for (int i = 0; i < e->n_meta; i++) {
        const int status = part_delta(e, ctx, &e->meta[i], task, meta, adapted, out);
        if (status != MN_OK) {
            return status;
        }
    }
    if ((ctx->where.adapts & MN_ADAPTS_W) == 0) {
        mn_vec_fill(d->n_w, 0, out->to.w);
    }
    if ((ctx->where.adapts & MN_ADAPTS_A) == 0) {
        mn_vec_fill(d->n_a, 0, out->to.a);
    }
    return MN_OK;
}

static int check_direction(const struct nas_experiment *e, struct mn_ctx *ctx,
                           const struct nas_direction *direction) {
    int status = MN_OK;
    for (int i = 0; status == MN_OK && i < e->n_meta; i++) {
        status = check_finite(ctx, &e->meta[i], &direction->to, "its direction");
    }
    return status;
}

int nas_task_direction(const struct nas_experiment *e, struct mn_ctx *ctx,
                       const struct mn_task *task, const struct mn_point *meta,
                       struct mn_point *params, mn_real *learner, struct nas_direction *out) {
    struct nas_inner inner;
    int status = nas_inner_begin(&inner, e, ctx, task, params, learner, 1);
    if (status == MN_OK) {
        status = adapt(e, ctx, task, params, learner);
    }
    if (status == MN_OK) {
        status = nas_inner_check(&inner, ctx);
    }
    if (status == MN_OK) {
        status = meta_delta(e, ctx, task, meta, params, out);
    }
    nas_inner_end(ctx);
    return status == MN_OK ? check_direction(e, ctx, out) : status;
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

/* Of n directions; `rows` is room for n pointers. */
static void mean_direction(const struct nas_experiment *e, int64_t n,
                           const struct nas_direction *directions, const mn_real **rows,
                           struct nas_direction *out) {
    const struct mn_dims *d = nas_model_dims(e->model);
    for (int64_t i = 0; i < n; i++) {
        rows[i] = directions[i].to.w;
    }
    nas_mean(n, rows, d->n_w, out->to.w);
    for (int64_t i = 0; i < n; i++) {
        rows[i] = directions[i].to.a;
    }
    nas_mean(n, rows, d->n_a, out->to.a);
    for (int64_t i = 0; i < n; i++) {
        rows[i] = directions[i].own;
    }
    nas_mean(n, rows, e->n_own, out->own);
}

/* The part of `next` that the meta learner owns. */
static int part_update(const struct nas_experiment *e, struct mn_ctx *ctx,
                       const struct nas_meta_part *part, const struct mn_point *meta,
                       const struct nas_direction *step, struct mn_point *next) {
    const struct mn_dims *d = nas_model_dims(e->model);
    struct nas_ctx *c = nas_ctx_of(ctx);
    struct nas_direction whole;
    if (!nas_direction_new(e, &c->scratch, &whole)) {
        return mn_fail(ctx, MN_NOMEM, "no memory for an update");
    }
    mn_vec_copy(d->n_w, meta->w, whole.to.w);
    mn_vec_copy(d->n_a, meta->a, whole.to.a);
    c->own = own_of(part, step);
    struct nas_call call = nas_call_begin(ctx, part->unit);
    const int status = nas_call_end(
        &call, part->unit->table.meta_learner.update(part->unit->self, ctx, &whole.to, &step->to));
    c->own = NULL;
    if (status != MN_OK) {
        return status;
    }
    take_owned(part, &whole.to, next);
    return check_finite(ctx, part, next, "the updated state");
}

int nas_meta_update(const struct nas_experiment *e, struct mn_ctx *ctx, struct mn_point *meta,
                    int64_t n, const struct nas_direction *directions) {
    const struct mn_dims *d = nas_model_dims(e->model);
    struct nas_arena *scratch = &nas_ctx_of(ctx)->scratch;
    const size_t mark = nas_arena_mark(scratch);
    const mn_real **rows = nas_arena_array(scratch, (size_t)n, sizeof *rows);
    struct nas_direction step, next;
    int status = MN_OK;
    if (rows == NULL || !nas_direction_new(e, scratch, &step) ||
        !nas_direction_new(e, scratch, &next)) {
        return mn_fail(ctx, MN_NOMEM, "no memory for an update");
    }
    mean_direction(e, n, directions, rows, &step);
    for (int i = 0; status == MN_OK && i < e->n_meta; i++) {
        status = part_update(e, ctx, &e->meta[i], meta, &step, &next.to);
    }
    if (status == MN_OK) {
        mn_vec_copy(d->n_w, next.to.w, meta->w);
        mn_vec_copy(d->n_a, next.to.a, meta->a);
    }
    nas_arena_release(scratch, mark);
    return status;
}
