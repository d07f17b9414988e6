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
