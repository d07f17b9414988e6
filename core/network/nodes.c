/* SPDX-License-Identifier: MIT */
/* Nodes: their edges with all candidates, or with those that section genotype names. */
#include "network/builder.h"
#include "network/fixed.h"

#include <math.h>

static int check_edge(struct mn_builder *b, const struct mn_node_spec *spec, const char *prefix,
                      const struct mn_edge_spec *edge) {
    TRY(nas_builder_state(b, prefix, edge->from));
    if (edge->n_ops < 1 || edge->n_ops > 64) {
        return mn_fail(b->ctx, MN_CONFIG, "%s: %d candidates; 1 to 64 are possible", prefix,
                       edge->n_ops);
    }
    if (edge->stride != 1 && edge->stride != 2) {
        return mn_fail(b->ctx, MN_UNSUPPORTED, "%s: stride %d; 1 and 2 are possible", prefix,
                       edge->stride);
    }
    if (spec->partial > 1 && b->model->states[edge->from].channels != spec->channels) {
        return mn_fail(b->ctx, MN_CONFIG,
                       "%s: the input has %d channels, the node %d; with partial channels they are "
                       "the same",
                       prefix, b->model->states[edge->from].channels, spec->channels);
    }
    if (!isfinite(edge->weight) || (edge->weight != 0 && spec->group != NULL)) {
        return mn_fail(b->ctx, MN_UNSUPPORTED,
                       "%s: weight %g; it must be finite, and 0 where the node is searched", prefix,
                       edge->weight);
    }
    return MN_OK;
}

static int add_edge(struct mn_builder *b, const struct mn_node_spec *spec, int e,
                    struct nas_edge *out) {
    const struct mn_edge_spec edge = spec->edges[e];
    char prefix[160];
    snprintf(prefix, sizeof prefix, "%s.edges.%d", spec->name, e);
    const int groups = spec->partial, channels = spec->channels / groups;
    TRY(nas_builder_size(b, "mn_edge_spec", edge.size, sizeof edge));
    TRY(check_edge(b, spec, prefix, &edge));
    TRY(nas_edge_new(b, out, edge.n_ops, groups - 1));
    out->from = edge.from;
    out->stride = edge.stride;
    if (edge.weight != 0) {
        out->weight = edge.weight;
    }
    const int n_in = groups > 1 ? channels : b->model->states[edge.from].channels;
    struct nas_path *paths = out->paths;
    for (int o = 0; o < edge.n_ops; o++) {
        TRY(nas_candidate_add(b, &paths[o], prefix, edge.ops[o], out, n_in, channels, spec->flags));
        TRY(nas_latency_bind(b, out, &paths[o]));
        for (int i = 0; i < paths[o].n_inner; i++) {
            struct nas_layer *inner = &b->model->layers[paths[o].inner + i];
            inner->owner_edge = e;
            inner->owner_item = o;
        }
    }
    for (int g = 1; g < groups; g++) {
        /* The channels that pass the candidates by: group g, as they are or pooled. */
        struct nas_path *path = &paths[edge.n_ops + g - 1];
        *path = (struct nas_path){.name = "passed",
                                  .source = edge.from,
                                  .stride = edge.stride,
                                  .channels = channels,
                                  .first = g * channels,
                                  .out_first = g,
                                  .identity = edge.stride == 1,
                                  .n_stages = edge.stride == 1 ? 0 : 1,
                                  .stage = {nas_stage_pool(NAS_LINEAR_MAX_POOL)},
                                  .index = b->model->n_paths++};
        TRY(nas_path_bind(b, path, 0));
        nas_path_bind_channels(b->model, path, channels);
    }
    return MN_OK;
}

/* In place of a search, the candidates that section genotype names, an edge each. */
static int fix(struct mn_builder *b, struct mn_node_spec *spec) {
    const struct nas_fixed *fixed = b->model->units.fixed;
    const struct nas_fixed_node *node = nas_fixed_find(fixed, spec->group);
    char place[512] = "";
    if (node == NULL) {
        return mn_fail(b->ctx, MN_CONFIG,
                       "genotype: it says nothing of node %s, which the search space has",
                       spec->group);
    }
    nas_mark_text(node->mark, place, sizeof place);
    struct mn_edge_spec *edges =
        nas_arena_zeroed(&b->model->arena, (size_t)node->n * sizeof *edges);
    if (edges == NULL) {
        return nas_builder_no_memory(b);
    }
    for (int i = 0; i < node->n; i++) {
        const struct nas_fixed_pair *pair = &node->pairs[i];
        if (pair->input >= spec->n_edges) {
            return mn_fail(
                b->ctx, MN_CONFIG,
                "%sgenotype: %s: node %d has no input %d; the search space gives it 0 to "
                "%d",
                place, node->type, node->index, pair->input, spec->n_edges - 1);
        }
        edges[i] = spec->edges[pair->input];
        edges[i].n_ops = 1;
        edges[i].ops = &pair->op;
        edges[i].weight = pair->weight;
    }
    b->fixed[node - fixed->at] = 1;
    spec->group = NULL;
    spec->n_edges = node->n;
    spec->edges = edges;
    return MN_OK;
}

/* What section genotype says of nodes that there are not is a slip, but of a whole type of cells
 * that no cell has, as where none is a reduction cell. */
int nas_builder_fixed(struct mn_builder *b) {
    const struct nas_fixed *fixed = b->model->units.fixed;
    int used = 0, of_type = 0; /* nodes, from the first of a type on */
    for (int i = 0; fixed != NULL && i < fixed->n; i++) {
        const struct nas_fixed_node *node = &fixed->at[i];
        used = (node->index > 0 ? used : 0) + b->fixed[i];
        of_type = node->index + 1;
        const int last = i + 1 == fixed->n || fixed->at[i + 1].index == 0;
        if (last && used == 0) {
            mn_log(b->ctx, MN_LOG_WARN, "genotype: %s: the search space has no such cell",
                   node->type);
        } else if (last && used < of_type) {
            char place[512];
            nas_mark_text(node->mark, place, sizeof place);
            return mn_fail(b->ctx, MN_CONFIG,
                           "%sgenotype: %s: %d nodes, of which the search space has %d", place,
                           node->type, of_type, used);
        }
    }
    return MN_OK;
}

int nas_service_build_node(struct mn_builder *b, const struct mn_node_spec *given, int32_t *state) {
    struct nas_layer *layer = NULL;
    b->unfinished++;
    TRY(nas_builder_size(b, "mn_node_spec", given->size, sizeof *given));
    struct mn_node_spec spec = *given;
    TRY(nas_builder_layer(b, spec.name, spec.channels));
    TRY(nas_builder_size(b, "mn_edge_spec", spec.edge_stride, sizeof *spec.edges));
    if (spec.group != NULL && (spec.group[0] == '\0' || strlen(spec.group) > 100)) {
        return mn_fail(b->ctx, MN_INTERNAL, "node %s: a group needs a name of 1 to 100 characters",
                       spec.name);
    }
    if (spec.n_edges < 1 || spec.n_edges > 64) {
        return mn_fail(b->ctx, MN_CONFIG, "node %s has %d edges; 1 to 64 are possible", spec.name,
                       spec.n_edges);
    }
    if (spec.partial == 0) {
        spec.partial = 1;
    }
    TRY(spec.group != NULL && b->model->units.fixed != NULL ? fix(b, &spec) : MN_OK);
    if (spec.partial < 1 || spec.channels % spec.partial != 0) {
        return mn_fail(b->ctx, MN_CONFIG, "node %s: 1/%d of %d channels is not a whole number",
                       spec.name, spec.partial, spec.channels);
    }
    /* What candidates make layers of comes before the node. */
    const int inner = b->model->n_layers;
    struct nas_edge *edges = NULL;
    TRY(nas_edges_new(b, spec.n_edges, &edges));
    for (int e = 0; e < spec.n_edges; e++) {
        TRY(add_edge(b, &spec, e, &edges[e]));
    }
    TRY(nas_layer_add(b, spec.name, &layer));
    layer->groups = spec.partial;
    layer->n_edges = spec.n_edges;
    layer->edges = edges;
    for (int i = inner; i < b->model->n_layers - 1; i++) {
        b->model->layers[i].owner = b->model->n_layers - 1;
    }
    const int size = layer->edges[0].paths[0].size;
    for (int e = 1; e < layer->n_edges; e++) {
        if (layer->edges[e].paths[0].size != size) {
            return mn_fail(b->ctx, MN_CONFIG,
                           "node %s: edge %d gives images of another size than edge 0", layer->name,
                           e);
        }
    }
    if (spec.group != NULL) {
        TRY(nas_group_bind(b, &spec, layer));
    }
    TRY(nas_layer_output(b, layer, spec.channels, size, state));
    b->unfinished--;
    return MN_OK;
}
