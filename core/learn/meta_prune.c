/* SPDX-License-Identifier: MIT */
#include "learn/meta_prune.h"

#include "learn/meta_step.h"

/* Logits of candidates cut from the meta-architecture: their weight is exactly zero at any
 * temperature in use, and no task brings them back. */
static const mn_real CUT = -1e4F;

int nas_meta_prune(const struct nas_experiment *e, struct mn_ctx *ctx, struct nas_state *state) {
    const struct mn_where where = nas_meta_batch_where(e, state);
    const struct mn_dims *d = nas_model_dims(e->model);
    if (!e->run.prune_meta || (nas_experiment_adapts(e, &where) & MN_ADAPTS_A) == 0) {
        return MN_OK;
    }
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    mn_real *weights = mn_scratch(ctx, ((size_t)d->n_choices + 1) * sizeof *weights);
    if (weights == NULL) {
        return MN_NOMEM;
    }
    TRY(nas_model_mixture_weights(ctx, e->model, &state->meta, weights));
    for (int i = 0; i < nas_model_n_mixtures(e->model); i++) {
        const struct nas_mixture *x = nas_model_mixture(e->model, i);
        const mn_real *w = weights + x->choice0;
        int64_t top = 0;
        for (int64_t c = 1; c < x->n_choices; c++) {
            top = w[c] > w[top] ? c : top;
        }
        for (int64_t c = 0; x->logit0 >= 0 && c < x->n_choices; c++) {
            if (c != top && (double)w[c] < e->run.meta_threshold) {
                state->meta.a[x->logit0 + c] = CUT;
            }
        }
    }
    return MN_OK;
}

int64_t nas_meta_shrink_at(const struct nas_experiment *e, int64_t i) {
    return e->run.meta_epochs * (i + 1) / (e->run.shrink.n + 1);
}

/* All but the `stay` largest weights, of equals the earlier. */
static void cut_smallest(const struct nas_mixture *x, const mn_real *w, int64_t stay, mn_real *a) {
    for (int64_t c = 0; c < x->n_choices; c++) {
        int64_t before = 0;
        for (int64_t d = 0; d < x->n_choices; d++) {
            before += w[d] > w[c] || (d < c && w[d] >= w[c]);
        }
        a[c] = before < stay ? a[c] : CUT;
    }
}

int nas_meta_shrink(const struct nas_experiment *e, struct mn_ctx *ctx, struct nas_state *state) {
    int64_t part = 0;
    while (part < e->run.shrink.n && nas_meta_shrink_at(e, part) != state->meta_epoch) {
        part++;
    }
    if (part == e->run.shrink.n) {
        return MN_OK;
    }
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    mn_real *weights =
        mn_scratch(ctx, ((size_t)nas_model_dims(e->model)->n_choices + 1) * sizeof *weights);
    if (weights == NULL) {
        return MN_NOMEM;
    }
    TRY(nas_model_mixture_weights(ctx, e->model, &state->meta, weights));
    for (int i = 0; i < nas_model_n_mixtures(e->model); i++) {
        const struct nas_mixture *x = nas_model_mixture(e->model, i);
        if (!x->is_input && x->logit0 >= 0) {
            cut_smallest(x, weights + x->choice0, e->run.shrink.at[part],
                         state->meta.a + x->logit0);
        }
    }
    return MN_OK;
}
