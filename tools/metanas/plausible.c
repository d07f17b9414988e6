/* SPDX-License-Identifier: MIT */
#include "plausible.h"

#include "learn/state.h"

#include <inttypes.h>
#include <string.h>

/* The last meta-epoch, when warm-ups are over, or a test. */
static struct mn_where place(const struct nas_experiment *e, int split) {
    const int64_t last = e->run.meta_epochs > 0 ? e->run.meta_epochs - 1 : 0;
    return nas_experiment_where(e, split, split == MN_TRAIN ? last : 0);
}

/* Whether a unit has an option of this name that is 0. */
static int is_zero(const struct nas_instance *unit, const char *key) {
    for (uint32_t i = 0; i < unit->unit.options.n; i++) {
        const struct mn_opt *o = &unit->unit.options.at[i];
        if (o->type == MN_OPT_REAL && strcmp(o->key, key) == 0) {
            const double *value = (const void *)((const char *)unit->self + o->offset);
            return *value == 0;
        }
    }
    return 0;
}

/* ---- the task learner --------------------------------------------------------------------- */

static void look_at_logits(const struct nas_experiment *e, struct mn_ctx *ctx) {
    const int64_t n_a = nas_model_dims(e->model)->n_a;
    const char *label = e->task_learner.label;
    const struct mn_where end = place(e, MN_TRAIN), test = place(e, MN_TEST);
    if (n_a == 0 || (nas_experiment_adapts(e, &end) & MN_ADAPTS_A) != 0) {
        return;
    }
    if ((nas_experiment_adapts(e, &test) & MN_ADAPTS_A) != 0) {
        mn_log(ctx, MN_LOG_WARN,
               "%s does not adapt the logits at any time of meta-training, only in tests: the "
               "meta-architecture stays as it is at the start",
               label);
    } else {
        mn_log(ctx, MN_LOG_WARN,
               "%s never adapts the %" PRId64
               " architecture logits of %s: nothing is searched, and "
               "pruning goes by their random start; use a task learner that searches and a rate "
               "above 0, or a network without logits",
               label, n_a, e->search_space.label);
    }
}

static void look_at_task_rates(const struct nas_experiment *e, struct mn_ctx *ctx) {
    static const char *const keys[] = {"lr", "lr_w", "test_lr", "test_lr_w"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (is_zero(nas_instance_innermost(&e->task_learner), keys[i])) {
            mn_log(ctx, MN_LOG_WARN, "%s: %s is 0: the weights do not adapt to a task%s",
                   e->task_learner.label, keys[i],
                   keys[i][0] == 't' ? " of validation and test" : "");
        }
    }
}

static void look_at_steps(const struct nas_experiment *e, struct mn_ctx *ctx) {
    static const char *const when[] = {"meta-training", "validation", "a test"};
    for (int split = MN_TRAIN; split <= MN_TEST; split += MN_TEST) {
        const struct mn_where where = place(e, split);
        if (nas_experiment_steps(e, &where) == 0) {
            mn_log(ctx, MN_LOG_WARN, "%s: a task of %s has no steps: nothing adapts to it",
                   e->task_learner.label, when[split]);
        }
    }
}

/* ---- the meta learners -------------------------------------------------------------------- */

static void look_at_meta_rates(const struct nas_experiment *e, struct mn_ctx *ctx,
                               const struct nas_meta_part *part) {
    const struct nas_instance *unit = nas_instance_innermost(part->unit);
    if ((part->owns & MN_ADAPTS_W) != 0 && is_zero(unit, "lr_w")) {
        mn_log(ctx, MN_LOG_WARN, "%s: lr_w is 0: the meta-weights stay as they are at the start",
               unit->label);
    }
    if ((part->owns & MN_ADAPTS_A) != 0 && nas_model_dims(e->model)->n_a > 0 &&
        is_zero(unit, "lr_a")) {
        mn_log(ctx, MN_LOG_WARN, "%s: lr_a is 0: the meta-architecture stays as it is at the start",
               unit->label);
    }
}

static int is_all_zero(int64_t n, const mn_real *x) {
    for (int64_t i = 0; x != NULL && i < n; i++) {
        if (x[i] != 0) {
            return 0;
        }
    }
    return x != NULL && n > 0;
}

/* The factors of the first step, which say what adapts at all. */
static int look_at_factors(const struct nas_experiment *e, struct mn_ctx *ctx,
                           const struct nas_meta_part *part) {
    const struct mn_meta_learner *table = &part->unit->table.meta_learner;
    const struct mn_dims *d = nas_model_dims(e->model);
    if (table->rates == NULL) {
        return MN_OK;
    }
    struct mn_point factors = {mn_scratch(ctx, (size_t)(d->n_w + 1) * sizeof(mn_real)),
                               mn_scratch(ctx, (size_t)(d->n_a + 1) * sizeof(mn_real))};
    if (factors.w == NULL || factors.a == NULL) {
        return MN_NOMEM;
    }
    mn_vec_fill(d->n_w, 1, factors.w);
    mn_vec_fill(d->n_a, 1, factors.a);
    struct nas_call call = nas_call_begin(ctx, part->unit);
    const int status =
        nas_call_end(&call, table->rates(part->unit->self, ctx, e->model, 0, &factors));
    if (status == MN_OK && is_all_zero(part->dims.n_w, factors.w)) {
        mn_log(ctx, MN_LOG_WARN, "%s lets no weight adapt to a task", part->unit->label);
    }
    return status;
}

int plausible_check(struct nas_experiment *e, struct mn_ctx *ctx) {
    struct nas_state state = {0}; /* meta learners know their sizes once they are started */
    const size_t mark = nas_arena_mark(&nas_ctx_of(ctx)->scratch);
    const struct mn_where before = ctx->where;
    ctx->where = place(e, MN_TRAIN);
    look_at_logits(e, ctx);
    look_at_task_rates(e, ctx);
    look_at_steps(e, ctx);
    int status = e->rates ? nas_state_new(e, ctx, &state) : MN_OK;
    for (int i = 0; status == MN_OK && i < e->n_meta; i++) {
        look_at_meta_rates(e, ctx, &e->meta[i]);
        status = look_at_factors(e, ctx, &e->meta[i]);
    }
    nas_state_fini(&state);
    ctx->where = before;
    nas_arena_release(&nas_ctx_of(ctx)->scratch, mark);
    return status;
}
