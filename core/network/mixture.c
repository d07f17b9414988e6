/* SPDX-License-Identifier: MIT */
#include "network/graph.h"

#include <math.h>
#include <string.h>

static const struct nas_instance *mixer_of(const struct mn_model *m, int i) {
    return m->mixtures[i].is_input ? m->input_mixer : m->op_mixer;
}

/* List the choices that a keep mask leaves, and bring their logits together. */
static int compact(struct nas_workspace *ws, int i, const mn_real *a, const uint8_t *keep) {
    const struct nas_mixture *x = &ws->model->mixtures[i];
    int32_t *kept = ws->kept + x->choice0;
    int n = 0;
    for (int64_t c = 0; c < x->n_choices; c++) {
        if (keep == NULL || keep[x->choice0 + c]) {
            kept[n++] = (int32_t)c;
        }
    }
    for (int j = 0; x->logit0 >= 0 && j < n; j++) {
        ws->logits[x->logit0 + j] = a[x->logit0 + kept[j]];
    }
    ws->n_kept[i] = n;
    return n;
}

/* One stream a mixture, whatever the others draw. */
static struct mn_rng mixture_rng(const struct mn_ctx *ctx, int64_t step, int i) {
    const struct mn_where *w = &ctx->where;
    struct mn_rng rng = mn_rng_make(w->seed, MN_RNG_MIXER, (uint32_t)w->split,
                                    (uint64_t)w->meta_epoch, (uint32_t)w->task, (uint32_t)step);
    rng.counter[0] = (uint32_t)i << 20;
    return rng;
}

static struct mn_when when_of(const struct mn_pass *pass) {
    return (struct mn_when){.size = sizeof(struct mn_when),
                            .training = (pass->flags & MN_PASS_TRAINING) != 0,
                            .progress = pass->progress,
                            .gradient = (pass->flags & MN_PASS_GRAD_A) != 0};
}

static int check_weights(struct mn_ctx *ctx, const struct nas_instance *mixer,
                         const struct nas_mixture *x, int n, const mn_real *weights) {
    for (int j = 0; j < n; j++) {
        if (!isfinite(weights[j])) {
            return mn_fail(ctx, MN_NUMERIC, "%s: weight %d of mixture %s is %g", mixer->label, j,
                           x->name, (double)weights[j]);
        }
    }
    return MN_OK;
}

static int mix(struct nas_workspace *ws, struct mn_ctx *ctx, int i, const mn_real *a,
               const struct mn_pass *pass) {
    const struct mn_model *m = ws->model;
    const struct nas_mixture *x = &m->mixtures[i];
    const struct nas_instance *mixer = mixer_of(m, i);
    const int n = compact(ws, i, a, pass->keep);
    if (n == 0) {
        return mn_fail(ctx, MN_INTERNAL, "the keep mask leaves nothing of mixture %s", x->name);
    }
    const struct mn_when when = when_of(pass);
    struct mn_rng rng = mixture_rng(ctx, pass->step, i);
    mn_real *weights = ws->weights + x->choice0;
    struct nas_call call = nas_call_begin(ctx, mixer);
    const int status =
        nas_call_end(&call, mixer->table.mixer.forward(
                                mixer->self, ctx, n, x->logit0 < 0 ? NULL : ws->logits + x->logit0,
                                &when, &rng, weights, ws->saved + m->saved0[i]));
    return status != MN_OK ? status : check_weights(ctx, mixer, x, n, weights);
}

/* Choices at or under the threshold are skipped, but the largest (the first of equals) stays. */
static void skip(struct nas_workspace *ws, int i, double threshold) {
    const struct nas_mixture *x = &ws->model->mixtures[i];
    const mn_real *weights = ws->weights + x->choice0;
    mn_real *mixed = ws->mixed + x->choice0;
    const int32_t *kept = ws->kept + x->choice0;
    int top = 0;
    for (int64_t c = 0; c < x->n_choices; c++) {
        mixed[c] = 0;
    }
    for (int j = 0; j < ws->n_kept[i]; j++) {
        top = weights[j] > weights[top] ? j : top;
        mixed[kept[j]] = threshold > 0 && (double)weights[j] <= threshold ? 0 : weights[j];
    }
    mixed[kept[top]] = weights[top];
}

/* Ask which choices of weight 0 the gradient needs. */
static void measure(struct nas_workspace *ws, int i, const struct mn_pass *pass) {
    const struct nas_instance *mixer = mixer_of(ws->model, i);
    const struct nas_mixture *x = &ws->model->mixtures[i];
    const struct mn_mixer *table = &mixer->table.mixer;
    uint8_t *measured = ws->measured + x->choice0;
    memset(measured, 0, (size_t)x->n_choices);
    if (table->measure != NULL && x->logit0 >= 0 && (pass->flags & MN_PASS_GRAD_A) != 0) {
        table->measure(mixer->self, ws->n_kept[i], ws->weights + x->choice0,
                       ws->saved + ws->model->saved0[i], measured);
    }
}

static void items_from_choices(struct nas_workspace *ws, int i) {
    const struct mn_model *m = ws->model;
    const struct nas_mixture *x = &m->mixtures[i];
    double *item = ws->item + m->item0[i];
    uint8_t *computed = ws->computed + m->item0[i];
    for (int k = 0; k < x->n_items; k++) {
        item[k] = 0;
        computed[k] = 0;
        for (int j = 0; j < ws->n_kept[i]; j++) {
            const int32_t c = ws->kept[x->choice0 + j];
            if (m->holds[i][(int64_t)c * x->n_items + k]) {
                item[k] += (double)ws->mixed[x->choice0 + c];
                computed[k] |= ws->measured[x->choice0 + j] != 0;
            }
        }
        computed[k] |= item[k] != 0;
    }
}

int nas_mix_computed(const struct nas_workspace *ws, const struct nas_layer *layer, int e, int p) {
    const int64_t *item0 = ws->model->item0;
    const struct nas_edge *edge = &layer->edges[e];
    return (layer->mixture < 0 || ws->computed[item0[layer->mixture] + e]) &&
           (edge->mixture < 0 || p >= edge->n_ops || ws->computed[item0[edge->mixture] + p]);
}

static int input_mixture_of(const struct mn_model *m, int op_mixture) {
    for (int i = op_mixture + 1; i < m->n_mixtures; i++) {
        if (m->mixtures[i].is_input) {
            return i; /* a group's input mixture follows its op mixtures */
        }
    }
    return -1;
}

/* Share of candidate operations that are not computed. */
static double skipped_share(const struct nas_workspace *ws) {
    const struct mn_model *m = ws->model;
    int64_t all = 0, skipped = 0;
    for (int i = 0; i < m->n_mixtures; i++) {
        const struct nas_mixture *x = &m->mixtures[i];
        if (x->is_input) {
            continue;
        }
        const int edge = ws->computed[m->item0[input_mixture_of(m, i)] + x->edge];
        for (int k = 0; k < x->n_items; k++) {
            skipped += !edge || !ws->computed[m->item0[i] + k];
        }
        all += x->n_items;
    }
    return all > 0 ? (double)skipped / (double)all : 0;
}

int nas_mix_forward(struct nas_workspace *ws, struct mn_ctx *ctx, const mn_real *a,
                    const struct mn_pass *pass, double *skip_share) {
    const struct mn_model *m = ws->model;
    for (int i = 0; i < m->n_mixtures; i++) {
        const struct nas_instance *mixer = mixer_of(m, i);
        const int status = mix(ws, ctx, i, a, pass);
        if (status != MN_OK) {
            return status;
        }
        const struct mn_mixer *table = &mixer->table.mixer;
        skip(ws, i, table->threshold != NULL ? table->threshold(mixer->self, ctx) : 0);
        measure(ws, i, pass);
        items_from_choices(ws, i);
    }
    *skip_share = skipped_share(ws);
    return MN_OK;
}

/* dL/dweight of each kept choice that was computed: the sum over the items it holds. */
static void d_choices(struct nas_workspace *ws, int i) {
    const struct mn_model *m = ws->model;
    const struct nas_mixture *x = &m->mixtures[i];
    mn_real *d = ws->d_weights + x->choice0;
    for (int j = 0; j < ws->n_kept[i]; j++) {
        const int32_t c = ws->kept[x->choice0 + j];
        double sum = 0;
        for (int k = 0; k < x->n_items; k++) {
            sum += m->holds[i][(int64_t)c * x->n_items + k] ? ws->d_item[m->item0[i] + k] : 0;
        }
        d[j] = ws->mixed[x->choice0 + c] != 0 || ws->measured[x->choice0 + j] ? (mn_real)sum : 0;
    }
}

int nas_mix_backward(struct nas_workspace *ws, struct mn_ctx *ctx, const struct mn_pass *pass,
                     mn_real *d_a) {
    const struct mn_model *m = ws->model;
    const struct mn_when when = when_of(pass);
    memset(d_a, 0, (size_t)m->dims.n_a * sizeof *d_a);
    for (int i = 0; i < m->n_mixtures; i++) {
        const struct nas_mixture *x = &m->mixtures[i];
        if (x->logit0 < 0) {
            continue;
        }
        const struct nas_instance *mixer = mixer_of(m, i);
        mn_real *d_logits = ws->d_logits + x->logit0;
        const int n = ws->n_kept[i];
        d_choices(ws, i);
        memset(d_logits, 0, (size_t)n * sizeof *d_logits);
        struct nas_call call = nas_call_begin(ctx, mixer);
        const int status = nas_call_end(
            &call, mixer->table.mixer.backward(mixer->self, ctx, n, ws->logits + x->logit0, &when,
                                               ws->weights + x->choice0, ws->saved + m->saved0[i],
                                               ws->d_weights + x->choice0, d_logits));
        if (status != MN_OK) {
            return status;
        }
        for (int j = 0; j < n; j++) {
            d_a[x->logit0 + ws->kept[x->choice0 + j]] = d_logits[j];
        }
    }
    return MN_OK;
}
