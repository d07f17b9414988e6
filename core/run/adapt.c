/* SPDX-License-Identifier: MIT */
#include "run/metatrain.h"

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

static int check_finite(const struct mn__experiment *e, struct mn_cx *cx,
                        const struct mn__instance *unit, const struct mn_point *at,
                        const char *what) {
    const struct mn_dims *d = mn__model_dims(e->model);
    if (all_finite(d->n_w, at->w) && all_finite(d->n_a, at->a)) {
        return MN_OK;
    }
    return mn_fail(cx, MN_NUMERIC, "%s: %s holds a number that is not finite", unit->label, what);
}

/* A finite loss does not say that the last update was finite, nor the optimiser state. */
static int check_adapted(const struct mn__experiment *e, struct mn_cx *cx,
                         const struct mn_point *params, const mn_real *learner) {
    const int status = check_finite(e, cx, &e->task_learner, params, "the adapted point");
    if (status == MN_OK && !all_finite(e->n_state, learner)) {
        return mn_fail(cx, MN_NUMERIC, "%s: its state holds a number that is not finite",
                       e->task_learner.label);
    }
    return status;
}

int mn__adapt(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_task *task,
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

int mn__meta_delta(const struct mn__experiment *e, struct mn_cx *cx, const struct mn_task *task,
                   const struct mn_point *meta, const struct mn_point *adapted,
                   struct mn_point *out) {
    const struct mn_dims *d = mn__model_dims(e->model);
    struct mn__call call = mn__call_begin(cx, &e->meta_learner);
    const int status =
        mn__call_end(&call, e->meta_learner.table.meta_learner.delta(
                                e->meta_learner.self, cx, e->model, task, meta, adapted, out));
    if (status != MN_OK) {
        return status;
    }
    if ((cx->where.adapts & MN_ADAPTS_W) == 0) {
        mn_vec_fill(d->n_w, 0, out->w);
    }
    if ((cx->where.adapts & MN_ADAPTS_A) == 0) {
        mn_vec_fill(d->n_a, 0, out->a);
    }
    return check_finite(e, cx, &e->meta_learner, out, "its direction");
}

static void mean(int64_t n, int64_t count, const struct mn_point *points, int architecture,
                 mn_real *out) {
    for (int64_t j = 0; j < count; j++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            sum += (double)(architecture ? points[i].a : points[i].w)[j];
        }
        out[j] = (mn_real)(sum / (double)n);
    }
}

int mn__meta_update(const struct mn__experiment *e, struct mn_cx *cx, struct mn_point *meta,
                    int64_t n, const struct mn_point *deltas) {
    const struct mn_dims *d = mn__model_dims(e->model);
    const size_t mark = mn__arena_mark(&mn__cx_of(cx)->scratch);
    struct mn_point step = {mn_scratch(cx, (size_t)d->n_w * sizeof(mn_real)),
                            mn_scratch(cx, (size_t)d->n_a * sizeof(mn_real))};
    struct mn_point next = {mn_scratch(cx, (size_t)d->n_w * sizeof(mn_real)),
                            mn_scratch(cx, (size_t)d->n_a * sizeof(mn_real))};
    int status = step.w && step.a && next.w && next.a ? MN_OK : MN_NOMEM;
    if (status == MN_OK) {
        mean(n, d->n_w, deltas, 0, step.w);
        mean(n, d->n_a, deltas, 1, step.a);
        mn_vec_copy(d->n_w, meta->w, next.w);
        mn_vec_copy(d->n_a, meta->a, next.a);
        struct mn__call call = mn__call_begin(cx, &e->meta_learner);
        status = mn__call_end(&call, e->meta_learner.table.meta_learner.update(e->meta_learner.self,
                                                                               cx, &next, &step));
    }
    if (status == MN_OK) {
        status = check_finite(e, cx, &e->meta_learner, &next, "the updated state");
    }
    if (status == MN_OK) {
        mn_vec_copy(d->n_w, next.w, meta->w);
        mn_vec_copy(d->n_a, next.a, meta->a);
    }
    mn__arena_release(&mn__cx_of(cx)->scratch, mark);
    return status;
}
