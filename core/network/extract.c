/* SPDX-License-Identifier: MIT */
#include "network/fixed.h"
#include "network/prune.h"

#include <math.h>
#include <string.h>

/* Of path p on edge e in its node's sum. */
static double path_weight(const struct mn_model *m, const struct nas_layer *layer,
                          const mn_real *mixture, int e, int p) {
    const int in = layer->mixture, op = layer->edges[e].mixture;
    return (in < 0 ? 1 : nas_model_item_weight(m, in, mixture, e)) *
           (op < 0 ? 1 : nas_model_item_weight(m, op, mixture, p));
}

double nas_model_pair_weight(const struct mn_model *m, const mn_real *mixture, const char *type,
                             int node, int edge, const char *op) {
    for (int l = 0; l < m->n_layers; l++) {
        const struct nas_layer *layer = &m->layers[l];
        if (layer->mixture < 0 || edge >= layer->n_edges ||
            !nas_fixed_is(type, node, m->mixtures[layer->mixture].group)) {
            continue;
        }
        const struct nas_edge *at = &layer->edges[edge];
        for (int p = 0; p < at->n_ops; p++) {
            if (strcmp(at->paths[p].name, op) == 0) {
                return path_weight(m, layer, mixture, edge, p);
            }
        }
    }
    return 1;
}

/* 0 = the paths have not the same form. */
static int copy_path(const struct nas_path *from, const struct nas_path *to, const mn_real *w,
                     mn_real *out) {
    /* Operations of plugins are other instances in another experiment: their names are compared. */
    if ((from->op == NULL) != (to->op == NULL) || strcmp(from->name, to->name) != 0 ||
        from->n_stages != to->n_stages || from->channels != to->channels) {
        return 0;
    }
    for (int s = 0; s < to->n_stages; s++) {
        const struct nas_stage *a = &from->stage[s], *b = &to->stage[s];
        if (a->n_weights != b->n_weights || a->has_norm != b->has_norm ||
            (a->has_norm && (a->gamma < 0) != (b->gamma < 0))) {
            return 0;
        }
        mn_vec_copy(b->n_weights, w + a->weights, out + b->weights);
        if (b->has_norm && b->gamma >= 0) {
            mn_vec_copy(2 * (int64_t)to->channels, w + a->gamma, out + b->gamma);
        }
    }
    return 1;
}

/* The same, with the layers that belong to it. */
static int copy_candidate(const struct mn_model *m, const struct nas_path *from,
                          const struct mn_model *other, const struct nas_path *to, const mn_real *w,
                          mn_real *out) {
    int same = from->n_inner == to->n_inner && copy_path(from, to, w, out);
    for (int i = 0; same && i < to->n_inner; i++) {
        const struct nas_layer *a = &m->layers[from->inner + i];
        const struct nas_layer *b = &other->layers[to->inner + i];
        same = a->kind == b->kind &&
               (b->n_edges == 0 || copy_path(&a->edges[0].paths[0], &b->edges[0].paths[0], w, out));
    }
    return same;
}

/* The kept candidate number `pair` of a layer, edge by edge: the order in which a genotype lists
 * them; and its weight in the pruned node. NULL where there are fewer. */
static const struct nas_path *kept_path(const struct mn_model *m, const struct nas_layer *layer,
                                        const uint8_t *keep, const mn_real *mixture, int pair,
                                        double *weight) {
    for (int e = 0; e < layer->n_edges; e++) {
        const struct nas_edge *edge = &layer->edges[e];
        for (int p = 0; p < edge->n_paths && nas_prune_item_stays(m, layer->mixture, keep, e);
             p++) {
            if (nas_prune_item_stays(m, edge->mixture, keep, p) && pair-- == 0) {
                *weight = path_weight(m, layer, mixture, e, p);
                return &edge->paths[p];
            }
        }
    }
    return NULL;
}

/* Layers of the search space, without those of candidates. */
static int n_own_layers(const struct mn_model *m) {
    int n = 0;
    for (int l = 0; l < m->n_layers; l++) {
        n += m->layers[l].owner < 0;
    }
    return n;
}

/* The next of them from layer number l. */
static const struct nas_layer *own_layer(const struct mn_model *m, int *l) {
    while (m->layers[*l].owner >= 0) {
        ++*l;
    }
    return &m->layers[(*l)++];
}

int nas_model_extract(struct mn_ctx *ctx, const struct mn_model *from, const mn_real *w,
                      const uint8_t *keep, const mn_real *mixture, const struct mn_model *to,
                      mn_real *out) {
    const struct nas_head *head = &to->head;
    if (n_own_layers(from) != n_own_layers(to) || from->dims.n_features != to->dims.n_features ||
        from->dims.ways != to->dims.ways || from->head.n_weights != head->n_weights ||
        from->n_loss_weights != to->n_loss_weights) {
        return mn_fail(ctx, MN_UNSUPPORTED,
                       "the fixed network has another form than the pruned one");
    }
    for (int i = 0, l = 0, k = 0; i < n_own_layers(to); i++) {
        const struct nas_layer *searched = own_layer(from, &k), *layer = own_layer(to, &l);
        for (int e = 0; e < layer->n_edges; e++) {
            const struct nas_edge *edge = &layer->edges[e];
            double weight = 0;
            const struct nas_path *path = kept_path(from, searched, keep, mixture, e, &weight);
            /* The weights of a genotype have nine digits. */
            if (path != NULL && !(fabs(weight - edge->weight) <= 1e-6 * edge->weight)) {
                return mn_fail(
                    ctx, MN_UNSUPPORTED,
                    "layer %s: %s has weight %g in the pruned network, %g in the fixed one",
                    layer->name, path->name, weight, edge->weight);
            }
            if (edge->n_paths != 1 || path == NULL ||
                !copy_candidate(from, path, to, &edge->paths[0], w, out)) {
                return mn_fail(ctx, MN_UNSUPPORTED,
                               "layer %s of the pruned network has another form", layer->name);
            }
        }
    }
    mn_vec_copy(head->n_weights, w + from->head.weights, out + head->weights);
    mn_vec_copy(to->n_loss_weights, w + from->loss_weights, out + to->loss_weights);
    return MN_OK;
}
