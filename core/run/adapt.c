/* SPDX-License-Identifier: MIT */
#include "run/inner.h"
#include "run/metatrain.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* What the task learner changes at this place; nothing is searched where there are no logits. */
static uint32_t adapts(const struct mn__experiment *e, const struct mn_cx *cx) {
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    const uint32_t both = MN_ADAPTS_W | MN_ADAPTS_A;
    const uint32_t own =
        table->adapts != NULL ? table->adapts(e->task_learner.self, &cx->where) & both : both;
    return mn__model_dims(e->model)->n_a > 0 ? own : own & (uint32_t)MN_ADAPTS_W;
}

static int all_finite(int64_t n, const mn_real *x) {
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            return 0;
        }
    }
    return 1;
}

static int not_finite(struct mn_cx *cx, const struct mn__instance *unit, const char *what) {
    return mn_fail(cx, MN_NUMERIC, "%s: %s holds a number that is not finite", unit->label, what);
}

/* Of the parts that the meta learner owns. */
static int check_finite(struct mn_cx *cx, const struct mn__meta_part *part,
                        const struct mn_point *at, const char *what) {
    return all_finite(part->dims.n_w, at->w) && all_finite(part->dims.n_a, at->a)
               ? MN_OK
               : not_finite(cx, part->unit, what);
}

/* A finite loss does not say that the last update was finite, nor the optimiser state. */
static int check_adapted(const struct mn__experiment *e, struct mn_cx *cx,
                         const struct mn_point *params, const mn_real *learner) {
    const struct mn_dims *d = mn__model_dims(e->model);
    char what[64];
    const int point = all_finite(d->n_w, params->w) && all_finite(d->n_a, params->a);
    if (point && all_finite(e->n_state, learner)) {
        return MN_OK;
    }
    snprintf(what, sizeof what, "after step %" PRId64 " %s", cx->where.step,
             point ? "its state" : "the adapted point");
    return not_finite(cx, &e->task_learner, what);
}

int mn__adapt_start(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_point *meta,
                    const mn_real *state, struct mn_point *params, mn_real **learner) {
    const struct mn_dims *d = mn__model_dims(e->model);
    params->w = mn_scratch(cx, (size_t)d->n_w * sizeof(mn_real));
    params->a = mn_scratch(cx, (size_t)d->n_a * sizeof(mn_real));
    *learner = mn_scratch(cx, (size_t)e->n_state * sizeof(mn_real));
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

/* The task learner on the task that cx is at. */
static int adapt(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_task *task,
                 struct mn_point *params, mn_real *learner) {
    cx->where.adapts = adapts(e, cx);
    cx->where.step = 0;
    struct mn__call call = mn__call_begin(cx, &e->task_learner);
    int status = e->task_learner.table.task_learner.adapt(e->task_learner.self, cx, e->model, task,
                                                          params, learner);
    if (status != MN_OK) {
        mn__cx_where(cx, "step %lld", (long long)cx->where.step);
    }
    status = mn__call_end(&call, status);
    return status != MN_OK ? status : check_adapted(e, cx, params, learner);
}

int mn__adapt(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_task *task,
              struct mn_point *params, mn_real *learner) {
    struct mn__inner inner;
    int status = mn__inner_begin(&inner, e, cx, task, params, learner, 0);
    if (status == MN_OK) {
        status = adapt(e, cx, task, params, learner);
    }
    mn__inner_end(cx);
    return status;
}

/* ---- directions --------------------------------------------------------------------------- */

int mn__direction_new(const struct mn__experiment *e, struct mn__arena *arena,
                      struct mn__direction *out) {
    const struct mn_dims *d = mn__model_dims(e->model);
    out->to.w = mn__arena_array(arena, (size_t)d->n_w, sizeof(mn_real));
    out->to.a = mn__arena_array(arena, (size_t)d->n_a, sizeof(mn_real));
    out->own = mn__arena_array(arena, (size_t)e->n_own, sizeof(mn_real));
    return out->to.w != NULL && out->to.a != NULL && out->own != NULL;
}

static mn_real *own_of(const struct mn__meta_part *part, const struct mn__direction *direction) {
    return part->n_own > 0 ? direction->own + part->own0 : NULL;
}

/* The parts of `from` that the meta learner owns. */
static void take_owned(const struct mn__meta_part *part, const struct mn_point *from,
                       struct mn_point *to) {
    mn_vec_copy(part->dims.n_w, from->w, to->w);
    mn_vec_copy(part->dims.n_a, from->a, to->a);
}

static int part_delta(const struct mn__experiment *e, struct mn_cx *cx,
                      const struct mn__meta_part *part, const struct mn_task *task,
                      const struct mn_point *meta, const struct mn_point *adapted,
                      struct mn__direction *out) {
    struct mn__cx *c = mn__cx_of(cx);
    const size_t mark = mn__arena_mark(&c->scratch);
    const uint32_t all = cx->where.adapts;
    struct mn__direction whole; /* a meta learner may write what it does not own */
    if (!mn__direction_new(e, &c->scratch, &whole)) {
        return mn_fail(cx, MN_NOMEM, "no memory for a direction");
    }
    cx->where.adapts = all & part->owns;
    c->own = own_of(part, out);
    struct mn__call call = mn__call_begin(cx, part->unit);
    int status =
        mn__call_end(&call, part->unit->table.meta_learner.delta(part->unit->self, cx, e->model,
                                                                 task, meta, adapted, &whole.to));
    c->own = NULL;
    cx->where.adapts = all;
    if (status == MN_OK) {
        take_owned(part, &whole.to, &out->to);
    }
    if (status == MN_OK && !all_finite(part->n_own, own_of(part, out))) {
        status = not_finite(cx, part->unit, "its direction");
    }
    mn__arena_release(&c->scratch, mark);
    return status;
}

static int meta_delta(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_task *task,
                      const struct mn_point *meta, const struct mn_point *adapted,
                      struct mn__direction *out) {
    const struct mn_dims *d = mn__model_dims(e->model);
    for (int i = 0; i < e->n_meta; i++) {
        const int status = part_delta(e, cx, &e->meta[i], task, meta, adapted, out);
        if (status != MN_OK) {
            return status;
        }
    }
    if ((cx->where.adapts & MN_ADAPTS_W) == 0) {
        mn_vec_fill(d->n_w, 0, out->to.w);
    }
    if ((cx->where.adapts & MN_ADAPTS_A) == 0) {
        mn_vec_fill(d->n_a, 0, out->to.a);
    }
    return MN_OK;
}

static int check_direction(const struct mn__experiment *e, struct mn_cx *cx,
                           const struct mn__direction *direction) {
    int status = MN_OK;
    for (int i = 0; status == MN_OK && i < e->n_meta; i++) {
        status = check_finite(cx, &e->meta[i], &direction->to, "its direction");
    }
    return status;
}

int mn__task_direction(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_task *task,
                       const struct mn_point *meta, struct mn_point *params, mn_real *learner,
                       struct mn__direction *out) {
    struct mn__inner inner;
    int status = mn__inner_begin(&inner, e, cx, task, params, learner, 1);
    if (status == MN_OK) {
        status = adapt(e, cx, task, params, learner);
    }
    if (status == MN_OK) {
        status = mn__inner_check(&inner, cx);
    }
    if (status == MN_OK) {
        status = meta_delta(e, cx, task, meta, params, out);
    }
    mn__inner_end(cx);
    return status == MN_OK ? check_direction(e, cx, out) : status;
}

/* ---- the update --------------------------------------------------------------------------- */

void mn__mean(int64_t n, const mn_real *const *rows, int64_t count, mn_real *out) {
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
static void mean_direction(const struct mn__experiment *e, int64_t n,
                           const struct mn__direction *directions, const mn_real **rows,
                           struct mn__direction *out) {
    const struct mn_dims *d = mn__model_dims(e->model);
    for (int64_t i = 0; i < n; i++) {
        rows[i] = directions[i].to.w;
    }
    mn__mean(n, rows, d->n_w, out->to.w);
    for (int64_t i = 0; i < n; i++) {
        rows[i] = directions[i].to.a;
    }
    mn__mean(n, rows, d->n_a, out->to.a);
    for (int64_t i = 0; i < n; i++) {
        rows[i] = directions[i].own;
    }
    mn__mean(n, rows, e->n_own, out->own);
}

/* The part of `next` that the meta learner owns. */
static int part_update(const struct mn__experiment *e, struct mn_cx *cx,
                       const struct mn__meta_part *part, const struct mn_point *meta,
                       const struct mn__direction *step, struct mn_point *next) {
    const struct mn_dims *d = mn__model_dims(e->model);
    struct mn__cx *c = mn__cx_of(cx);
    struct mn__direction whole;
    if (!mn__direction_new(e, &c->scratch, &whole)) {
        return mn_fail(cx, MN_NOMEM, "no memory for an update");
    }
    mn_vec_copy(d->n_w, meta->w, whole.to.w);
    mn_vec_copy(d->n_a, meta->a, whole.to.a);
    c->own = own_of(part, step);
    struct mn__call call = mn__call_begin(cx, part->unit);
    const int status = mn__call_end(
        &call, part->unit->table.meta_learner.update(part->unit->self, cx, &whole.to, &step->to));
    c->own = NULL;
    if (status != MN_OK) {
        return status;
    }
    take_owned(part, &whole.to, next);
    return check_finite(cx, part, next, "the updated state");
}

int mn__meta_update(const struct mn__experiment *e, struct mn_cx *cx, struct mn_point *meta,
                    int64_t n, const struct mn__direction *directions) {
    const struct mn_dims *d = mn__model_dims(e->model);
    struct mn__arena *scratch = &mn__cx_of(cx)->scratch;
    const size_t mark = mn__arena_mark(scratch);
    const mn_real **rows = mn__arena_array(scratch, (size_t)n, sizeof *rows);
    struct mn__direction step, next;
    int status = MN_OK;
    if (rows == NULL || !mn__direction_new(e, scratch, &step) ||
        !mn__direction_new(e, scratch, &next)) {
        return mn_fail(cx, MN_NOMEM, "no memory for an update");
    }
    mean_direction(e, n, directions, rows, &step);
    for (int i = 0; status == MN_OK && i < e->n_meta; i++) {
        status = part_update(e, cx, &e->meta[i], meta, &step, &next.to);
    }
    if (status == MN_OK) {
        mn_vec_copy(d->n_w, next.to.w, meta->w);
        mn_vec_copy(d->n_a, next.to.a, meta->a);
    }
    mn__arena_release(scratch, mark);
    return status;
}
