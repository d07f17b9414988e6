/* SPDX-License-Identifier: MIT */
#include "network/builder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int nas_builder_no_memory(struct mn_builder *b) {
    return mn_fail(b->ctx, MN_NOMEM, "no memory to build the network");
}

int nas_size_add(struct mn_builder *b, int height, int width, int *out) {
    struct mn_model *m = b->model;
    for (*out = 0; *out < m->n_sizes; ++*out) {
        if (m->sizes[*out].height == height && m->sizes[*out].width == width) {
            return MN_OK;
        }
    }
    m->sizes = nas_arena_append(&m->arena, m->sizes, m->n_sizes, sizeof *m->sizes);
    if (m->sizes == NULL) {
        return nas_builder_no_memory(b);
    }
    m->sizes[m->n_sizes++] = (struct nas_size){height, width};
    return MN_OK;
}

int nas_state_add(struct mn_builder *b, int channels, int size, int layer, int32_t *out) {
    struct mn_model *m = b->model;
    m->states = nas_arena_append(&m->arena, m->states, m->n_states, sizeof *m->states);
    if (m->states == NULL) {
        return nas_builder_no_memory(b);
    }
    m->states[m->n_states] = (struct nas_cell_state){
        .channels = channels, .size = size, .layer = layer, .part_of = -1, .half = -1};
    *out = m->n_states++;
    return MN_OK;
}

int nas_layer_add(struct mn_builder *b, const char *name, struct nas_layer **out) {
    struct mn_model *m = b->model;
    m->layers = nas_arena_append(&m->arena, m->layers, m->n_layers, sizeof *m->layers);
    char *copy = nas_arena_text(&m->arena, name);
    if (m->layers == NULL || copy == NULL) {
        return nas_builder_no_memory(b);
    }
    *out = &m->layers[m->n_layers++];
    (*out)->name = copy;
    (*out)->mixture = -1;
    (*out)->owner = -1;
    return MN_OK;
}

int nas_edges_new(struct mn_builder *b, int n, struct nas_edge **out) {
    *out = nas_arena_zeroed(&b->model->arena, (size_t)n * sizeof **out);
    return *out != NULL ? MN_OK : nas_builder_no_memory(b);
}

int nas_edge_new(struct mn_builder *b, struct nas_edge *edge, int n_ops, int passed) {
    const int n = n_ops + passed;
    *edge = (struct nas_edge){.n_paths = n, .n_ops = n_ops, .mixture = -1, .weight = 1};
    edge->paths = nas_arena_zeroed(&b->model->arena, (size_t)n * sizeof *edge->paths);
    return edge->paths != NULL ? MN_OK : nas_builder_no_memory(b);
}

int nas_layer_path(struct mn_builder *b, struct nas_layer *layer) {
    TRY(nas_edges_new(b, 1, &layer->edges));
    layer->n_edges = layer->groups = 1;
    return nas_edge_new(b, &layer->edges[0], 1, 0);
}

int nas_layer_output(struct mn_builder *b, struct nas_layer *layer, int channels, int size,
                     int32_t *state) {
    TRY(nas_state_add(b, channels, size, (int)(layer - b->model->layers), state));
    layer->state = *state;
    return MN_OK;
}

int nas_concat_add(struct mn_builder *b, const char *name, int32_t n, const int32_t *states,
                   int32_t *state) {
    struct nas_layer *layer = NULL;
    int channels = 0;
    const int size = b->model->states[states[0]].size;
    TRY(nas_layer_add(b, name, &layer));
    layer->kind = NAS_LAYER_CONCAT;
    layer->n_parts = n;
    layer->parts = nas_arena_array(&b->model->arena, (size_t)n, sizeof *layer->parts);
    if (layer->parts == NULL) {
        return nas_builder_no_memory(b);
    }
    for (int i = 0; i < n; i++) {
        layer->parts[i] = states[i];
        channels += b->model->states[states[i]].channels;
    }
    return nas_layer_output(b, layer, channels, size, state);
}

int nas_segment_add(struct mn_builder *b, int architecture, const char *name, int n_dims,
                    const int64_t *dims, double bound, int64_t *offset) {
    struct mn_model *m = b->model;
    int32_t *n = architecture ? &m->dims.n_a_segments : &m->dims.n_w_segments;
    int64_t *total = architecture ? &m->dims.n_a : &m->dims.n_w;
    struct mn_segment *list =
        nas_arena_append(&m->arena, m->segments[architecture], *n, sizeof *list);
    char *copy = nas_arena_text(&m->arena, name);
    m->segments[architecture] = list;
    if (!architecture) {
        m->bounds = nas_arena_append(&m->arena, m->bounds, *n, sizeof *m->bounds);
    }
    if (list == NULL || copy == NULL || (!architecture && m->bounds == NULL)) {
        return nas_builder_no_memory(b);
    }
    struct mn_segment *s = &list[*n];
    *s = (struct mn_segment){
        .size = sizeof *s, .n_dims = n_dims, .name = copy, .offset = *total, .count = 1};
    for (int i = 0; i < n_dims; i++) {
        s->dims[i] = dims[i];
        s->count *= dims[i];
    }
    if (!architecture) {
        m->bounds[*n] = bound;
    }
    *offset = *total;
    *total += s->count;
    (*n)++;
    return MN_OK;
}

const char *nas_weight_problem(const struct mn_op_weight *w) {
    enum { MOST_NAME = 100 };
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_.";
    int64_t n = 1;
    if (w->name == NULL || w->name[0] == '\0' || strlen(w->name) > MOST_NAME ||
        w->name[strspn(w->name, letters)] != '\0') {
        return "weights without a name of small letters, digits, '_' and '.'";
    }
    if (w->n_dims < 1 || w->n_dims > 4 || w->init < MN_OP_INIT_UNIFORM ||
        w->init > MN_OP_INIT_ZEROS || (w->init == MN_OP_INIT_UNIFORM && w->fan_in < 1)) {
        return "weights of unknown shape";
    }
    for (int i = 0; i < w->n_dims; i++) {
        if (w->dims[i] < 1 || w->dims[i] > NAS_MOST_REALS / n) {
            return "weights of impossible size";
        }
        n *= w->dims[i];
    }
    return NULL;
}

int nas_weight_add(struct mn_builder *b, const char *prefix, const struct mn_op_weight *w) {
    char name[256];
    int64_t offset;
    /* See mn_model.bounds. */
    const double bound = w->init == MN_OP_INIT_ONES    ? 0
                         : w->init == MN_OP_INIT_ZEROS ? -1
                                                       : 1 / sqrt((double)w->fan_in);
    snprintf(name, sizeof name, "%s.%s", prefix, w->name);
    return nas_segment_add(b, 0, name, w->n_dims, w->dims, bound, &offset);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int nas_segments_check(struct mn_builder *b) {
    const struct mn_model *m = b->model;
    for (int architecture = 0; architecture < 2; architecture++) {
        const int32_t n = architecture ? m->dims.n_a_segments : m->dims.n_w_segments;
        const char **names = nas_arena_array(&b->model->arena, (size_t)n, sizeof *names);
        if (names == NULL) {
            return nas_builder_no_memory(b);
        }
        for (int32_t i = 0; i < n; i++) {
            names[i] = m->segments[architecture][i].name;
        }
        qsort(names, (size_t)n, sizeof *names, by_name);
        for (int32_t i = 1; i < n; i++) {
            if (strcmp(names[i - 1], names[i]) == 0) {
                return mn_fail(b->ctx, MN_INTERNAL,
                               "two arrays are named %s: layers and an operation's arrays of "
                               "weights need names of their own",
                               names[i]);
            }
        }
    }
    return MN_OK;
}
