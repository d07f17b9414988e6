/* SPDX-License-Identifier: MIT */
#include "network/graph.h"

#include <math.h>
#include <string.h>

/* Mixture weights of mixture i at progress 1 over all its choices, without noise or skipping. */
static int final_weights(struct mn_ctx *ctx, const struct mn_model *m, int i, const mn_real *a,
                         mn_real *weights) {
    const struct nas_mixture *x = &m->mixtures[i];
    const struct nas_instance *mixer = x->is_input ? m->input_mixer : m->op_mixer;
    const struct mn_mixer *table = &mixer->table.mixer;
    const struct mn_when when = {.size = sizeof when, .progress = 1};
    struct mn_rng rng = mn_rng_start(ctx, MN_RNG_MIXER);
    const int64_t n_saved = table->n_saved != NULL ? table->n_saved(mixer->self, x->n_choices) : 0;
    struct nas_call call = nas_call_begin(ctx, mixer);
    mn_real *saved = mn_scratch(ctx, (size_t)(n_saved > 0 ? n_saved : 1) * sizeof *saved);
    const int status = saved == NULL ? MN_NOMEM
                                     : table->forward(mixer->self, ctx, x->n_choices,
                                                      x->logit0 < 0 ? NULL : a + x->logit0, &when,
                                                      &rng, weights, saved);
    return nas_call_end(&call, status);
}

int nas_model_mixture_weights(struct mn_ctx *ctx, const struct mn_model *m,
                              const struct mn_point *at, mn_real *weights) {
    for (int i = 0; i < m->n_mixtures; i++) {
        const int status = final_weights(ctx, m, i, at->a, weights + m->mixtures[i].choice0);
        if (status != MN_OK) {
            return status;
        }
    }
    return MN_OK;
}

static int op_mixture_of(const struct mn_model *m, const struct nas_mixture *input, int edge) {
    for (int i = 0; i < m->n_mixtures; i++) {
        const struct nas_mixture *x = &m->mixtures[i];
        if (!x->is_input && x->edge == edge && strcmp(x->group, input->group) == 0) {
            return i;
        }
    }
    return -1;
}

/* The one item of each choice, or 0 when a choice holds several. */
static int single_item(const struct mn_model *m, int i, int64_t choice, int *item) {
    const struct nas_mixture *x = &m->mixtures[i];
    int n = 0;
    for (int k = 0; k < x->n_items; k++) {
        if (m->holds[i][choice * x->n_items + k]) {
            *item = k;
            n++;
        }
    }
    return n == 1;
}

/* Largest operation weight on the edge of each choice: what plain DARTS ranks inputs by. NULL where
 * choices hold several edges. */
static mn_real *strengths(struct mn_ctx *ctx, const struct mn_model *m, int i,
                          const mn_real *weights) {
    const struct nas_mixture *x = &m->mixtures[i];
    mn_real *out = mn_scratch(ctx, (size_t)x->n_choices * sizeof *out);
    if (out == NULL) {
        return NULL;
    }
    for (int64_t c = 0; c < x->n_choices; c++) {
        int item = 0;
        if (!single_item(m, i, c, &item)) {
            return NULL;
        }
        const struct nas_mixture *op = &m->mixtures[op_mixture_of(m, x, item)];
        out[c] = 0;
        for (int64_t j = 0; j < op->n_choices; j++) {
            const mn_real w = weights[op->choice0 + j];
            out[c] = w > out[c] ? w : out[c];
        }
    }
    return out;
}

static int select_one(struct mn_ctx *ctx, const struct mn_model *m, int i, const mn_real *weights,
                      uint8_t *keep) {
    const struct nas_mixture *x = &m->mixtures[i];
    const struct nas_instance *mixer = x->is_input ? m->input_mixer : m->op_mixer;
    struct nas_call call = nas_call_begin(ctx, mixer);
    const mn_real *strength = x->is_input ? strengths(ctx, m, i, weights) : NULL;
    const int status = nas_call_end(&call, mixer->table.mixer.select(mixer->self, ctx, x->n_choices,
                                                                     weights + x->choice0, strength,
                                                                     keep + x->choice0));
    if (status != MN_OK) {
        return status;
    }
    int kept = 0;
    for (int64_t c = 0; c < x->n_choices; c++) {
        kept += keep[x->choice0 + c] != 0;
    }
    return kept > 0 ? MN_OK
                    : mn_fail(ctx, MN_INTERNAL, "%s: select keeps nothing of mixture %s",
                              mixer->label, x->name);
}

int nas_model_prune(struct mn_ctx *ctx, const struct mn_model *m, const struct mn_point *at,
                    uint8_t *keep) {
    const size_t n = (size_t)(m->dims.n_choices > 0 ? m->dims.n_choices : 1);
    mn_real *weights = mn_scratch(ctx, n * sizeof *weights);
    if (weights == NULL) {
        return MN_NOMEM;
    }
    int status = nas_model_mixture_weights(ctx, m, at, weights);
    for (int i = 0; status == MN_OK && i < m->n_mixtures; i++) {
        status = select_one(ctx, m, i, weights, keep);
    }
    return status;
}

/* Input mixtures whose choices hold one edge each may go by its strongest operation. */
static int follows(const struct mn_model *m, int input, int op) {
    const struct nas_mixture *x = &m->mixtures[input], *y = &m->mixtures[op];
    int item = 0;
    return x->is_input && !y->is_input && strcmp(x->group, y->group) == 0 &&
           single_item(m, input, 0, &item);
}

int nas_mixture_leads(const struct mn_model *m, int op) {
    for (int i = 0; i < m->n_mixtures; i++) {
        if (follows(m, i, op)) {
            return 1;
        }
    }
    return 0;
}

int nas_model_prune_again(struct mn_ctx *ctx, const struct mn_model *m, const struct mn_point *at,
                          int changed, mn_real *weights, uint8_t *keep, uint8_t *touched) {
    int status = final_weights(ctx, m, changed, at->a, weights + m->mixtures[changed].choice0);
    for (int i = 0; status == MN_OK && i < m->n_mixtures; i++) {
        touched[i] = i == changed || follows(m, i, changed);
        status = touched[i] ? select_one(ctx, m, i, weights, keep) : MN_OK;
    }
    return status;
}

int nas_model_entropy(struct mn_ctx *ctx, const struct mn_model *m, const struct mn_point *at,
                      double out[2]) {
    const size_t n = (size_t)(m->dims.n_choices > 0 ? m->dims.n_choices : 1);
    mn_real *weights = mn_scratch(ctx, n * sizeof *weights);
    int count[2] = {0, 0};
    out[0] = out[1] = 0;
    if (weights == NULL) {
        return MN_NOMEM;
    }
    const int status = nas_model_mixture_weights(ctx, m, at, weights);
    for (int i = 0; status == MN_OK && i < m->n_mixtures; i++) {
        const struct nas_mixture *x = &m->mixtures[i];
        if (x->logit0 < 0) {
            continue;
        }
        for (int64_t c = 0; c < x->n_choices; c++) {
            const double w = (double)weights[x->choice0 + c];
            out[x->is_input] -= w > 0 ? w * log(w) : 0;
        }
        count[x->is_input]++;
    }
    for (int k = 0; k < 2; k++) {
        out[k] = count[k] > 0 ? out[k] / count[k] : 0;
    }
    return status;
}

/* ---- what stays --------------------------------------------------------------------------- */

int nas_item_kept(const struct mn_model *m, int mixture, const uint8_t *keep, int item) {
    if (mixture < 0 || keep == NULL) {
        return 1;
    }
    const struct nas_mixture *x = &m->mixtures[mixture];
    for (int64_t c = 0; c < x->n_choices; c++) {
        if (keep[x->choice0 + c] && m->holds[mixture][c * x->n_items + item]) {
            return 1;
        }
    }
    return 0;
}
