/* SPDX-License-Identifier: MIT */
#include "network/builder.h"

#include <math.h>
#include <string.h>

/* ---- pieces ------------------------------------------------------------------------------- */

int nas_graph_grid(struct mn_model *m, int height, int width) {
    for (int i = 0; i < m->n_sizes; i++) {
        if (m->sizes[i].grid.h == height && m->sizes[i].grid.w == width) {
            return i;
        }
    }
    m->sizes = nas_append(&m->arena, m->sizes, m->n_sizes, sizeof *m->sizes);
    if (m->sizes == NULL) {
        return -1;
    }
    m->sizes[m->n_sizes].grid.h = height;
    m->sizes[m->n_sizes].grid.w = width;
    return m->n_sizes++;
}

static int check_state(struct mn_builder *b, const char *name, int32_t state) {
    if (state < 0 || state >= b->model->n_states) {
        return mn_fail(b->ctx, MN_INTERNAL, "layer %s: state %d does not exist (0 to %d do)", name,
                       state, b->model->n_states - 1);
    }
    return MN_OK;
}

static int check_layer(struct mn_builder *b, const char *name, int channels) {
    if (name == NULL || name[0] == '\0' || strlen(name) > 100) {
        return mn_fail(b->ctx, MN_INTERNAL, "a layer needs a name of 1 to 100 characters");
    }
    if (channels < 1 || channels > 65536) {
        return mn_fail(b->ctx, MN_CONFIG, "layer %s: %d channels; 1 to 65536 are possible", name,
                       channels);
    }
    if (b->has_head) {
        return mn_fail(b->ctx, MN_INTERNAL, "layer %s comes after the head", name);
    }
    return MN_OK;
}

static int edges_new(struct mn_builder *b, struct nas_layer *layer, int n) {
    layer->edges = nas_arena_array(&b->model->arena, (size_t)n, sizeof *layer->edges);
    if (layer->edges == NULL) {
        return nas_builder_no_memory(b);
    }
    memset(layer->edges, 0, (size_t)n * sizeof *layer->edges);
    layer->n_edges = n;
    return MN_OK;
}

/* n candidates and `passed` paths after them. */
static int paths_new(struct mn_builder *b, struct nas_edge *edge, int n_ops, int passed) {
    const int n = n_ops + passed;
    edge->paths = nas_arena_array(&b->model->arena, (size_t)n, sizeof *edge->paths);
    if (edge->paths == NULL) {
        return nas_builder_no_memory(b);
    }
    memset(edge->paths, 0, (size_t)n * sizeof *edge->paths);
    edge->n_paths = n;
    edge->n_ops = n_ops;
    edge->mixture = -1;
    edge->weight = 1;
    return MN_OK;
}

/* The output of a layer: an act of its own, and a state over it. */
static int output(struct mn_builder *b, struct nas_layer *layer, int channels, int grid,
                  int32_t *state) {
    int act;
    int status = nas_act_add(b, channels, grid, &act);
    if (status == MN_OK) {
        status = nas_state_add(b, act, 0, channels, grid, (int)(layer - b->model->layers), state);
    }
    layer->state = status == MN_OK ? *state : -1;
    return status;
}

/* Another name for a state whose consumers see its ReLU. */
static int relu_view(struct mn_builder *b, const char *name, int32_t *state) {
    const int32_t of = *state;
    struct nas_layer *layer;
    int status = nas_layer_add(b, name, &layer);
    if (status != MN_OK) {
        return status;
    }
    layer->kind = NAS_LAYER_CONCAT;
    layer->n_parts = 1;
    layer->parts = nas_arena_array(&b->model->arena, 1, sizeof *layer->parts);
    if (layer->parts == NULL) {
        return nas_builder_no_memory(b);
    }
    layer->parts[0] = of;
    const struct nas_cell_state s = b->model->states[of];
    status = nas_state_add(b, s.act, s.first, s.channels, s.grid, (int)(layer - b->model->layers),
                           state);
    if (status == MN_OK) {
        layer->state = *state;
        b->model->states[*state].relu = 1;
    }
    return status;
}

/* A layer of one path. */
static int single(struct mn_builder *b, const char *name, struct nas_path proto, int stride,
                  uint32_t flags, int32_t *state) {
    struct nas_layer *layer;
    int status = nas_layer_add(b, name, &layer);
    if (status == MN_OK) {
        status = edges_new(b, layer, 1);
    }
    if (status == MN_OK) {
        status = paths_new(b, &layer->edges[0], 1, 0);
    }
    if (status != MN_OK) {
        return status;
    }
    struct nas_path *path = &layer->edges[0].paths[0];
    layer->groups = 1;
    *path = proto;
    path->index = b->model->n_paths++;
    status = nas_path_bind_source(b, path, stride);
    if (status != MN_OK) {
        return status;
    }
    nas_path_bind_channels(b->model, path, b->model->states[path->source].channels);
    nas_path_reach(b->model, 1);
    status = nas_path_weights(b, path, name, flags);
    return status != MN_OK ? status : output(b, layer, path->channels, path->grid, state);
}

/* ---- services ----------------------------------------------------------------------------- */

/* A struct of the plugin says by its size that it was begun with .size = sizeof. */
static int check_size(struct mn_builder *b, const char *what, uint32_t size, size_t expected) {
    return size == expected
               ? MN_OK
               : mn_fail(b->ctx, MN_INTERNAL,
                         "a struct %s has size %u; it begins with .size = sizeof, which "
                         "is %zu",
                         what, size, expected);
}

static int guard(struct mn_builder *b, int status) {
    b->failed |= status != MN_OK;
    return status;
}

int nas_service_build_drop_path(struct mn_builder *b, double rate, int ramp) {
    if (!(rate >= 0 && rate < 1)) {
        return guard(b, mn_fail(b->ctx, MN_CONFIG, "drop path rate %g is not in [0, 1)", rate));
    }
    b->model->drop_path = rate;
    b->model->drop_ramp = ramp;
    return MN_OK;
}

int nas_service_build_conv(struct mn_builder *b, const struct mn_conv_spec *spec, int32_t *state) {
    int status = check_size(b, "mn_conv_spec", spec->size, sizeof *spec);
    if (status == MN_OK) {
        status = check_layer(b, spec->name, spec->channels);
    }
    if (status == MN_OK) {
        status = check_state(b, spec->name, spec->from);
    }
    if (status == MN_OK && (spec->kernel < 1 || spec->kernel > 7 || spec->kernel % 2 == 0)) {
        status = mn_fail(b->ctx, MN_UNSUPPORTED, "layer %s: kernel %d; 1, 3, 5 and 7 are possible",
                         spec->name, spec->kernel);
    }
    if (status == MN_OK && spec->stride != 1 && spec->stride != 2) {
        status = mn_fail(b->ctx, MN_UNSUPPORTED, "layer %s: stride %d; 1 and 2 are possible",
                         spec->name, spec->stride);
    }
    if (status != MN_OK) {
        return guard(b, status);
    }
    struct nas_path path = {.name = "conv",
                            .source = spec->from,
                            .relu = (spec->flags & MN_BUILD_RELU_BEFORE) != 0,
                            .channels = spec->channels,
                            .n_stages = 1};
    path.stage[0] = (struct nas_stage){.n_linear = 1,
                                       .has_norm = 1,
                                       .linear = {{.kind = NAS_LINEAR_CONV,
                                                   .kh = spec->kernel,
                                                   .kw = spec->kernel,
                                                   .dilation = 1,
                                                   .sh = spec->stride,
                                                   .sw = spec->stride,
                                                   .centred = 1}}};
    nas_path_reach(b->model, (spec->kernel - 1) / 2);
    status = single(b, spec->name, path, spec->stride, spec->flags, state);
    if (status == MN_OK && (spec->flags & MN_BUILD_RELU_AFTER) != 0) {
        status = relu_view(b, spec->name, state);
    }
    return guard(b, status);
}

int nas_service_build_reduce(struct mn_builder *b, const char *name, int32_t from, int32_t channels,
                             uint32_t flags, int32_t *state) {
    int status = check_layer(b, name, channels);
    if (status == MN_OK) {
        status = check_state(b, name, from);
    }
    if (status == MN_OK) {
        status = nas_path_even(b, name, channels);
    }
    if (status != MN_OK) {
        return guard(b, status);
    }
    struct nas_path path = {
        .name = "reduce", .source = from, .relu = 1, .channels = channels, .n_stages = 1};
    path.stage[0] = nas_stage_reduce;
    return guard(b, single(b, name, path, 2, flags & MN_BUILD_AFFINE, state));
}

static const struct nas_linear pool_2x2 = {
    .kind = NAS_LINEAR_MAX_POOL, .kh = 2, .kw = 2, .dilation = 1, .sh = 2, .sw = 2};

int nas_service_build_max_pool(struct mn_builder *b, const char *name, int32_t from, int32_t window,
                               int32_t stride, int32_t *state) {
    int status = check_layer(b, name, 1);
    if (status == MN_OK) {
        status = check_state(b, name, from);
    }
    if (status == MN_OK && (window != 2 || stride != 2)) {
        status = mn_fail(b->ctx, MN_UNSUPPORTED,
                         "layer %s: max pool %dx%d, stride %d; 2x2, stride 2 is possible", name,
                         window, window, stride);
    }
    if (status != MN_OK) {
        return guard(b, status);
    }
    const struct nas_cell_state s = b->model->states[from];
    const struct nas_grid g = b->model->sizes[s.grid].grid;
    if (g.h < 2 || g.w < 2) {
        return guard(b, mn_fail(b->ctx, MN_CONFIG,
                                "layer %s: the input is %dx%d, too small for a 2x2 pool: use "
                                "larger images or fewer blocks",
                                name, g.h, g.w));
    }
    struct nas_path path = {
        .name = "max_pool", .source = from, .channels = s.channels, .n_stages = 1};
    path.stage[0] = (struct nas_stage){.n_linear = 1, .linear = {pool_2x2}};
    status = single(b, name, path, 2, 0, state);
    if (status == MN_OK && (g.h % 2 != 0 || g.w % 2 != 0)) {
        /* The window needs whole pairs: the phases have a row or column more than the output. */
        struct nas_layer *layer = &b->model->layers[b->model->n_layers - 1];
        const int grid = nas_graph_grid(b->model, g.h / 2, g.w / 2);
        if (grid < 0) {
            return guard(b, nas_builder_no_memory(b));
        }
        if (s.half >= 0 && s.half != grid) {
            return guard(b, mn_fail(b->ctx, MN_UNSUPPORTED,
                                    "layer %s: a state of odd size feeds both a 2x2 max pool and a "
                                    "stride-2 edge",
                                    name));
        }
        layer->edges[0].paths[0].grid = grid;
        b->model->states[from].half = grid;
        b->model->states[*state].grid = grid;
        b->model->acts[b->model->states[*state].act].grid = grid;
    }
    return guard(b, status);
}

static int check_edge(struct mn_builder *b, const struct mn_node_spec *spec, const char *prefix,
                      struct mn_edge_spec edge) {
    int status = check_state(b, prefix, edge.from);
    if (status == MN_OK && (edge.n_ops < 1 || edge.n_ops > 64)) {
        status = mn_fail(b->ctx, MN_CONFIG, "%s: %d candidates; 1 to 64 are possible", prefix,
                         edge.n_ops);
    }
    if (status == MN_OK && edge.stride != 1 && edge.stride != 2) {
        status = mn_fail(b->ctx, MN_UNSUPPORTED, "%s: stride %d; 1 and 2 are possible", prefix,
                         edge.stride);
    }
    if (status == MN_OK && b->model->states[edge.from].channels != spec->channels) {
        status = mn_fail(b->ctx, MN_CONFIG, "%s: the input has %d channels, the node %d", prefix,
                         b->model->states[edge.from].channels, spec->channels);
    }
    if (status == MN_OK && (!isfinite(edge.weight) || (edge.weight != 0 && spec->group != NULL))) {
        status = mn_fail(b->ctx, MN_UNSUPPORTED,
                         "%s: weight %g; it must be finite, and 0 where the node is searched",
                         prefix, edge.weight);
    }
    return status;
}

/* The channels that pass the candidates by: group g of `partial`, as they are or pooled. */
static int passed_path(struct mn_builder *b, struct nas_path *path, struct mn_edge_spec edge,
                       int channels, int g) {
    *path = (struct nas_path){.name = "passed",
                              .source = edge.from,
                              .channels = channels,
                              .first = g * channels,
                              .out_first = g,
                              .identity = edge.stride == 1,
                              .n_stages = edge.stride == 1 ? 0 : 1,
                              .index = b->model->n_paths++};
    const int status = nas_path_bind_source(b, path, edge.stride);
    if (status == MN_OK && edge.stride == 2) {
        path->stage[0] =
            (struct nas_stage){.n_linear = 1, .linear = {pool_2x2}, .gamma = -1, .bias = -1};
        nas_path_bind_channels(b->model, path, channels);
    }
    return status;
}

static int add_edge(struct mn_builder *b, const struct mn_node_spec *spec, struct nas_layer *layer,
                    int e) {
    const struct mn_edge_spec edge = spec->edges[e];
    char prefix[160];
    snprintf(prefix, sizeof prefix, "%s.edges.%d", spec->name, e);
    const int groups = spec->partial, channels = spec->channels / groups;
    int status = check_size(b, "mn_edge_spec", edge.size, sizeof edge);
    if (status == MN_OK) {
        status = check_edge(b, spec, prefix, edge);
    }
    if (status == MN_OK) {
        status = paths_new(b, &layer->edges[e], edge.n_ops, groups - 1);
    }
    if (edge.weight != 0) {
        layer->edges[e].weight = edge.weight;
    }
    struct nas_path *paths = layer->edges[e].paths;
    for (int o = 0; status == MN_OK && o < edge.n_ops; o++) {
        status = nas_candidate_add(b, &paths[o], prefix, edge.ops[o], edge.from, edge.stride,
                                   channels, spec->flags);
    }
    for (int g = 1; status == MN_OK && g < groups; g++) {
        status = passed_path(b, &paths[edge.n_ops + g - 1], edge, channels, g);
    }
    return status;
}

static int check_partial(struct mn_builder *b, const struct mn_node_spec *spec) {
    if (spec->partial < 1 || spec->channels % spec->partial != 0) {
        return mn_fail(b->ctx, MN_CONFIG, "node %s: 1/%d of %d channels is not a whole number",
                       spec->name, spec->partial, spec->channels);
    }
    return MN_OK;
}

static int check_grids(struct mn_builder *b, const struct nas_layer *layer) {
    const int grid = layer->edges[0].paths[0].grid;
    for (int e = 1; e < layer->n_edges; e++) {
        if (layer->edges[e].paths[0].grid != grid) {
            return mn_fail(b->ctx, MN_CONFIG,
                           "node %s: edge %d gives images of another size than edge 0", layer->name,
                           e);
        }
    }
    return MN_OK;
}

int nas_service_build_node(struct mn_builder *b, const struct mn_node_spec *given, int32_t *state) {
    int status = check_size(b, "mn_node_spec", given->size, sizeof *given);
    if (status != MN_OK) {
        return guard(b, status);
    }
    struct mn_node_spec spec = *given;
    status = check_layer(b, spec.name, spec.channels);
    if (status == MN_OK) {
        status = check_size(b, "mn_edge_spec", spec.edge_stride, sizeof *spec.edges);
    }
    if (status == MN_OK && spec.group != NULL &&
        (spec.group[0] == '\0' || strlen(spec.group) > 100)) {
        status = mn_fail(b->ctx, MN_INTERNAL,
                         "node %s: a group needs a name of 1 to 100 characters", spec.name);
    }
    if (status == MN_OK && (spec.n_edges < 1 || spec.n_edges > 64)) {
        status = mn_fail(b->ctx, MN_CONFIG, "node %s has %d edges; 1 to 64 are possible", spec.name,
                         spec.n_edges);
    }
    if (spec.partial == 0) {
        spec.partial = 1;
    }
    if (status == MN_OK) {
        status = check_partial(b, &spec);
    }
    struct nas_layer *layer = NULL;
    if (status == MN_OK) {
        status = nas_layer_add(b, spec.name, &layer);
    }
    if (status == MN_OK) {
        layer->groups = spec.partial;
        status = edges_new(b, layer, spec.n_edges);
    }
    for (int e = 0; status == MN_OK && e < spec.n_edges; e++) {
        status = add_edge(b, &spec, layer, e);
    }
    if (status == MN_OK) {
        status = check_grids(b, layer);
    }
    if (status == MN_OK && spec.group != NULL) {
        status = nas_group_bind(b, &spec, layer);
    }
    if (status == MN_OK) {
        status = output(b, layer, spec.channels, layer->edges[0].paths[0].grid, state);
    }
    return guard(b, status);
}

static int check_part(struct mn_builder *b, const char *name, const int32_t *states, int i) {
    const struct mn_model *m = b->model;
    int status = check_state(b, name, states[i]);
    if (status != MN_OK) {
        return status;
    }
    const struct nas_cell_state *s = &m->states[states[i]];
    if (s->grid != m->states[states[0]].grid) {
        return mn_fail(b->ctx, MN_CONFIG, "concatenation %s: its parts differ in size", name);
    }
    if (s->layer < 0 || s->relu || m->acts[s->act].channels != s->channels ||
        m->layers[s->layer].kind != NAS_LAYER_NODE) {
        return mn_fail(b->ctx, MN_UNSUPPORTED,
                       "concatenation %s: part %d must be a node or convolution without ReLU after "
                       "it, in one concatenation only",
                       name, i);
    }
    return MN_OK;
}

/* Parts become ranges of one act, so that the concatenation costs nothing. */
static int join(struct mn_builder *b, struct nas_layer *layer, int32_t *state) {
    struct mn_model *m = b->model;
    int channels = 0;
    for (int i = 0; i < layer->n_parts; i++) {
        channels += m->states[layer->parts[i]].channels;
    }
    const int status = output(b, layer, channels, m->states[layer->parts[0]].grid, state);
    if (status != MN_OK) {
        return status;
    }
    const int act = m->states[*state].act;
    int first = 0;
    for (int i = 0; i < layer->n_parts; i++) {
        struct nas_cell_state *part = &m->states[layer->parts[i]];
        m->acts[part->act].channels = 0;
        part->act = act;
        part->first = first;
        first += part->channels;
    }
    return MN_OK;
}

int nas_service_build_concat(struct mn_builder *b, const char *name, int32_t n,
                             const int32_t *states, int32_t *state) {
    int status = check_layer(b, name, 1);
    if (status == MN_OK && n < 1) {
        status = mn_fail(b->ctx, MN_CONFIG, "concatenation %s of nothing", name);
    }
    for (int i = 0; status == MN_OK && i < n; i++) {
        status = check_part(b, name, states, i);
        for (int j = 0; status == MN_OK && j < i; j++) {
            if (states[j] == states[i]) {
                status =
                    mn_fail(b->ctx, MN_UNSUPPORTED, "concatenation %s holds a part twice", name);
            }
        }
    }
    struct nas_layer *layer = NULL;
    if (status == MN_OK) {
        status = nas_layer_add(b, name, &layer);
    }
    if (status == MN_OK) {
        layer->kind = NAS_LAYER_CONCAT;
        layer->n_parts = n;
        layer->parts = nas_arena_array(&b->model->arena, (size_t)n, sizeof *layer->parts);
        status = layer->parts == NULL ? nas_builder_no_memory(b) : MN_OK;
    }
    if (status == MN_OK) {
        memcpy(layer->parts, states, (size_t)n * sizeof *states);
        status = join(b, layer, state);
    }
    return guard(b, status);
}

int nas_service_build_head(struct mn_builder *b, const struct mn_head_spec *spec) {
    struct mn_model *m = b->model;
    int status = check_size(b, "mn_head_spec", spec->size, sizeof *spec);
    if (status == MN_OK) {
        status = check_layer(b, spec->name, 1);
    }
    if (status == MN_OK) {
        status = check_state(b, spec->name, spec->from);
    }
    if (status == MN_OK && spec->kind != MN_HEAD_AVERAGE && spec->kind != MN_HEAD_FLATTEN) {
        status =
            mn_fail(b->ctx, MN_INTERNAL, "head %s is of unknown kind %d", spec->name, spec->kind);
    }
    if (status != MN_OK) {
        return guard(b, status);
    }
    struct nas_cell_state *s = &m->states[spec->from];
    const struct nas_grid *g = &m->sizes[s->grid].grid;
    s->need_r |= s->relu;
    m->head = (struct nas_head){.name = nas_arena_text(&m->arena, spec->name),
                                .from = spec->from,
                                .kind = spec->kind,
                                .n_features = s->channels};
    if (m->head.name == NULL) {
        return guard(b, nas_builder_no_memory(b));
    }
    if (spec->kind == MN_HEAD_FLATTEN) {
        m->head.n_features *= (int64_t)g->h * g->w;
    }
    const int64_t dims[2] = {m->dims.ways, m->head.n_features};
    const double bound = 1 / sqrt((double)m->head.n_features);
    char name[128];
    snprintf(name, sizeof name, "%s.weight", spec->name);
    status = nas_segment_add(b, 0, name, 2, dims, bound, &m->head.weight);
    if (status == MN_OK) {
        snprintf(name, sizeof name, "%s.bias", spec->name);
        status = nas_segment_add(b, 0, name, 1, dims, bound, &m->head.bias);
    }
    b->has_head = 1;
    return guard(b, status);
}

/* ---- running a search space --------------------------------------------------------------- */

static int add_images(struct mn_builder *b) {
    struct mn_model *m = b->model;
    const int grid = nas_graph_grid(m, m->dims.height, m->dims.width);
    int act;
    int32_t state;
    if (grid < 0) {
        return nas_builder_no_memory(b);
    }
    const int status = nas_act_add(b, m->dims.channels, grid, &act);
    return status != MN_OK ? status : nas_state_add(b, act, 0, m->dims.channels, grid, -1, &state);
}

int nas_graph_build(struct mn_model *model, struct mn_ctx *ctx,
                    const struct nas_instance *search_space, struct nas_operations *operations) {
    struct mn_builder b = {.model = model, .ctx = ctx, .operations = operations};
    if (operations != NULL) {
        operations->beside = search_space->unit.plugin;
    }
    int status = add_images(&b);
    if (status != MN_OK) {
        return status;
    }
    struct nas_call call = nas_call_begin(ctx, search_space);
    status = nas_call_end(
        &call, search_space->table.search_space.build(search_space->self, ctx, &model->dims, &b));
    if (status == MN_OK && b.failed) {
        status = mn_fail(ctx, MN_INTERNAL, "%s: build ignored a failed builder call",
                         search_space->label);
    }
    if (status == MN_OK && !b.has_head) {
        status = mn_fail(ctx, MN_INTERNAL, "%s: build made no head", search_space->label);
    }
    return status != MN_OK ? status : nas_segments_check(&b);
}
