/* SPDX-License-Identifier: MIT */
/* How large a network is, and the channel count that gives a wanted size. */
#include "network/prune.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- counting weights --------------------------------------------------------------------- */

int nas_model_cost(struct mn_ctx *ctx, const struct mn_model *m, int of, const double *share,
                   double *out) {
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    uint8_t *used = mn_scratch(ctx, (size_t)m->n_states);
    if (used == NULL) {
        return MN_NOMEM;
    }
    *out = of == MN_COST_PARAMETERS ? (double)m->head.n_weights
           : of == MN_COST_MACS     ? nas_head_work(m)
                                    : 0;
    memset(used, 0, (size_t)m->n_states);
    used[m->head.from] = 1;
    for (int i = m->n_layers - 1; i >= 0; i--) {
        const struct nas_layer *layer = &m->layers[i];
        double n = 0;
        for (int k = 0; k < layer->n_parts; k++) {
            used[layer->parts[k]] |= used[layer->state];
        }
        for (int e = 0; e < layer->n_edges && used[layer->state]; e++) {
            const struct nas_edge *edge = &layer->edges[e];
            const int whole = share == NULL;
            const double in =
                whole || layer->mixture < 0 ? 1 : share[m->mixtures[layer->mixture].item0 + e];
            for (int p = 0; p < edge->n_paths; p++) {
                const struct nas_path *path = &edge->paths[p];
                const double stays = path->none ? 0
                                     : whole || edge->mixture < 0 || p >= edge->n_ops
                                         ? in
                                         : in * share[m->mixtures[edge->mixture].item0 + p];
                n += stays * nas_path_cost(path, of);
                used[path->source] |= stays > 0;
            }
        }
        *out += n;
    }
    return MN_OK;
}

/* What `keep` (NULL = all) leaves of a mixture; returns how many items. */
static int find_shares(const struct mn_model *m, int mixture, const uint8_t *keep, double *share) {
    const struct nas_mixture *x = &m->mixtures[mixture];
    int n = 0;
    for (int k = 0; k < x->n_items; k++) {
        const int stays = nas_prune_item_stays(m, mixture, keep, k);
        share[x->item0 + k] = stays;
        n += stays;
    }
    return n;
}

int nas_model_pruned_cost(struct mn_ctx *ctx, const struct mn_model *m, int of, const uint8_t *keep,
                          double *out) {
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    double *share = mn_scratch(ctx, (size_t)(m->n_items + 1) * sizeof *share);
    if (share == NULL) {
        return MN_NOMEM;
    }
    for (int i = 0; i < m->n_mixtures; i++) {
        find_shares(m, i, keep, share);
    }
    return nas_model_cost(ctx, m, of, share, out);
}

int nas_model_parameters(struct mn_ctx *ctx, const struct mn_model *m, const uint8_t *keep,
                         int64_t *out) {
    double n;
    TRY(nas_model_pruned_cost(ctx, m, MN_COST_PARAMETERS, keep, &n));
    *out = (int64_t)n; /* a sum of whole numbers far under 2^53 */
    return MN_OK;
}

int nas_model_mean_parameters(struct mn_ctx *ctx, const struct mn_model *m, double *out) {
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    double *share = mn_scratch(ctx, (size_t)(m->n_items + 1) * sizeof *share);
    struct mn_point at = {.a = mn_scratch(ctx, (size_t)(m->dims.n_a + 1) * sizeof(mn_real))};
    uint8_t *keep = mn_scratch(ctx, (size_t)m->dims.n_choices + 1);
    if (share == NULL || at.a == NULL || keep == NULL) {
        return MN_NOMEM;
    }
    /* Decide every mixture for its first choice, prune, and see what share of its items stays: each
     * is as likely to. */
    mn_vec_fill(m->dims.n_a, 0, at.a);
    for (int i = 0; i < m->n_mixtures; i++) {
        if (m->mixtures[i].logit0 >= 0) {
            at.a[m->mixtures[i].logit0] = (mn_real)1e9;
        }
    }
    TRY(nas_model_prune(ctx, m, &at, keep));
    for (int i = 0; i < m->n_mixtures; i++) {
        const struct nas_mixture *x = &m->mixtures[i];
        const double stays = (double)find_shares(m, i, keep, share) / x->n_items;
        for (int k = 0; k < x->n_items; k++) {
            share[x->item0 + k] = stays;
        }
    }
    return nas_model_cost(ctx, m, MN_COST_PARAMETERS, share, out);
}

/* ---- the smallest and the largest network that pruning can leave --------------------------- */

/* A logit so large that every mixer gives its choice all the weight, and one a little smaller: an
 * input mixer without logits ranks edges by their strongest operation. */
static const mn_real decided = 30, decided_less = 8;

enum { MOST_ROUNDS = 20 };

/* Coordinate descent over the decisions of single mixtures. What changes with one is small, so each
 * try costs a look at that mixture and a count. */
struct extremes {
    struct mn_ctx *ctx;
    const struct mn_model *model;
    struct mn_point at;
    mn_real *weights, *saved; /* [n_choices] */
    uint8_t *keep, *touched;
    double *share; /* [n_items] that `keep` leaves */
    int sign;      /* 1: largest, -1: smallest */
};

/* Look again at what changes with mixture i. */
static int decision_changed(struct extremes *s, int changed) {
    TRY(nas_prune_update(s->ctx, s->model, &s->at, changed, s->weights, s->keep, s->touched));
    for (int i = 0; i < s->model->n_mixtures; i++) {
        if (s->touched[i]) {
            find_shares(s->model, i, s->keep, s->share);
        }
    }
    return MN_OK;
}

static void decide(struct extremes *s, const struct nas_mixture *x, int64_t choice, mn_real logit) {
    mn_vec_fill(x->n_choices, 0, s->at.a + x->logit0);
    s->at.a[x->logit0 + choice] = logit;
}

/* Try every decision of one mixture; leaves the best in place. */
static int improve(struct extremes *s, int i, double *best, int *better) {
    const struct nas_mixture *x = &s->model->mixtures[i];
    const mn_real levels[] = {decided, decided_less};
    int64_t best_choice = -1;
    mn_real best_level = 0;
    mn_vec_copy(x->n_choices, s->at.a + x->logit0, s->saved);
    for (int64_t c = 0; c < x->n_choices; c++) {
        for (int level = 0; level < (nas_prune_leads(s->model, i) ? 2 : 1); level++) {
            CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(s->ctx);
            double n;
            if (mn_cancelled(s->ctx)) {
                return mn_fail(s->ctx, MN_CANCELLED, "stopped by the user");
            }
            decide(s, x, c, levels[level]);
            TRY(decision_changed(s, i));
            TRY(nas_model_cost(s->ctx, s->model, MN_COST_PARAMETERS, s->share, &n));
            if (s->sign * n > s->sign * *best) {
                *best = n;
                best_choice = c;
                best_level = levels[level];
            }
        }
    }
    if (best_choice < 0) {
        mn_vec_copy(x->n_choices, s->saved, s->at.a + x->logit0);
    } else {
        decide(s, x, best_choice, best_level);
        *better = 1;
    }
    return decision_changed(s, i);
}

static int search_extreme(struct extremes *s, int64_t *out) {
    const struct mn_model *m = s->model;
    double best = 0;
    int better = 1;
    for (int i = 0; i < m->n_mixtures; i++) {
        if (m->mixtures[i].logit0 >= 0) {
            decide(s, &m->mixtures[i], 0, decided);
        }
    }
    TRY(nas_model_mixture_weights(s->ctx, m, &s->at, s->weights));
    for (int i = 0; i < m->n_mixtures; i++) {
        TRY(decision_changed(s, i));
    }
    TRY(nas_model_cost(s->ctx, m, MN_COST_PARAMETERS, s->share, &best));
    for (int round = 0; better && round < MOST_ROUNDS; round++) {
        better = 0;
        for (int i = 0; i < m->n_mixtures; i++) {
            TRY(m->mixtures[i].logit0 >= 0 ? improve(s, i, &best, &better) : MN_OK);
        }
    }
    *out = (int64_t)best;
    return MN_OK;
}

int nas_model_extremes(struct mn_ctx *ctx, const struct mn_model *m, int64_t *smallest,
                       int64_t *largest) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    const size_t n_choices = (size_t)m->dims.n_choices;
    struct extremes s = {.ctx = ctx,
                         .model = m,
                         .at.a = nas_arena_zeroed(&arena, (size_t)m->dims.n_a * sizeof(mn_real)),
                         .weights = nas_arena_zeroed(&arena, n_choices * sizeof(mn_real)),
                         .saved = nas_arena_zeroed(&arena, n_choices * sizeof(mn_real)),
                         .keep = nas_arena_zeroed(&arena, n_choices),
                         .touched = nas_arena_zeroed(&arena, (size_t)m->n_mixtures),
                         .share = nas_arena_zeroed(&arena, (size_t)m->n_items * sizeof(double)),
                         .sign = -1};
    if (arena.failed) {
        return mn_fail(ctx, MN_NOMEM, "no memory to look for the sizes of pruned networks");
    }
    TRY(search_extreme(&s, smallest));
    s.sign = 1;
    return search_extreme(&s, largest);
}

double nas_model_work(const struct mn_model *m) {
    double work = nas_head_work(m);
    for (int i = 0; i < m->n_layers; i++) {
        for (int e = 0; e < m->layers[i].n_edges; e++) {
            for (int p = 0; p < m->layers[i].edges[e].n_paths; p++) {
                work += m->layers[i].edges[e].paths[p].work;
            }
        }
    }
    return work;
}

/* ---- a size that is wanted ---------------------------------------------------------------- */

struct fitting {
    struct mn_ctx *ctx;
    const struct nas_network_units *units;
    const struct mn_dims *dims;
    struct mn_budget budget;
};

/* Mean size with channel count number i. */
static int size_at(const struct fitting *f, int64_t i, double *out) {
    struct mn_model *model;
    const struct nas_instance *space = f->units->search_space;
    space->table.search_space.resize(space->self, f->budget.least + i * f->budget.step);
    TRY(nas_network_new(f->ctx, f->units, f->dims, &model));
    const int status = nas_model_mean_parameters(f->ctx, model, out);
    nas_network_free(model);
    return status;
}

static int out_of_reach(const struct fitting *f, int64_t i, double size) {
    struct nas_call call = nas_call_begin(f->ctx, f->units->search_space);
    return nas_call_end(&call,
                        mn_bad_option(f->ctx, f->budget.key,
                                      "%" PRId64 " weights cannot be had: a network of %" PRId64
                                      " channels, the %s that is possible, has %.0f",
                                      f->budget.weights, f->budget.least + i * f->budget.step,
                                      size > (double)f->budget.weights ? "least" : "most", size));
}

/* The size grows with the channel count: halve the range until two neighbours are left, the lower
 * not over the budget, the upper not under it. */
static int search(const struct fitting *f, struct nas_fit *out) {
    const double wanted = (double)f->budget.weights;
    int64_t low = 0, high = (f->budget.most - f->budget.least) / f->budget.step;
    double low_size = 0, high_size = 0;
    TRY(size_at(f, low, &low_size));
    TRY(size_at(f, high, &high_size));
    if (low_size > wanted || high_size < wanted) {
        return low_size > wanted ? out_of_reach(f, low, low_size)
                                 : out_of_reach(f, high, high_size);
    }
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        double size = 0;
        TRY(size_at(f, middle, &size));
        *(size > wanted ? &high : &low) = middle;
        *(size > wanted ? &high_size : &low_size) = size;
    }
    const int take_high = high_size - wanted < wanted - low_size;
    out->channels = f->budget.least + (take_high ? high : low) * f->budget.step;
    out->parameters = take_high ? high_size : low_size;
    return MN_OK;
}

int nas_model_fit(struct mn_ctx *ctx, const struct nas_network_units *units,
                  const struct mn_dims *dims, struct nas_fit *out) {
    struct nas_instance *space = units->search_space;
    const struct mn_search_space *table = &space->table.search_space;
    struct fitting f = {
        .ctx = ctx, .units = units, .dims = dims, .budget = {.size = sizeof f.budget}};
    const struct mn_budget *b = &f.budget;
    *out = (struct nas_fit){0};
    if (table->budget == NULL || table->resize == NULL) {
        return MN_OK;
    }
    struct nas_call call = nas_call_begin(ctx, space);
    TRY(nas_call_end(&call, table->budget(space->self, ctx, &f.budget)));
    if (b->weights == 0) {
        return MN_OK;
    }
    if (b->weights < 0 || b->least < 1 || b->most < b->least || b->step < 1 || b->key == NULL) {
        return mn_fail(ctx, MN_INTERNAL, "%s: its budget has no channel counts to choose from",
                       space->label);
    }
    out->budget = b->weights;
    TRY(search(&f, out));
    table->resize(space->self, out->channels);
    return MN_OK;
}
