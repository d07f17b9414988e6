/* SPDX-License-Identifier: MIT */
#include "learn/task.h"

int nas_teacher_start(struct nas_scope *scope, struct mn_ctx *ctx, const struct mn_point *start) {
    const struct mn_dims *d = nas_model_dims(scope->e->model);
    if (!scope->e->teacher && !nas_head_starts(&scope->e->head)) {
        return MN_OK;
    }
    TRY(nas_point_new(scope->e, ctx, start, &scope->start));
    if (scope->e->teacher) {
        const size_t n = (size_t)d->max_predictions * (size_t)d->ways;
        scope->targets = mn_scratch(ctx, n * sizeof *scope->targets);
        return scope->targets != NULL ? MN_OK : MN_NOMEM;
    }
    return MN_OK;
}

/* Fill scope->targets for a pass. Those of the whole support set, which steps without mini-batches
 * ask for again and again, are kept. */
static int teach(struct nas_scope *scope, struct mn_ctx *ctx, const struct mn_set *batch,
                 const struct mn_pass *pass) {
    const struct mn_set *support = &scope->task->support;
    const int whole = batch->images == support->images && batch->n == support->n &&
                      pass->support == NULL && pass->keep == NULL && pass->stats == NULL;
    const struct mn_pass look = {
        .size = sizeof look, .keep = pass->keep, .stats = pass->stats, .support = pass->support};
    struct mn_outcome out = {.size = sizeof out, .logits = scope->targets};
    const int32_t ways = nas_model_dims(scope->e->model)->ways;
    if (whole && scope->knows_support) {
        return MN_OK;
    }
    scope->knows_support = 0;
    TRY(nas_service_model_pass(ctx, scope->e->model, &scope->start, batch, &look, &out));
    for (ptrdiff_t i = 0; i < batch->n; i++) {
        mn_vec_softmax(ways, scope->targets + i * ways, 1, scope->targets + i * ways);
    }
    scope->knows_support = whole;
    return MN_OK;
}

int nas_service_taught_pass(struct mn_ctx *ctx, const struct mn_model *m, const struct mn_point *at,
                            const struct mn_set *batch, const struct mn_pass *pass,
                            struct mn_outcome *out) {
    struct nas_scope *scope = nas_ctx_of(ctx)->scope;
    const int is_step = (pass->flags & (MN_PASS_TRAINING | MN_PASS_FEATURES)) == MN_PASS_TRAINING;
    if (scope == NULL || scope->targets == NULL || !is_step || pass->targets != NULL) {
        return nas_service_model_pass(ctx, m, at, batch, pass, out);
    }
    struct mn_pass taught = *pass;
    TRY(teach(scope, ctx, batch, pass));
    taught.targets = scope->targets;
    return nas_service_model_pass(ctx, m, at, batch, &taught, out);
}
