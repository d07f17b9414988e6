/* SPDX-License-Identifier: MIT */
#include "backend/head_start.h"

#include "backend/backend.h"
#include "base/ctx.h"
#include "network/graph.h"

/* What a head is told of a support set, but for the weights that it makes. */
static int look(struct mn_ctx *ctx, const struct mn_model *m, const struct mn_point *meta,
                const struct mn_set *support, struct mn_head_start *out) {
    const struct mn_pass pass = {.size = sizeof pass, .flags = MN_PASS_FEATURES};
    struct mn_outcome outcome = {.size = sizeof outcome};
    outcome.features =
        mn_scratch(ctx, (size_t)support->n * (size_t)m->dims.n_features * sizeof *outcome.features);
    if (outcome.features == NULL) {
        return MN_NOMEM;
    }
    *out = (struct mn_head_start){.size = sizeof *out,
                                  .n = support->n,
                                  .features = outcome.features,
                                  .labels = support->labels,
                                  .w = meta->w + m->head.weights};
    return nas_service_model_pass(ctx, m, meta, support, &pass, &outcome);
}

static struct mn_head_site site_of(const struct mn_model *m) {
    return (struct mn_head_site){.size = sizeof(struct mn_head_site),
                                 .ways = m->dims.ways,
                                 .n_features = m->dims.n_features};
}

int nas_head_start(struct mn_ctx *ctx, const struct mn_model *m, const struct mn_point *meta,
                   const struct mn_set *support, mn_real *w) {
    const struct nas_instance *unit = m->units.head;
    const struct mn_head_site site = site_of(m);
    struct mn_head_start of;
    if (!nas_head_starts(unit)) {
        return MN_OK;
    }
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    TRY(look(ctx, m, meta, support, &of));
    of.start = nas_arena_array(here.arena, (size_t)m->head.n_weights, sizeof *of.start);
    if (of.start == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the weights of %s", unit->label);
    }
    struct nas_call call = nas_call_begin(ctx, unit);
    TRY(nas_call_end(&call, unit->table.head.start(unit->self, ctx, &site, &of)));
    mn_vec_copy(m->head.n_weights, of.start, w + m->head.weights);
    return MN_OK;
}

int nas_head_start_back(struct mn_ctx *ctx, const struct mn_model *m, const struct mn_point *meta,
                        const struct mn_set *support, int with_a, struct mn_point *direction) {
    const struct nas_instance *unit = m->units.head;
    const struct mn_head *table = &unit->table.head;
    const struct mn_head_site site = site_of(m);
    const size_t n_w = (size_t)m->dims.n_w, n_a = (size_t)m->dims.n_a;
    struct mn_head_start of;
    if (!nas_head_starts(unit)) {
        return MN_OK;
    }
    mn_real *head = direction->w + m->head.weights;
    if (table->start_back == NULL) {
        mn_vec_fill(m->head.n_weights, 0, head);
        return MN_OK;
    }
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    TRY(look(ctx, m, meta, support, &of));
    struct mn_outcome out = {.size = sizeof out};
    of.d_start = head;
    of.d_w = nas_arena_array(here.arena, (size_t)m->head.n_weights, sizeof *of.d_w);
    of.d_features = nas_arena_array(here.arena, (size_t)of.n * (size_t)m->dims.n_features,
                                    sizeof *of.d_features);
    out.d_w = nas_arena_array(here.arena, n_w, sizeof *out.d_w);
    out.d_a = nas_arena_array(here.arena, n_a, sizeof *out.d_a);
    if (of.d_w == NULL || of.d_features == NULL || out.d_w == NULL || out.d_a == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a gradient of %s", unit->label);
    }
    struct nas_call call = nas_call_begin(ctx, unit);
    TRY(nas_call_end(&call, table->start_back(unit->self, ctx, &site, &of)));
    mn_vec_copy(m->head.n_weights, of.d_w, head);
    const int a = with_a && n_a > 0;
    const struct mn_pass pass = {.size = sizeof pass,
                                 .flags =
                                     MN_PASS_FEATURES | MN_PASS_GRAD_W | (a ? MN_PASS_GRAD_A : 0u),
                                 .d_features = of.d_features};
    TRY(nas_service_model_pass(ctx, m, meta, support, &pass, &out));
    mn_vec_axpy(m->dims.n_w, 1, out.d_w, direction->w);
    mn_vec_axpy(a ? m->dims.n_a : 0, 1, out.d_a, direction->a);
    return MN_OK;
}
