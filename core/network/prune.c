/* SPDX-License-Identifier: MIT */
#include "network/prune.h"

#include <math.h>
#include <string.h>

/* All choices, as at the end of a task. */
static struct mn_when final(const struct nas_mixture *x) {
    return (struct mn_when){.size = sizeof(struct mn_when), .progress = 1, .mixture = &x->about};
}

/* Mixture weights of mixture i at progress 1 over all its choices, without noise or skipping. */
static int final_weights(struct mn_ctx *ctx, const struct mn_model *m, int i, const mn_real *a,
                         mn_real *weights) {
    const struct nas_mixture *x = &m->mixtures[i];
    const struct nas_instance *mixer = nas_mixer_of(m, x);
    const struct mn_mixer *table = &mixer->table.mixer;
    const struct mn_when when = final(x);
    struct mn_rng rng = mn_rng_start(ctx, MN_RNG_MIXER);
    const int64_t n_saved = table->n_saved != NULL ? table->n_saved(mixer->self, x->n_choices) : 0;
    struct nas_call call = nas_call_begin(ctx, mixer);
    mn_real *saved = mn_scratch(ctx, (size_t)(n_saved > 0 ? n_saved : 1) * sizeof *saved);
    const int status = saved == NULL ? MN_NOMEM
                                     : table->forward(mixer->self, ctx, x->n_choices,
                                                      x->logit0 < 0 ? NULL : a + x->logit0, &when,
                                                      &rng, weights + x->choice0, saved);
    return nas_call_end(&call, status);
}

int nas_model_mixture_weights(struct mn_ctx *ctx, const struct mn_model *m,
                              const struct mn_point *at, mn_real *weights) {
    for (int i = 0; i < m->n_mixtures; i++) {
        TRY(final_weights(ctx, m, i, at->a, weights));
    }
    return MN_OK;
}

/* The one item of a choice; -1 when it holds several. */
static int single_item(const struct nas_mixture *x, int64_t choice) {
    int n = 0, item = -1;
    for (int k = 0; k < x->n_items; k++) {
        if (x->holds[choice * x->n_items + k]) {
            item = k;
            n++;
        }
    }
    return n == 1 ? item : -1;
}

/* Largest operation weight on the edge of each choice of an input mixture: what plain DARTS ranks
 * inputs by. NULL where choices hold several edges. */
static mn_real *strengths(struct mn_ctx *ctx, const struct mn_model *m, const struct nas_mixture *x,
                          const mn_real *weights) {
    mn_real *out = mn_scratch(ctx, (size_t)x->n_choices * sizeof *out);
    for (int64_t c = 0; out != NULL && c < x->n_choices; c++) {
        const int edge = single_item(x, c);
        if (edge < 0) {
            return NULL;
        }
        const struct nas_mixture *op = x - x->n_items + edge; /* the group's op mixtures */
        out[c] = 0;
        for (int64_t j = 0; j < op->n_choices; j++) {
            const mn_real w = weights[op->choice0 + j];
            out[c] = w > out[c] ? w : out[c];
        }
    }
    return out;
}

static int keeps_some(struct mn_ctx *ctx, const struct nas_mixture *x, const char *label,
                      const char *function, const uint8_t *keep) {
    for (int64_t c = 0; c < x->n_choices; c++) {
        if (keep[x->choice0 + c] != 0) {
            return MN_OK;
        }
    }
    return mn_fail(ctx, MN_INTERNAL, "%s: %s keeps nothing of mixture %s", label, function,
                   x->name);
}

int nas_prune_check(struct mn_ctx *ctx, const struct mn_model *m, const char *label,
                    const uint8_t *keep) {
    for (int i = 0; i < m->n_mixtures; i++) {
        TRY(keeps_some(ctx, &m->mixtures[i], label, "prune", keep));
    }
    return MN_OK;
}

static int select_one(struct mn_ctx *ctx, const struct mn_model *m, const struct nas_mixture *x,
                      const mn_real *weights, uint8_t *keep) {
    const struct nas_instance *mixer = nas_mixer_of(m, x);
    const struct mn_when when = final(x);
    struct nas_call call = nas_call_begin(ctx, mixer);
    const mn_real *strength = x->is_input ? strengths(ctx, m, x, weights) : NULL;
    TRY(nas_call_end(&call,
                     mixer->table.mixer.select(mixer->self, ctx, x->n_choices, &when,
                                               weights + x->choice0, strength, keep + x->choice0)));
    return keeps_some(ctx, x, mixer->label, "select", keep);
}

int nas_model_prune(struct mn_ctx *ctx, const struct mn_model *m, const struct mn_point *at,
                    uint8_t *keep) {
    mn_real *weights = mn_scratch(ctx, (size_t)(m->dims.n_choices + 1) * sizeof *weights);
    if (weights == NULL) {
        return MN_NOMEM;
    }
    TRY(nas_model_mixture_weights(ctx, m, at, weights));
    for (int i = 0; i < m->n_mixtures; i++) {
        TRY(select_one(ctx, m, &m->mixtures[i], weights, keep));
    }
    return MN_OK;
}

/* Input mixtures whose choices hold one edge each may go by its strongest operation. */
static int follows(const struct nas_mixture *input, const struct nas_mixture *op) {
    return input->is_input && !op->is_input && strcmp(input->group, op->group) == 0 &&
           single_item(input, 0) >= 0;
}

int nas_prune_leads(const struct mn_model *m, int op) {
    for (int i = 0; i < m->n_mixtures; i++) {
        if (follows(&m->mixtures[i], &m->mixtures[op])) {
            return 1;
        }
    }
    return 0;
}

int nas_prune_update(struct mn_ctx *ctx, const struct mn_model *m, const struct mn_point *at,
                     int changed, mn_real *weights, uint8_t *keep, uint8_t *touched) {
    TRY(final_weights(ctx, m, changed, at->a, weights));
    for (int i = 0; i < m->n_mixtures; i++) {
        touched[i] = i == changed || follows(&m->mixtures[i], &m->mixtures[changed]);
        TRY(touched[i] ? select_one(ctx, m, &m->mixtures[i], weights, keep) : MN_OK);
    }
    return MN_OK;
}

int nas_model_entropy(struct mn_ctx *ctx, const struct mn_model *m, const struct mn_point *at,
                      double out[2]) {
    mn_real *weights = mn_scratch(ctx, (size_t)(m->dims.n_choices + 1) * sizeof *weights);
    int count[2] = {0, 0};
    out[0] = out[1] = 0;
    if (weights == NULL) {
        return MN_NOMEM;
    }
    TRY(nas_model_mixture_weights(ctx, m, at, weights));
    for (int i = 0; i < m->n_mixtures; i++) {
        const struct nas_mixture *x = &m->mixtures[i];
        for (int64_t c = 0; x->logit0 >= 0 && c < x->n_choices; c++) {
            const double w = (double)weights[x->choice0 + c];
            out[x->is_input] -= w > 0 ? w * log(w) : 0;
        }
        count[x->is_input] += x->logit0 >= 0;
    }
    for (int k = 0; k < 2; k++) {
        out[k] = count[k] > 0 ? out[k] / count[k] : 0;
    }
    return MN_OK;
}

int nas_prune_item_stays(const struct mn_model *m, int mixture, const uint8_t *keep, int item) {
    if (mixture < 0 || keep == NULL) {
        return 1;
    }
    const struct nas_mixture *x = &m->mixtures[mixture];
    for (int64_t c = 0; c < x->n_choices; c++) {
        if (keep[x->choice0 + c] && x->holds[c * x->n_items + item]) {
            return 1;
        }
    }
    return 0;
}
