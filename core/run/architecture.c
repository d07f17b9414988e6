/* SPDX-License-Identifier: MIT */
#include "run/architecture.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>

/* NAME.OP for a candidate, NAME.I for an input. */
static void put_names(struct mn__metrics *file, const struct mn_model *model) {
    mn__metrics_put(file, "meta_epoch");
    for (int i = 0; i < mn__model_n_mixtures(model); i++) {
        const struct mn__mixture *x = mn__model_mixture(model, i);
        for (int k = 0; k < x->n_items; k++) {
            if (x->is_input) {
                mn__metrics_put(file, ",%s.%d", x->name, k);
            } else {
                mn__metrics_put(file, ",%s.%s", x->name, x->ops[k]);
            }
        }
    }
    mn__metrics_put(file, ",genotype");
}

static void put_weights(struct mn__metrics *file, const struct mn_model *model,
                        const mn_real *weights) {
    for (int i = 0; i < mn__model_n_mixtures(model); i++) {
        for (int k = 0; k < mn__model_mixture(model, i)->n_items; k++) {
            char text[40];
            mn__text_from_real(round(mn__model_item_weight(model, i, weights, k) * 1e6) / 1e6, text,
                               sizeof text);
            mn__metrics_put(file, ",%s", text);
        }
    }
}

/* With the thresholds of evaluation. */
static int put_genotype(struct mn__metrics *file, struct mn_cx *cx, const struct mn_model *model,
                        const struct mn_point *meta) {
    const int32_t split = cx->where.split;
    uint8_t *keep = mn_scratch(cx, (size_t)mn__model_dims(model)->n_choices);
    cx->where.split = MN_TEST;
    const int status = keep != NULL ? mn__model_prune(cx, model, meta, keep) : MN_NOMEM;
    cx->where.split = split;
    if (status != MN_OK) {
        return status;
    }
    const size_t length = mn__model_genotype(model, keep, NULL, 0);
    char *text = mn_scratch(cx, length + 1);
    if (text == NULL) {
        return MN_NOMEM;
    }
    mn__model_genotype(model, keep, text, length + 1);
    mn__metrics_put(file, ",%s", text);
    return MN_OK;
}

int mn__architecture_write(struct mn__metrics *file, const struct mn__experiment *e,
                           struct mn_cx *cx, const struct mn_point *meta, int64_t meta_epoch) {
    const size_t mark = mn__arena_mark(&mn__cx_of(cx)->scratch);
    mn_real *weights =
        mn_scratch(cx, (size_t)mn__model_dims(e->model)->n_choices * sizeof *weights);
    int status =
        weights != NULL ? mn__model_mixture_weights(cx, e->model, meta, weights) : MN_NOMEM;
    if (status == MN_OK && file->length == 0) {
        mn__metrics_start(file);
        put_names(file, e->model);
        status = mn__metrics_write(file, cx);
    }
    if (status == MN_OK) {
        mn__metrics_start(file);
        mn__metrics_put(file, "%" PRId64, meta_epoch);
        put_weights(file, e->model, weights);
        status = put_genotype(file, cx, e->model, meta);
    }
    mn__arena_release(&mn__cx_of(cx)->scratch, mark);
    return status != MN_OK ? status : mn__metrics_write(file, cx);
}
