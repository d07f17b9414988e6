/* SPDX-License-Identifier: MIT */
#include "learn/architecture_log.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>

/* NAME.OP for a candidate, NAME.I for an input. */
static void put_names(struct nas_append_log *file, const struct mn_model *model) {
    nas_append_log_put(file, "meta_epoch");
    for (int i = 0; i < nas_model_n_mixtures(model); i++) {
        const struct nas_mixture *x = nas_model_mixture(model, i);
        for (int k = 0; k < x->n_items; k++) {
            if (x->is_input) {
                nas_append_log_put(file, ",%s.%d", x->name, k);
            } else {
                nas_append_log_put(file, ",%s.%s", x->name, x->ops[k]);
            }
        }
    }
    nas_append_log_put(file, ",genotype");
}

static void put_weights(struct nas_append_log *file, const struct mn_model *model,
                        const mn_real *weights) {
    for (int i = 0; i < nas_model_n_mixtures(model); i++) {
        for (int k = 0; k < nas_model_mixture(model, i)->n_items; k++) {
            char text[40];
            nas_text_from_real(round(nas_model_item_weight(model, i, weights, k) * 1e6) / 1e6, text,
                               sizeof text);
            nas_append_log_put(file, ",%s", text);
        }
    }
}

/* With the thresholds of evaluation. */
static int put_genotype(struct nas_append_log *file, struct mn_ctx *ctx,
                        const struct mn_model *model, const struct mn_point *meta) {
    const int32_t split = ctx->where.split;
    uint8_t *keep = mn_scratch(ctx, (size_t)nas_model_dims(model)->n_choices);
    ctx->where.split = MN_TEST;
    const int status = keep != NULL ? nas_model_prune(ctx, model, meta, keep) : MN_NOMEM;
    ctx->where.split = split;
    if (status != MN_OK) {
        return status;
    }
    const size_t length = nas_model_genotype(model, keep, NULL, 0);
    char *text = mn_scratch(ctx, length + 1);
    if (text == NULL) {
        return MN_NOMEM;
    }
    nas_model_genotype(model, keep, text, length + 1);
    nas_append_log_put(file, ",%s", text);
    return MN_OK;
}

int nas_architecture_log_write(struct nas_append_log *file, const struct nas_experiment *e,
                               struct mn_ctx *ctx, const struct mn_point *meta,
                               int64_t meta_epoch) {
    const size_t mark = nas_arena_mark(&nas_ctx_of(ctx)->scratch);
    mn_real *weights =
        mn_scratch(ctx, (size_t)nas_model_dims(e->model)->n_choices * sizeof *weights);
    int status =
        weights != NULL ? nas_model_mixture_weights(ctx, e->model, meta, weights) : MN_NOMEM;
    if (status == MN_OK && file->length == 0) {
        nas_append_log_start(file);
        put_names(file, e->model);
        status = nas_append_log_write(file, ctx);
    }
    if (status == MN_OK) {
        nas_append_log_start(file);
        nas_append_log_put(file, "%" PRId64, meta_epoch);
        put_weights(file, e->model, weights);
        status = put_genotype(file, ctx, e->model, meta);
    }
    nas_arena_release(&nas_ctx_of(ctx)->scratch, mark);
    return status != MN_OK ? status : nas_append_log_write(file, ctx);
}
