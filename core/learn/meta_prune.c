/* SPDX-License-Identifier: MIT */
#include "learn/meta_prune.h"

#include "learn/meta_step.h"

/* Logits of candidates cut from the meta-architecture: their weight is exactly zero at any
 * temperature in use, and no task brings them back. */
static const mn_real CUT = -1e4F;

/* Those of larger weight, and of equals those before it. */
static int64_t rank(const struct nas_mixture *x, const mn_real *w, int64_t c) {
    int64_t before = 0;
    for (int64_t d = 0; d < x->n_choices; d++) {
        before += w[d] > w[c] || (d < c && w[d] >= w[c]);
    }
    return before;
}

/* Of every edge all but the `stay` largest; with stay = 0, of every mixture those under
 * run.meta_threshold but the largest. */
static int cut(const struct nas_experiment *e, struct mn_ctx *ctx, struct nas_state *state,
               int64_t stay) {
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    const size_t n = (size_t)nas_model_dims(e->model)->n_choices + 1;
    mn_real *weights = mn_scratch(ctx, n * sizeof *weights);
    TRY(weights != NULL ? nas_model_mixture_weights(ctx, e->model, &state->meta, weights)
                        : MN_NOMEM);
    for (int i = 0; i < nas_model_n_mixtures(e->model); i++) {
        const struct nas_mixture *x = nas_model_mixture(e->model, i);
        const mn_real *w = weights + x->choice0;
        for (int64_t c = 0; x->logit0 >= 0 && c < x->n_choices; c++) {
            if (stay > 0 ? !x->is_input && rank(x, w, c) >= stay
                         : (double)w[c] < e->run.meta_threshold && rank(x, w, c) > 0) {
                state->meta.a[x->logit0 + c] = CUT;
            }
        }
    }
    return MN_OK;
}

int nas_meta_prune(const struct nas_experiment *e, struct mn_ctx *ctx, struct nas_state *state) {
    const struct mn_where where = nas_meta_batch_where(e, state);
    return e->run.prune_meta && (nas_experiment_adapts(e, &where) & MN_ADAPTS_A) != 0
               ? cut(e, ctx, state, 0)
               : MN_OK;
}

int64_t nas_meta_shrink_at(const struct nas_experiment *e, int64_t i) {
    return e->run.meta_epochs * (i + 1) / (e->run.shrink.n + 1);
}

int nas_meta_shrink(const struct nas_experiment *e, struct mn_ctx *ctx, struct nas_state *state) {
    for (int64_t part = 0; part < e->run.shrink.n; part++) {
        if (nas_meta_shrink_at(e, part) == state->meta_epoch) {
            return cut(e, ctx, state, e->run.shrink.at[part]);
        }
    }
    return MN_OK;
}
