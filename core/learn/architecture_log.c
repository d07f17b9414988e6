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
                nas_append_log_put(file, ",%s.%s", x->name, x->about.items[k]);
            }
        }
    }
    nas_append_log_put(file, ",genotype");
}

/* What pruning with the thresholds of evaluation leaves. */
static int put_genotype(struct nas_append_log *file, struct mn_ctx *ctx,
                        const struct mn_model *model, const struct mn_point *meta) {
    const int32_t split = ctx->where.split;
    uint8_t *keep = mn_scratch(ctx, (size_t)nas_model_dims(model)->n_choices);
    ctx->where.split = MN_TEST;
    const int status = keep != NULL ? nas_model_prune(ctx, model, meta, keep) : MN_NOMEM;
    ctx->where.split = split;
    TRY(status);
    const size_t length = nas_model_genotype(model, keep, NULL, 0);
    char *text = mn_scratch(ctx, length + 1);
    if (text == NULL) {
        return MN_NOMEM;
    }
    nas_model_genotype(model, keep, text, length + 1);
    nas_append_log_put(file, ",%s", text);
    return MN_OK;
}

int nas_architecture_log_write(struct nas_append_log *file, const struct mn_model *model,
                               struct mn_ctx *ctx, const struct mn_point *meta,
                               int64_t meta_epoch) {
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    if (nas_model_n_mixtures(model) == 0) {
        return MN_OK;
    }
    mn_real *weights = mn_scratch(ctx, (size_t)nas_model_dims(model)->n_choices * sizeof *weights);
    TRY(weights != NULL ? nas_model_mixture_weights(ctx, model, meta, weights) : MN_NOMEM);
    if (file->length == 0) {
        nas_append_log_start(file);
        put_names(file, model);
        TRY(nas_append_log_write(file, ctx));
    }
    nas_append_log_start(file);
    nas_append_log_put(file, "%" PRId64, meta_epoch);
    for (int i = 0; i < nas_model_n_mixtures(model); i++) {
        for (int k = 0; k < nas_model_mixture(model, i)->n_items; k++) {
            char text[40];
            nas_text_from_real(round(nas_model_item_weight(model, i, weights, k) * 1e6) / 1e6, text,
                               sizeof text);
            nas_append_log_put(file, ",%s", text);
        }
    }
    TRY(put_genotype(file, ctx, model, meta));
    return nas_append_log_write(file, ctx);
}
