/* SPDX-License-Identifier: MIT */
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

double nas_model_identity_weight(const struct mn_model *m, const mn_real *mixture,
                                 const char *group, int edge, const char *op) {
    for (int l = 0; l < m->n_layers; l++) {
        const struct nas_layer *layer = &m->layers[l];
        if (layer->mixture < 0 || edge >= layer->n_edges ||
            strcmp(m->mixtures[layer->mixture].group, group) != 0) {
            continue;
        }
        const struct nas_edge *at = &layer->edges[edge];
        for (int p = 0; p < at->n_ops; p++) {
            if (at->paths[p].identity && strcmp(at->paths[p].name, op) == 0) {
                return path_weight(m, layer, mixture, edge, p);
            }
        }
    }
    return 1;
}

/* Weights of one place in both networks. */
struct copy {
    const struct mn_model *from, *to;
    const mn_real *w;
    mn_real *out;
};

static int64_t count_at(const struct mn_model *m, int64_t offset) {
    for (int i = 0; i < m->dims.n_w_segments; i++) {
        if (m->segments[0][i].offset == offset) {
            return m->segments[0][i].count;
        }
    }
    return -1;
}

static int copy_segment(const struct copy *c, int64_t from, int64_t to) {
    const int64_t n = count_at(c->to, to);
    if (n < 0 || n != count_at(c->from, from)) {
        return 0;
    }
    mn_vec_copy(n, c->w + from, c->out + to);
    return 1;
}

/* Scale and shift; a norm without them has 1 and 0. The weight of the output goes into both. */
static int copy_norm(const struct copy *c, int64_t from, int64_t to, double weight) {
    const int64_t n = count_at(c->to, to);
    if (to < 0) {
        return weight == 1 && from < 0;
    }
    if (n < 0 || (from >= 0 && count_at(c->from, from) != n)) {
        return 0;
    }
    for (int64_t i = 0; i < n; i++) {
        c->out[to + i] = (mn_real)(weight * (from >= 0 ? (double)c->w[from + i] : 1));
        c->out[to + n + i] = (mn_real)(weight * (from >= 0 ? (double)c->w[from + n + i] : 0));
    }
    return 1;
}

static int copy_linear(const struct copy *c, const struct nas_linear *from,
                       const struct nas_linear *to) {
    if (from->kind != to->kind) {
        return 0;
    }
    switch (to->kind) {
    case NAS_LINEAR_MAX_POOL:
    case NAS_LINEAR_AVG_POOL:
        return 1;
    case NAS_LINEAR_CUSTOM:
        if (from->custom->n_weights != to->custom->n_weights) {
            return 0;
        }
        mn_vec_copy(to->custom->n_weights, c->w + from->weight, c->out + to->weight);
        return 1;
    case NAS_LINEAR_REDUCE:
        return copy_segment(c, from->weight, to->weight) &&
               copy_segment(c, from->weight + (int64_t)from->n_out / 2 * from->n_in,
                            to->weight + (int64_t)to->n_out / 2 * to->n_in);
    case NAS_LINEAR_CONV:
    case NAS_LINEAR_DEPTHWISE:
        break;
    }
    return copy_segment(c, from->weight, to->weight);
}

static int copy_stage(const struct copy *c, const struct nas_stage *from,
                      const struct nas_stage *to, double weight) {
    int done = from->n_linear == to->n_linear && from->has_norm == to->has_norm;
    for (int i = 0; done && i < to->n_linear; i++) {
        done = copy_linear(c, &from->linear[i], &to->linear[i]);
    }
    return done && (to->bias < 0 || copy_segment(c, from->bias, to->bias)) &&
           (!to->has_norm || copy_norm(c, from->gamma, to->gamma, weight));
}

/* weight: of the output of `from` in terms of that of `to`. */
static int copy_path(const struct copy *c, const struct nas_path *from, const struct nas_path *to,
                     double weight) {
    /* Operations of plugins are other instances in another experiment. */
    const int same_op = from->op == to->op || (from->op != NULL && to->op != NULL &&
                                               strcmp(from->op->name, to->op->name) == 0);
    int done = same_op && from->n_stages == to->n_stages;
    for (int s = 0; done && s < to->n_stages; s++) {
        done = copy_stage(c, &from->stage[s], &to->stage[s], s + 1 == to->n_stages ? weight : 1);
    }
    return done;
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

static int copy_layer(const struct copy *c, struct mn_ctx *ctx, int l, const uint8_t *keep,
                      const mn_real *mixture) {
    const struct nas_layer *to = &c->to->layers[l];
    for (int e = 0; e < to->n_edges; e++) {
        const struct nas_edge *edge = &to->edges[e];
        double weight = 0;
        const struct nas_path *from =
            kept_path(c->from, &c->from->layers[l], keep, mixture, e, &weight);
        /* An identity has no norm that could take over its weight: the edge has it. */
        if (from != NULL && from->identity &&
            !(fabs(weight - edge->weight) <= 1e-6 * edge->weight)) {
            return mn_fail(ctx, MN_UNSUPPORTED,
                           "layer %s: %s has weight %g in the pruned network, %g in the fixed one",
                           to->name, from->name, weight, edge->weight);
        }
        if (edge->n_paths != 1 || from == NULL ||
            !copy_path(c, from, &edge->paths[0], weight / edge->weight)) {
            return mn_fail(ctx, MN_UNSUPPORTED, "layer %s of the pruned network has another form",
                           to->name);
        }
    }
    return MN_OK;
}

int nas_model_extract(struct mn_ctx *ctx, const struct mn_model *from, const mn_real *w,
                      const uint8_t *keep, const mn_real *mixture, const struct mn_model *to,
                      mn_real *out) {
    const struct copy c = {from, to, w, out};
    for (int l = 0; from->n_layers == to->n_layers && l < to->n_layers; l++) {
        TRY(copy_layer(&c, ctx, l, keep, mixture));
    }
    return from->n_layers == to->n_layers && copy_segment(&c, from->head.weight, to->head.weight) &&
                   copy_segment(&c, from->head.bias, to->head.bias)
               ? MN_OK
               : mn_fail(ctx, MN_UNSUPPORTED,
                         "the fixed network has another form than the pruned one");
}
