/* SPDX-License-Identifier: MIT */
#include "network/builder.h"

#include "network/fixed.h"

#include <inttypes.h>
#include <string.h>

/* ---- pieces ------------------------------------------------------------------------------- */

int nas_builder_state(struct mn_builder *b, const char *name, int32_t state) {
    if (state < 0 || state >= b->model->n_states) {
        return mn_fail(b->ctx, MN_INTERNAL, "layer %s: state %d does not exist (0 to %d do)", name,
                       state, b->model->n_states - 1);
    }
    return MN_OK;
}

int nas_builder_layer(struct mn_builder *b, const char *name, int channels) {
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

/* A layer of one path. */
static int single(struct mn_builder *b, const char *name, const struct nas_path *proto, int floor,
                  uint32_t flags, int32_t *state) {
    struct nas_layer *layer = NULL;
    TRY(nas_layer_add(b, name, &layer));
    TRY(nas_layer_path(b, layer));
    struct nas_path *path = &layer->edges[0].paths[0];
    *path = *proto;
    path->index = b->model->n_paths++;
    TRY(nas_path_bind(b, path, floor));
    nas_path_bind_channels(b->model, path, b->model->states[path->source].channels);
    TRY(nas_path_weights(b, path, name, flags));
    return nas_layer_output(b, layer, path->channels, path->size, state);
}

/* ---- services ----------------------------------------------------------------------------- */

int nas_builder_size(struct mn_builder *b, const char *what, uint32_t size, size_t expected) {
    return size == expected
               ? MN_OK
               : mn_fail(b->ctx, MN_INTERNAL,
                         "a struct %s has size %u; it begins with .size = sizeof, which "
                         "is %zu",
                         what, size, expected);
}

int nas_service_build_drop_path(struct mn_builder *b, double rate, int ramp) {
    b->unfinished++;
    if (!(rate >= 0 && rate < 1)) {
        return mn_fail(b->ctx, MN_CONFIG, "drop path rate %g is not in [0, 1)", rate);
    }
    b->model->drop_path = rate;
    b->model->drop_ramp = ramp;
    b->unfinished--;
    return MN_OK;
}

int nas_service_build_conv(struct mn_builder *b, const struct mn_conv_spec *spec, int32_t *state) {
    b->unfinished++;
    TRY(nas_builder_size(b, "mn_conv_spec", spec->size, sizeof *spec));
    TRY(nas_builder_layer(b, spec->name, spec->channels));
    TRY(nas_builder_state(b, spec->name, spec->from));
    if (spec->kernel < 1 || spec->kernel > 7 || spec->kernel % 2 == 0) {
        return mn_fail(b->ctx, MN_UNSUPPORTED, "layer %s: kernel %d; 1, 3, 5 and 7 are possible",
                       spec->name, spec->kernel);
    }
    if (spec->stride != 1 && spec->stride != 2) {
        return mn_fail(b->ctx, MN_UNSUPPORTED, "layer %s: stride %d; 1 and 2 are possible",
                       spec->name, spec->stride);
    }
    const struct nas_linear conv = {.kind = NAS_LINEAR_CONV,
                                    .kh = spec->kernel,
                                    .kw = spec->kernel,
                                    .dilation = 1,
                                    .sh = spec->stride,
                                    .sw = spec->stride,
                                    .centred = 1};
    const struct nas_path path = {.name = "conv",
                                  .source = spec->from,
                                  .relu = (spec->flags & MN_BUILD_RELU_BEFORE) != 0,
                                  .stride = spec->stride,
                                  .channels = spec->channels,
                                  .n_stages = 1,
                                  .stage = {{.n_linear = 1, .has_norm = 1, .linear = {conv}}}};
    TRY(single(b, spec->name, &path, 0, spec->flags, state));
    if ((spec->flags & MN_BUILD_RELU_AFTER) != 0) {
        /* Another name for the state, by which consumers see its ReLU. */
        TRY(nas_concat_add(b, spec->name, 1, state, state));
        b->model->states[*state].relu = 1;
    }
    b->unfinished--;
    return MN_OK;
}

int nas_service_build_reduce(struct mn_builder *b, const char *name, int32_t from, int32_t channels,
                             uint32_t flags, int32_t *state) {
    b->unfinished++;
    TRY(nas_builder_layer(b, name, channels));
    TRY(nas_builder_state(b, name, from));
    TRY(nas_path_even(b, name, channels));
    const struct nas_path path = {.name = "reduce",
                                  .source = from,
                                  .relu = 1,
                                  .stride = 2,
                                  .channels = channels,
                                  .n_stages = 1,
                                  .stage = {nas_stage_reduce}};
    TRY(single(b, name, &path, 0, flags & MN_BUILD_AFFINE, state));
    b->unfinished--;
    return MN_OK;
}

int nas_service_build_pool(struct mn_builder *b, const char *name, int32_t from, int32_t kind,
                           int32_t window, int32_t stride, int32_t *state) {
    b->unfinished++;
    TRY(nas_builder_layer(b, name, 1));
    TRY(nas_builder_state(b, name, from));
    if (kind != MN_POOL_MAX && kind != MN_POOL_AVERAGE) {
        return mn_fail(b->ctx, MN_INTERNAL, "layer %s: a pool of unknown kind %d", name, kind);
    }
    if (window != 2 || stride != 2) {
        return mn_fail(b->ctx, MN_UNSUPPORTED,
                       "layer %s: pool %dx%d, stride %d; 2x2, stride 2 is possible", name, window,
                       window, stride);
    }
    const struct nas_cell_state *s = &b->model->states[from];
    const struct nas_size *size = &b->model->sizes[s->size];
    if (size->height < 2 || size->width < 2) {
        return mn_fail(b->ctx, MN_CONFIG,
                       "layer %s: the input is %dx%d, too small for a 2x2 pool: use larger images "
                       "or fewer blocks",
                       name, size->height, size->width);
    }
    const int max = kind == MN_POOL_MAX;
    const struct nas_path path = {
        .name = max ? "max_pool" : "avg_pool",
        .source = from,
        .stride = 2,
        .channels = s->channels,
        .n_stages = 1,
        .stage = {nas_stage_pool(max ? NAS_LINEAR_MAX_POOL : NAS_LINEAR_AVG_POOL)}};
    TRY(single(b, name, &path, 1, 0, state));
    b->unfinished--;
    return MN_OK;
}

int nas_service_build_sum(struct mn_builder *b, const char *name, int32_t n, const int32_t *states,
                          int32_t *state) {
    struct nas_edge *edges = NULL;
    struct nas_layer *layer = NULL;
    b->unfinished++;
    TRY(nas_builder_layer(b, name, 1));
    if (n < 2 || n > 64) {
        return mn_fail(b->ctx, MN_CONFIG, "sum %s of %d states; 2 to 64 are possible", name, n);
    }
    TRY(nas_edges_new(b, n, &edges));
    for (int e = 0; e < n; e++) {
        TRY(nas_builder_state(b, name, states[e]));
        const struct nas_cell_state *s = &b->model->states[states[e]];
        const struct nas_cell_state *first = &b->model->states[states[0]];
        if (s->channels != first->channels || s->size != first->size) {
            return mn_fail(b->ctx, MN_CONFIG, "sum %s: its states differ in size or channels",
                           name);
        }
        TRY(nas_edge_new(b, &edges[e], 1, 0));
        edges[e].from = states[e];
        edges[e].stride = 1;
        edges[e].paths[0] = (struct nas_path){.name = "term",
                                              .source = states[e],
                                              .stride = 1,
                                              .channels = s->channels,
                                              .identity = 1,
                                              .index = b->model->n_paths++};
        TRY(nas_path_bind(b, &edges[e].paths[0], 0));
    }
    TRY(nas_layer_add(b, name, &layer));
    layer->groups = 1;
    layer->n_edges = n;
    layer->edges = edges;
    const struct nas_path *term = &edges[0].paths[0];
    TRY(nas_layer_output(b, layer, term->channels, term->size, state));
    b->unfinished--;
    return MN_OK;
}

static int check_part(struct mn_builder *b, const char *name, const int32_t *states, int i) {
    const struct mn_model *m = b->model;
    TRY(nas_builder_state(b, name, states[i]));
    const struct nas_cell_state *s = &m->states[states[i]];
    if (s->size != m->states[states[0]].size) {
        return mn_fail(b->ctx, MN_CONFIG, "concatenation %s: its parts differ in size", name);
    }
    if (s->layer < 0 || s->relu || s->part_of >= 0 || m->layers[s->layer].kind != NAS_LAYER_NODE) {
        return mn_fail(b->ctx, MN_UNSUPPORTED,
                       "concatenation %s: part %d must be a node or convolution without ReLU after "
                       "it, in one concatenation only",
                       name, i);
    }
    for (int j = 0; j < i; j++) {
        if (states[j] == states[i]) {
            return mn_fail(b->ctx, MN_UNSUPPORTED, "concatenation %s holds a part twice", name);
        }
    }
    return MN_OK;
}

int nas_service_build_concat(struct mn_builder *b, const char *name, int32_t n,
                             const int32_t *states, int32_t *state) {
    b->unfinished++;
    TRY(nas_builder_layer(b, name, 1));
    if (n < 1) {
        return mn_fail(b->ctx, MN_CONFIG, "concatenation %s of nothing", name);
    }
    for (int i = 0; i < n; i++) {
        TRY(check_part(b, name, states, i));
    }
    TRY(nas_concat_add(b, name, n, states, state));
    for (int i = 0; i < n; i++) {
        b->model->states[states[i]].part_of = b->model->states[*state].layer;
    }
    b->unfinished--;
    return MN_OK;
}

/* The n arrays of weights of unit head or loss, of which `most` are possible. */
static int unit_weights(struct mn_builder *b, const struct nas_instance *unit, const char *prefix,
                        int32_t n, int32_t most) {
    const struct mn_model *m = b->model;
    const int is_head = unit == m->units.head;
    const struct mn_head *head = &unit->table.head;
    const struct mn_loss *loss = &unit->table.loss;
    const struct mn_head_site site = {
        .size = sizeof site, .ways = m->dims.ways, .n_features = m->dims.n_features};
    if (n < 0 || n > most || (n > 0 && (is_head ? head->weight == NULL : loss->weight == NULL))) {
        return nas_instance_wrong(b->ctx, unit, "declares %" PRId32 " arrays of weights", n);
    }
    for (int32_t i = 0; i < n; i++) {
        struct mn_op_weight weight = {.size = sizeof weight};
        struct nas_call call = nas_call_begin(b->ctx, unit);
        TRY(nas_call_end(&call, is_head
                                    ? head->weight(unit->self, b->ctx, &site, i, &weight)
                                    : loss->weight(unit->self, b->ctx, m->dims.ways, i, &weight)));
        const char *problem = nas_weight_problem(&weight);
        if (problem != NULL) {
            return nas_instance_wrong(b->ctx, unit, "declares %s", problem);
        }
        TRY(nas_weight_add(b, prefix, &weight));
    }
    return MN_OK;
}

static int head_weights(struct mn_builder *b) {
    struct mn_model *m = b->model;
    const struct nas_instance *unit = m->units.head;
    const struct mn_head *table = &unit->table.head;
    const struct mn_head_site site = {
        .size = sizeof site, .ways = m->dims.ways, .n_features = m->dims.n_features};
    const int32_t n = table->n_weights != NULL ? table->n_weights(unit->self, &site) : 0;
    m->head.weights = m->dims.n_w;
    TRY(unit_weights(b, unit, m->head.name, n, MN_HEAD_WEIGHTS));
    m->head.n_weights = m->dims.n_w - m->head.weights;
    if (table->starts != NULL && table->starts(unit->self) && (n == 0 || table->start == NULL)) {
        return nas_instance_wrong(b->ctx, unit, "says that it starts, but has no %s",
                                  n == 0 ? "weights" : "`start`");
    }
    return MN_OK;
}

int nas_service_build_head(struct mn_builder *b, const struct mn_head_spec *spec) {
    struct mn_model *m = b->model;
    b->unfinished++;
    TRY(nas_builder_size(b, "mn_head_spec", spec->size, sizeof *spec));
    TRY(nas_builder_layer(b, spec->name, 1));
    TRY(nas_builder_state(b, spec->name, spec->from));
    if (spec->kind != MN_HEAD_AVERAGE && spec->kind != MN_HEAD_FLATTEN) {
        return mn_fail(b->ctx, MN_INTERNAL, "head %s is of unknown kind %d", spec->name,
                       spec->kind);
    }
    const struct nas_cell_state *s = &m->states[spec->from];
    const struct nas_size *size = &m->sizes[s->size];
    const int64_t pixels = (int64_t)size->height * size->width;
    m->head = (struct nas_head){
        .name = nas_arena_text(&m->arena, spec->name), .from = spec->from, .kind = spec->kind};
    m->dims.n_features = s->channels * (spec->kind == MN_HEAD_FLATTEN ? pixels : 1);
    if (m->head.name == NULL) {
        return nas_builder_no_memory(b);
    }
    TRY(head_weights(b));
    b->has_head = 1;
    b->unfinished--;
    return MN_OK;
}

/* ---- running a search space --------------------------------------------------------------- */

int nas_builder_run(struct mn_model *model, struct mn_ctx *ctx) {
    struct mn_builder b = {.model = model, .ctx = ctx};
    const struct nas_instance *search_space = model->units.search_space;
    struct nas_operations *operations = model->units.operations;
    int size;
    int32_t images;
    if (operations != NULL) {
        operations->beside = search_space->unit.plugin;
    }
    if (model->units.fixed != NULL) {
        b.fixed = nas_arena_zeroed(&model->arena, (size_t)model->units.fixed->n);
        TRY(b.fixed != NULL ? MN_OK : nas_builder_no_memory(&b));
    }
    TRY(nas_size_add(&b, model->dims.height, model->dims.width, &size));
    TRY(nas_state_add(&b, model->dims.channels, size, -1, &images));
    struct nas_call call = nas_call_begin(ctx, search_space);
    TRY(nas_call_end(
        &call, search_space->table.search_space.build(search_space->self, ctx, &model->dims, &b)));
    if (b.unfinished > 0) {
        return mn_fail(ctx, MN_INTERNAL, "%s: build ignored a failed builder call",
                       search_space->label);
    }
    if (!b.has_head) {
        return mn_fail(ctx, MN_INTERNAL, "%s: build made no head", search_space->label);
    }
    TRY(nas_builder_fixed(&b));
    const int32_t n = nas_loss_n_weights(model->units.loss, model->dims.ways);
    model->loss_weights = model->dims.n_w;
    if (n != 0) {
        TRY(unit_weights(&b, model->units.loss, "loss", n, MN_LOSS_WEIGHTS));
    }
    model->n_loss_weights = model->dims.n_w - model->loss_weights;
    TRY(nas_segments_check(&b));
    return nas_groups_finish(&b);
}
