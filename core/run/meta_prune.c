/* SPDX-License-Identifier: MIT */
#include "run/meta_prune.h"

#include "run/meta_batch.h"

/* Logits of candidates cut from the meta-architecture: their weight is exactly zero at any
 * temperature in use, and no task brings them back. */
static const mn_real CUT = -1e4F;

static int architecture_adapts(const struct mn__experiment *e, const struct mn__state *state) {
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    const struct mn_where where = mn__meta_batch_where(e, state);
    return mn__model_dims(e->model)->n_a > 0 &&
           (table->adapts == NULL ||
            (table->adapts(e->task_learner.self, &where) & MN_ADAPTS_A) != 0);
}

static void cut(const struct mn__experiment *e, const mn_real *weights, struct mn__state *state) {
    for (int i = 0; i < mn__model_n_mixtures(e->model); i++) {
        const struct mn__mixture *x = mn__model_mixture(e->model, i);
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
}

int mn__meta_prune(const struct mn__experiment *e, struct mn_cx *cx, struct mn__state *state) {
    if (!e->run.prune_meta || !architecture_adapts(e, state)) {
        return MN_OK;
    }
    const size_t n = (size_t)mn__model_dims(e->model)->n_choices;
    const size_t mark = mn__arena_mark(&mn__cx_of(cx)->scratch);
    mn_real *weights = mn_scratch(cx, (n > 0 ? n : 1) * sizeof *weights);
    const int status =
        weights == NULL ? MN_NOMEM : mn__model_mixture_weights(cx, e->model, &state->meta, weights);
    if (status == MN_OK) {
        cut(e, weights, state);
    }
    mn__arena_release(&mn__cx_of(cx)->scratch, mark);
    return status;
}
