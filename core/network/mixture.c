/* SPDX-License-Identifier: MIT */
#include "network/mixture.h"

#include "network/prune.h"

#include <math.h>
#include <string.h>

int nas_mix_new(const struct mn_model *m, struct nas_arena *a, struct nas_mix **out) {
    const size_t choices = (size_t)m->dims.n_choices, items = (size_t)m->n_items;
    struct nas_mix *mix = *out = nas_arena_zeroed(a, sizeof *mix);
    if (mix == NULL) {
        return MN_NOMEM;
    }
    *mix = (struct nas_mix){
        .model = m,
        .weights = nas_arena_array(a, choices, sizeof(mn_real)),
        .mixed = nas_arena_array(a, choices, sizeof(mn_real)),
        .d_weights = nas_arena_array(a, choices, sizeof(mn_real)),
        .logits = nas_arena_array(a, (size_t)m->dims.n_a, sizeof(mn_real)),
        .d_logits = nas_arena_array(a, (size_t)m->dims.n_a, sizeof(mn_real)),
        .saved = nas_arena_array(a, (size_t)m->n_saved, sizeof(mn_real)),
        .active = nas_arena_array(a, choices, sizeof(int32_t)),
        .n_active = nas_arena_array(a, (size_t)m->n_mixtures, sizeof(int32_t)),
        .item = nas_arena_array(a, items, sizeof(double)),
        .d_item = nas_arena_array(a, items, sizeof(double)),
        .measured = nas_arena_array(a, choices, 1),
        .computed = nas_arena_array(a, items, 1),
    };
    return a->failed ? MN_NOMEM : MN_OK;
}

static struct mn_when when_of(const struct nas_mix *mix, const struct nas_mixture *x,
                              const struct mn_pass *pass) {
    return (struct mn_when){.size = sizeof(struct mn_when),
                            .training = (pass->flags & MN_PASS_TRAINING) != 0,
                            .progress = pass->progress,
                            .gradient = (pass->flags & MN_PASS_GRAD_A) != 0,
                            .mixture = &x->about,
                            .choices = mix->active + x->choice0};
}

/* The mixer's own term of the loss, if it has one here; to d_logits, if not NULL, its gradient. */
static double penalty_of(const struct nas_mix *mix, struct mn_ctx *ctx, int i,
                         const struct mn_when *when, mn_real *d_logits) {
    const struct nas_mixture *x = &mix->model->mixtures[i];
    const struct nas_instance *mixer = nas_mixer_of(mix->model, x);
    const struct mn_mixer *table = &mixer->table.mixer;
    return table->penalty != NULL && when->training
               ? table->penalty(mixer->self, ctx, mix->n_active[i],
                                x->logit0 < 0 ? NULL : mix->logits + x->logit0, when,
                                mix->weights + x->choice0, mix->saved + x->saved0, d_logits)
               : 0;
}

/* Ask the mixer for the weights of mixture i, of the choices that the keep mask leaves. */
static int ask_weights(struct nas_mix *mix, struct mn_ctx *ctx, int i, const mn_real *a,
                       const struct mn_pass *pass) {
    const struct nas_mixture *x = &mix->model->mixtures[i];
    const struct nas_instance *mixer = nas_mixer_of(mix->model, x);
    const struct mn_when when = when_of(mix, x, pass);
    const struct mn_where *w = &ctx->where;
    mn_real *weights = mix->weights + x->choice0;
    int32_t *active = mix->active + x->choice0;
    int n = 0;
    for (int64_t c = 0; c < x->n_choices; c++) {
        if (pass->keep == NULL || pass->keep[x->choice0 + c]) {
            active[n++] = (int32_t)c;
        }
    }
    mix->n_active[i] = n;
    for (int j = 0; x->logit0 >= 0 && j < n; j++) {
        mix->logits[x->logit0 + j] = a[x->logit0 + active[j]];
    }
    if (n == 0) {
        return mn_fail(ctx, MN_INTERNAL, "the keep mask leaves nothing of mixture %s", x->name);
    }
    /* One stream a mixture, whatever the others draw. */
    struct mn_rng rng =
        mn_rng_make(w->seed, MN_RNG_MIXER, (uint32_t)w->split, (uint64_t)w->meta_epoch,
                    (uint32_t)w->task, (uint32_t)pass->step);
    rng.counter[0] = (uint32_t)i << 20;
    struct nas_call call = nas_call_begin(ctx, mixer);
    TRY(nas_call_end(&call, mixer->table.mixer.forward(
                                mixer->self, ctx, n, x->logit0 < 0 ? NULL : mix->logits + x->logit0,
                                &when, &rng, weights, mix->saved + x->saved0)));
    for (int j = 0; j < n; j++) {
        if (!isfinite(weights[j])) {
            return mn_fail(ctx, MN_NUMERIC, "%s: weight %d of mixture %s is %g", mixer->label, j,
                           x->name, (double)weights[j]);
        }
    }
    mix->penalty += penalty_of(mix, ctx, i, &when, NULL);
    return isfinite(mix->penalty) ? MN_OK
                                  : mn_fail(ctx, MN_NUMERIC, "%s: the penalty of mixture %s is %g",
                                            mixer->label, x->name, fabs(mix->penalty));
}

/* Choices at or under the threshold are skipped, but the largest (the first of equals) stays. */
static void skip(struct nas_mix *mix, int i, double threshold) {
    const struct nas_mixture *x = &mix->model->mixtures[i];
    const mn_real *weights = mix->weights + x->choice0;
    mn_real *mixed = mix->mixed + x->choice0;
    const int32_t *active = mix->active + x->choice0;
    int top = 0;
    memset(mixed, 0, (size_t)x->n_choices * sizeof *mixed);
    for (int j = 0; j < mix->n_active[i]; j++) {
        top = weights[j] > weights[top] ? j : top;
        mixed[active[j]] = threshold > 0 && (double)weights[j] <= threshold ? 0 : weights[j];
    }
    mixed[active[top]] = weights[top];
}

static void items_from_choices(struct nas_mix *mix, int i) {
    const struct nas_mixture *x = &mix->model->mixtures[i];
    double *item = mix->item + x->item0;
    uint8_t *computed = mix->computed + x->item0;
    for (int k = 0; k < x->n_items; k++) {
        item[k] = 0;
        computed[k] = 0;
        for (int j = 0; j < mix->n_active[i]; j++) {
            const int32_t c = mix->active[x->choice0 + j];
            if (x->holds[(int64_t)c * x->n_items + k]) {
                item[k] += (double)mix->mixed[x->choice0 + c];
                computed[k] |= mix->measured[x->choice0 + j] != 0;
            }
        }
        computed[k] |= item[k] != 0;
    }
}

/* Share of candidate operations that are not computed. */
static double skipped_share(const struct nas_mix *mix) {
    const struct mn_model *m = mix->model;
    const struct nas_mixture *input = NULL;
    int64_t all = 0, skipped = 0;
    for (int i = m->n_mixtures - 1; i >= 0; i--) {
        const struct nas_mixture *x = &m->mixtures[i];
        if (x->is_input) { /* a group's input mixture follows its op mixtures */
            input = x;
            continue;
        }
        for (int k = 0; k < x->n_items; k++) {
            skipped += !mix->computed[input->item0 + x->edge] || !mix->computed[x->item0 + k];
        }
        all += x->n_items;
    }
    return all > 0 ? (double)skipped / (double)all : 0;
}

int nas_mix_forward(struct nas_mix *mix, struct mn_ctx *ctx, const mn_real *a,
                    const struct mn_pass *pass, double *skip_share) {
    const struct mn_model *m = mix->model;
    mix->penalty = 0;
    for (int i = 0; i < m->n_mixtures; i++) {
        const struct nas_mixture *x = &m->mixtures[i];
        const struct nas_instance *mixer = nas_mixer_of(m, x);
        const struct mn_mixer *table = &mixer->table.mixer;
        TRY(ask_weights(mix, ctx, i, a, pass));
        skip(mix, i, table->threshold != NULL ? table->threshold(mixer->self, ctx) : 0);
        /* Which choices of weight 0 the gradient needs. */
        memset(mix->measured + x->choice0, 0, (size_t)x->n_choices);
        if (table->measure != NULL && x->logit0 >= 0 && (pass->flags & MN_PASS_GRAD_A) != 0) {
            table->measure(mixer->self, mix->n_active[i], mix->weights + x->choice0,
                           mix->saved + x->saved0, mix->measured + x->choice0);
        }
        items_from_choices(mix, i);
    }
    memset(mix->d_item, 0, (size_t)m->n_items * sizeof *mix->d_item);
    *skip_share = skipped_share(mix);
    return MN_OK;
}

/* ---- paths -------------------------------------------------------------------------------- */

int nas_mix_computed(const struct nas_mix *mix, const struct nas_layer *layer, int e, int p) {
    const struct nas_mixture *mixtures = mix->model->mixtures;
    if (layer->owner >= 0) {
        return nas_mix_computed(mix, &mix->model->layers[layer->owner], layer->owner_edge,
                                layer->owner_item);
    }
    const struct nas_edge *edge = &layer->edges[e];
    return !edge->paths[p].none &&
           (layer->mixture < 0 || mix->computed[mixtures[layer->mixture].item0 + e]) &&
           (edge->mixture < 0 || p >= edge->n_ops ||
            mix->computed[mixtures[edge->mixture].item0 + p]);
}

static double item_weight(const struct nas_mix *mix, int mixture, int item) {
    return mixture < 0 ? 1 : mix->item[mix->model->mixtures[mixture].item0 + item];
}

double nas_mix_weight(const struct nas_mix *mix, const struct nas_layer *layer, int e, int p) {
    const struct nas_edge *edge = &layer->edges[e];
    return edge->weight * item_weight(mix, layer->mixture, e) *
           (p < edge->n_ops ? item_weight(mix, edge->mixture, p) : 1);
}

void nas_mix_gradient(struct nas_mix *mix, const struct nas_layer *layer, int e, int p,
                      double product) {
    const struct nas_edge *edge = &layer->edges[e];
    if (layer->mixture < 0) {
        return;
    }
    const int64_t in = mix->model->mixtures[layer->mixture].item0 + e;
    if (p >= edge->n_ops) {
        mix->d_item[in] += product;
        return;
    }
    const int64_t op = mix->model->mixtures[edge->mixture].item0 + p;
    mix->d_item[in] += mix->item[op] * product;
    mix->d_item[op] += mix->item[in] * product;
}

/* The weights of a path stand as factors in its cost as they do in the output of its node. */
int nas_mix_cost(struct nas_mix *mix, struct mn_ctx *ctx, const mn_real *a,
                 const struct mn_cost *cost, double *out) {
    const struct mn_model *m = mix->model;
    double scale = cost->weight;
    if (cost->budget > 0) {
        CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
        const struct mn_point at = {.a = (mn_real *)(uintptr_t)a};
        uint8_t *keep = mn_scratch(ctx, (size_t)m->dims.n_choices + 1);
        TRY(keep != NULL ? MN_OK : MN_NOMEM);
        TRY(nas_model_prune(ctx, m, &at, keep));
        TRY(nas_model_pruned_cost(ctx, m, cost->of, keep, out));
        scale *= (*out > cost->budget ? 1 : -1) / cost->budget;
    } else {
        double all;
        TRY(nas_model_cost(ctx, m, cost->of, mix->item, out));
        TRY(nas_model_cost(ctx, m, cost->of, NULL, &all));
        scale = all > 0 ? scale / all : 0;
    }
    for (int i = 0; i < m->n_layers; i++) {
        const struct nas_layer *layer = &m->layers[i];
        for (int e = 0; e < layer->n_edges; e++) {
            for (int p = 0; p < layer->edges[e].n_paths; p++) {
                if (nas_mix_computed(mix, layer, e, p)) {
                    nas_mix_gradient(mix, layer, e, p,
                                     scale * nas_path_cost(&layer->edges[e].paths[p], cost->of));
                }
            }
        }
    }
    return MN_OK;
}

/* ---- gradients ---------------------------------------------------------------------------- */

int nas_mix_backward(struct nas_mix *mix, struct mn_ctx *ctx, const struct mn_pass *pass,
                     mn_real *d_a) {
    const struct mn_model *m = mix->model;
    memset(d_a, 0, (size_t)m->dims.n_a * sizeof *d_a);
    for (int i = 0; i < m->n_mixtures; i++) {
        const struct nas_mixture *x = &m->mixtures[i];
        const struct nas_instance *mixer = nas_mixer_of(m, x);
        mn_real *d = mix->d_weights + x->choice0, *d_logits = mix->d_logits + x->logit0;
        const struct mn_when when = when_of(mix, x, pass);
        if (x->logit0 < 0) {
            continue;
        }
        /* Of each choice that was computed: the sum over the items that it holds. */
        for (int j = 0; j < mix->n_active[i]; j++) {
            const int32_t c = mix->active[x->choice0 + j];
            double sum = 0;
            for (int k = 0; k < x->n_items; k++) {
                sum += x->holds[(int64_t)c * x->n_items + k] ? mix->d_item[x->item0 + k] : 0;
            }
            if (pass->d_mixture != NULL) {
                sum += (double)pass->d_mixture[x->choice0 + c];
            }
            d[j] =
                mix->mixed[x->choice0 + c] != 0 || mix->measured[x->choice0 + j] ? (mn_real)sum : 0;
            d_logits[j] = 0;
        }
        struct nas_call call = nas_call_begin(ctx, mixer);
        TRY(nas_call_end(&call, mixer->table.mixer.backward(mixer->self, ctx, mix->n_active[i],
                                                            mix->logits + x->logit0, &when,
                                                            mix->weights + x->choice0,
                                                            mix->saved + x->saved0, d, d_logits)));
        penalty_of(mix, ctx, i, &when, d_logits);
        for (int j = 0; j < mix->n_active[i]; j++) {
            d_a[x->logit0 + mix->active[x->choice0 + j]] = d_logits[j];
        }
    }
    return MN_OK;
}
