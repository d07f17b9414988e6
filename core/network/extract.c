/* SPDX-License-Identifier: MIT */
#include "network/graph.h"

#include <math.h>
#include <string.h>

/* The path that pair `pair` of a fixed node was made from. */
struct origin {
    const struct nas_path *path;
    double weight; /* of its output in the pruned node */
};

static double item_weight(const struct mn_model *m, int mixture, const mn_real *weights, int item) {
    return mixture < 0 ? 1 : nas_model_item_weight(m, mixture, weights, item);
}

/* Of path p on edge e in its node's sum. */
static double path_weight(const struct mn_model *m, const struct nas_layer *layer,
                          const mn_real *mixture, int e, int p) {
    return item_weight(m, layer->mixture, mixture, e) *
           item_weight(m, layer->edges[e].mixture, mixture, p);
}

/* The kept candidate number `pair` of a layer, edge by edge: the order in which a genotype lists
 * them. path = NULL where there are fewer. */
static struct origin origin_of(const struct mn_model *m, const struct nas_layer *layer,
                               const uint8_t *keep, const mn_real *mixture, int pair) {
    for (int e = 0; e < layer->n_edges; e++) {
        const struct nas_edge *edge = &layer->edges[e];
        for (int p = 0; p < edge->n_paths && nas_item_kept(m, layer->mixture, keep, e); p++) {
            if (nas_item_kept(m, edge->mixture, keep, p) && pair-- == 0) {
                return (struct origin){&edge->paths[p], path_weight(m, layer, mixture, e, p)};
            }
        }
    }
    return (struct origin){NULL, 0};
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

static int64_t count_at(const struct mn_model *m, int64_t offset) {
    for (int i = 0; i < m->dims.n_w_segments; i++) {
        if (m->segments[0][i].offset == offset) {
            return m->segments[0][i].count;
        }
    }
    return -1;
}

/* Weights of one place in both networks. */
struct copy {
    const struct mn_model *from, *to;
    const mn_real *w;
    mn_real *out;
};

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

static int copy_weights(const struct copy *c, const struct nas_linear *from,
                        const struct nas_linear *to) {
    if (to->kind != NAS_LINEAR_FOREIGN) {
        return copy_segment(c, from->weight, to->weight);
    }
    if (from->foreign->n_weights != to->foreign->n_weights) {
        return 0;
    }
    mn_vec_copy(to->foreign->n_weights, c->w + from->weight, c->out + to->weight);
    return 1;
}

static int copy_stage(const struct copy *c, const struct nas_stage *from,
                      const struct nas_stage *to, double weight) {
    int done = from->n_linear == to->n_linear && from->has_norm == to->has_norm;
    for (int i = 0; done && i < to->n_linear; i++) {
        const struct nas_linear *a = &from->linear[i], *b = &to->linear[i];
        const int pool = b->kind == NAS_LINEAR_MAX_POOL || b->kind == NAS_LINEAR_AVG_POOL;
        done = a->kind == b->kind && (pool || copy_weights(c, a, b));
        if (done && b->kind == NAS_LINEAR_REDUCE) {
            done = copy_segment(c, a->weight2, b->weight2);
        }
    }
    if (done && to->bias >= 0) {
        done = copy_segment(c, from->bias, to->bias);
    }
    return done && (!to->has_norm || copy_norm(c, from->gamma, to->gamma, weight));
}

/* Those of plugins are other instances in another experiment. */
static int same_op(const struct nas_op *a, const struct nas_op *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a->name, b->name) == 0);
}

static int copy_path(const struct copy *c, const struct origin *origin, const struct nas_path *to) {
    const struct nas_path *from = origin->path;
    int done = from != NULL && same_op(from->op, to->op) && from->n_stages == to->n_stages;
    for (int s = 0; done && s < to->n_stages; s++) {
        done = copy_stage(c, &from->stage[s], &to->stage[s],
                          s + 1 == to->n_stages ? origin->weight : 1);
    }
    return done;
}

/* An identity has no norm that could take over its weight: the edge has it. */
static int check_identity(struct mn_ctx *ctx, const struct nas_layer *to, int e,
                          const struct origin *origin) {
    const double weight = to->edges[e].weight;
    return origin->path == NULL || !origin->path->identity ||
                   fabs(origin->weight - weight) <= 1e-6 * weight
               ? MN_OK
               : mn_fail(ctx, MN_UNSUPPORTED,
                         "layer %s: %s has weight %g in the pruned network, %g in the fixed one",
                         to->name, origin->path->name, origin->weight, weight);
}

static int copy_layer(const struct copy *c, struct mn_ctx *ctx, int l, const uint8_t *keep,
                      const mn_real *mixture) {
    const struct nas_layer *to = &c->to->layers[l];
    const struct nas_layer *from = &c->from->layers[l];
    for (int e = 0; e < to->n_edges; e++) {
        struct origin origin = origin_of(c->from, from, keep, mixture, e);
        const int status = check_identity(ctx, to, e, &origin);
        if (status != MN_OK) {
            return status;
        }
        origin.weight /= to->edges[e].weight;
        if (to->edges[e].n_paths != 1 || !copy_path(c, &origin, &to->edges[e].paths[0])) {
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
    int done = from->n_layers == to->n_layers;
    for (int l = 0; done && l < to->n_layers; l++) {
        const int status = copy_layer(&c, ctx, l, keep, mixture);
        if (status != MN_OK) {
            return status;
        }
    }
    done = done && copy_segment(&c, from->head.weight, to->head.weight) &&
           copy_segment(&c, from->head.bias, to->head.bias);
    return done ? MN_OK
                : mn_fail(ctx, MN_UNSUPPORTED,
                          "the fixed network has another form than the pruned "
                          "one");
}
