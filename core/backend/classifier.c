/* SPDX-License-Identifier: MIT */
#include "backend/classifier.h"

#include "base/ctx.h"
#include "network/graph.h"

#include <math.h>
#include <string.h>

int nas_head_uses_support(const struct nas_instance *head) {
    const struct mn_head *table = &head->table.head;
    return table->uses_support != NULL && table->uses_support(head->self);
}

int nas_head_starts(const struct nas_instance *head) {
    const struct mn_head *table = &head->table.head;
    return table->starts != NULL && table->starts(head->self);
}

static size_t image_reals(const struct mn_model *m) {
    return (size_t)m->dims.channels * (size_t)m->dims.height * (size_t)m->dims.width;
}

size_t nas_classifier_bytes(const struct mn_model *m) {
    const size_t features = (size_t)m->dims.n_features, ways = (size_t)m->dims.ways;
    const size_t reals = nas_head_uses_support(m->units.head)
                             ? 3 * features + 2 * ways + image_reals(m)
                             : 2 * (features + ways);
    return (size_t)m->dims.max_predictions * reals * sizeof(mn_real);
}

int nas_classifier_new(struct mn_ctx *ctx, const struct mn_model *m, struct nas_arena *arena,
                       struct nas_classifier *out) {
    const size_t n = (size_t)m->dims.max_predictions, features = (size_t)m->dims.n_features;
    const size_t ways = (size_t)m->dims.ways;
    *out = (struct nas_classifier){.model = m};
    out->uses_support = nas_head_uses_support(m->units.head);
    out->features = nas_arena_array(arena, n * features, sizeof(mn_real));
    out->d_features = nas_arena_array(arena, n * features, sizeof(mn_real));
    out->logits = nas_arena_array(arena, n * ways, sizeof(mn_real));
    out->d_logits = nas_arena_array(arena, n * ways, sizeof(mn_real));
    if (out->uses_support) {
        const size_t image = image_reals(m);
        out->d_support = nas_arena_array(arena, n * features, sizeof(mn_real));
        out->images = nas_arena_array(arena, n * image, sizeof(mn_real));
        out->labels = nas_arena_array(arena, n, sizeof *out->labels);
    }
    return arena->failed ? mn_fail(ctx, MN_NOMEM, "no memory for a worker") : MN_OK;
}

int nas_classifier_images(struct nas_classifier *c, struct mn_ctx *ctx, const struct mn_set *batch,
                          const struct mn_set *support, int32_t most, struct mn_set *all) {
    *all = *batch;
    if (!c->uses_support || support == NULL) {
        return MN_OK;
    }
    if (support->n < 1 || support->n > most - batch->n) {
        return mn_fail(ctx, MN_INTERNAL,
                       "a batch of %d images and a support set of %d; this model holds 2 to %d",
                       batch->n, support->n, most);
    }
    const size_t image = image_reals(c->model);
    const size_t first = (size_t)support->n, second = (size_t)batch->n;
    memcpy(c->images, support->images, first * image * sizeof *c->images);
    memcpy(c->images + first * image, batch->images, second * image * sizeof *c->images);
    memcpy(c->labels, support->labels, first * sizeof *c->labels);
    memcpy(c->labels + first, batch->labels, second * sizeof *c->labels);
    *all = (struct mn_set){.n = support->n + batch->n, .images = c->images, .labels = c->labels};
    return MN_OK;
}

/* Images whose largest logit is their label's (the first of equals). */
static int32_t count_hits(int n, int ways, const mn_real *logits, const int32_t *labels) {
    int32_t hits = 0;
    for (int i = 0; i < n; i++) {
        const mn_real *z = logits + (ptrdiff_t)i * ways;
        int top = 0;
        for (int k = 1; k < ways; k++) {
            top = z[k] > z[top] ? k : top;
        }
        hits += top == labels[i];
    }
    return hits;
}

static int find_loss(struct nas_classifier *c, struct mn_ctx *ctx, const mn_real *w,
                     const struct mn_set *batch, const struct mn_pass *pass, mn_real *d_w,
                     struct mn_outcome *out) {
    const struct mn_model *m = c->model;
    const struct nas_instance *unit = m->units.loss;
    const int learned = m->n_loss_weights > 0;
    const struct mn_loss_call of = {.size = sizeof of,
                                    .flags = pass->flags,
                                    .n = batch->n,
                                    .ways = m->dims.ways,
                                    .logits = c->logits,
                                    .labels = batch->labels,
                                    .targets = pass->targets,
                                    .d_logits = c->d_logits,
                                    .w = learned ? w + m->loss_weights : NULL,
                                    .d_w = learned && d_w != NULL ? d_w + m->loss_weights : NULL};
    struct nas_call call = nas_call_begin(ctx, unit);
    TRY(nas_call_end(&call, unit->table.loss.value(unit->self, ctx, &of, &out->loss)));
    return isfinite(out->loss)
               ? MN_OK
               : mn_fail(ctx, MN_NUMERIC, "the loss is %g", fabs(out->loss)); /* no "-nan" */
}

int nas_classifier_pass(struct nas_classifier *c, struct mn_ctx *ctx, const mn_real *w,
                        const struct mn_set *batch, const struct mn_set *all,
                        const struct mn_pass *pass, int gradients, mn_real *d_w,
                        struct mn_outcome *out) {
    const struct mn_model *m = c->model;
    const struct nas_instance *unit = m->units.head;
    const struct mn_head *table = &unit->table.head;
    const int64_t f = m->dims.n_features;
    const int two = all->n > batch->n; /* sets */
    const ptrdiff_t first = (ptrdiff_t)(all->n - batch->n) * (ptrdiff_t)f;
    const struct mn_head_site site = {
        .size = sizeof site, .ways = m->dims.ways, .n_features = m->dims.n_features};
    struct mn_head_call of = {.size = sizeof of,
                              .n = batch->n,
                              .features = c->features + first,
                              .w = m->head.n_weights > 0 ? w + m->head.weights : NULL,
                              .logits = c->logits,
                              .d_logits = c->d_logits,
                              .d_w = d_w != NULL && m->head.n_weights > 0 ? d_w + m->head.weights
                                                                          : NULL,
                              .d_features = c->d_features + first};
    if (c->uses_support) {
        of.n_support = two ? all->n - batch->n : batch->n;
        of.support = c->features;
        of.support_labels = all->labels;
        of.d_support = two ? c->d_features : c->d_support;
    }
    struct nas_call call = nas_call_begin(ctx, unit);
    TRY(nas_call_end(&call, table->forward(unit->self, ctx, &site, &of)));
    const size_t logits = (size_t)batch->n * (size_t)m->dims.ways;
    if (out->logits != NULL) {
        memcpy(out->logits, c->logits, logits * sizeof *c->logits);
    }
    if (out->features != NULL) {
        memcpy(out->features, of.features, (size_t)batch->n * (size_t)f * sizeof *c->features);
    }
    out->hits = count_hits(batch->n, m->dims.ways, c->logits, batch->labels);
    TRY(find_loss(c, ctx, w, batch, pass, d_w, out));
    if (!gradients) {
        return MN_OK;
    }
    call = nas_call_begin(ctx, unit);
    TRY(nas_call_end(&call, table->backward(unit->self, ctx, &site, &of)));
    for (ptrdiff_t i = 0; c->uses_support && !two && i < (ptrdiff_t)batch->n * (ptrdiff_t)f; i++) {
        c->d_features[i] += c->d_support[i];
    }
    return MN_OK;
}

void nas_classifier_features(const struct nas_classifier *c, int32_t n, struct mn_outcome *out) {
    const size_t reals = (size_t)n * (size_t)c->model->dims.n_features;
    out->hits = 0;
    out->loss = 0;
    if (out->features != NULL) {
        memcpy(out->features, c->features, reals * sizeof *c->features);
    }
}
