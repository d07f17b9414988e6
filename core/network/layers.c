/* SPDX-License-Identifier: MIT */
#include "network/builder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void *nas_append(struct nas_arena *arena, void *array, int64_t n, size_t size) {
    if (n > 0 && (n & (n - 1)) != 0) {
        memset((char *)array + (size_t)n * size, 0, size);
        return array;
    }
    void *bigger = nas_arena_array(arena, (size_t)(n > 0 ? 2 * n : 1), size);
    if (bigger == NULL) {
        return NULL;
    }
    if (n > 0) {
        memcpy(bigger, array, (size_t)n * size);
    }
    memset((char *)bigger + (size_t)n * size, 0, size);
    return bigger;
}

int nas_builder_no_memory(struct mn_builder *b) {
    return mn_fail(b->ctx, MN_NOMEM, "no memory to build the network");
}

int nas_act_add(struct mn_builder *b, int channels, int grid, int *out) {
    struct mn_model *m = b->model;
    m->acts = nas_append(&m->arena, m->acts, m->n_acts, sizeof *m->acts);
    if (m->acts == NULL) {
        return nas_builder_no_memory(b);
    }
    m->acts[m->n_acts].channels = channels;
    m->acts[m->n_acts].grid = grid;
    *out = m->n_acts++;
    return MN_OK;
}

int nas_state_add(struct mn_builder *b, int act, int first, int channels, int grid, int layer,
                  int32_t *out) {
    struct mn_model *m = b->model;
    m->states = nas_append(&m->arena, m->states, m->n_states, sizeof *m->states);
    if (m->states == NULL) {
        return nas_builder_no_memory(b);
    }
    m->states[m->n_states] = (struct nas_cell_state){.act = act,
                                                     .first = first,
                                                     .channels = channels,
                                                     .grid = grid,
                                                     .layer = layer,
                                                     .half = -1,
                                                     .xp = NAS_NOWHERE,
                                                     .rp = NAS_NOWHERE,
                                                     .dxp = NAS_NOWHERE,
                                                     .drp = NAS_NOWHERE};
    *out = m->n_states++;
    return MN_OK;
}

int nas_layer_add(struct mn_builder *b, const char *name, struct nas_layer **out) {
    struct mn_model *m = b->model;
    m->layers = nas_append(&m->arena, m->layers, m->n_layers, sizeof *m->layers);
    char *copy = nas_arena_text(&m->arena, name);
    if (m->layers == NULL || copy == NULL) {
        return nas_builder_no_memory(b);
    }
    struct nas_layer *layer = &m->layers[m->n_layers++];
    layer->name = copy;
    layer->mixture = -1;
    *out = layer;
    return MN_OK;
}

int nas_segment_add(struct mn_builder *b, int architecture, const char *name, int n_dims,
                    const int64_t *dims, double bound, int64_t *offset) {
    struct mn_model *m = b->model;
    int32_t *n = architecture ? &m->dims.n_a_segments : &m->dims.n_w_segments;
    int64_t *total = architecture ? &m->dims.n_a : &m->dims.n_w;
    struct mn_segment *list = nas_append(&m->arena, m->segments[architecture], *n, sizeof *list);
    m->segments[architecture] = list;
    if (!architecture) {
        m->bounds = nas_append(&m->arena, m->bounds, *n, sizeof *m->bounds);
    }
    char *copy = nas_arena_text(&m->arena, name);
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

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_names(struct mn_builder *b, const struct mn_segment *segments, int32_t n) {
    const char **names = n > 0 ? nas_arena_array(&b->model->arena, (size_t)n, sizeof *names) : NULL;
    if (n > 0 && names == NULL) {
        return nas_builder_no_memory(b);
    }
    for (int32_t i = 0; i < n; i++) {
        names[i] = segments[i].name;
    }
    if (n > 1) {
        qsort(names, (size_t)n, sizeof *names, by_name);
    }
    for (int32_t i = 1; i < n; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            return mn_fail(b->ctx, MN_INTERNAL,
                           "two arrays are named %s: layers and an operation's arrays of weights "
                           "need names of their own",
                           names[i]);
        }
    }
    return MN_OK;
}

int nas_segments_check(struct mn_builder *b) {
    const struct mn_model *m = b->model;
    const int status = check_names(b, m->segments[0], m->dims.n_w_segments);
    return status != MN_OK ? status : check_names(b, m->segments[1], m->dims.n_a_segments);
}

/* ---- weights of a path -------------------------------------------------------------------- */

static const char *part_name(const struct nas_path *path, int stage, int linear, char *out,
                             size_t size) {
    const struct nas_stage *s = &path->stage[stage];
    const struct nas_linear *l = &s->linear[linear];
    const char *suffix = path->n_stages == 2 ? (stage == 0 ? "1" : "2") : "";
    if (l->kind == NAS_LINEAR_DEPTHWISE) {
        snprintf(out, size, "dw%s", suffix);
    } else if (linear == 1 && (s->linear[0].kind == NAS_LINEAR_DEPTHWISE ||
                               s->linear[0].kind == NAS_LINEAR_FOREIGN)) {
        snprintf(out, size, "pw%s", suffix);
    } else if (s->n_linear == 2) {
        snprintf(out, size, "conv%s%s%d", suffix, suffix[0] != '\0' ? "_" : "", linear + 1);
    } else {
        snprintf(out, size, "conv%s", suffix);
    }
    return out;
}

static int conv_weight(struct mn_builder *b, struct nas_path *path, const char *prefix,
                       const char *part, int out, int in, int kh, int kw, int64_t *offset) {
    char name[256];
    const int64_t dims[4] = {out, in, kh, kw};
    snprintf(name, sizeof name, "%s.%s.weight", prefix, part);
    path->n_w += (int64_t)out * in * kh * kw;
    return nas_segment_add(b, 0, name, 4, dims, 1 / sqrt((double)in * kh * kw), offset);
}

static int linear_weights(struct mn_builder *b, struct nas_path *path, int stage, int linear,
                          const char *prefix) {
    struct nas_linear *l = &path->stage[stage].linear[linear];
    char part[32];
    switch (l->kind) {
    case NAS_LINEAR_CONV:
        return conv_weight(b, path, prefix, part_name(path, stage, linear, part, sizeof part),
                           l->n_out, l->n_in, l->kh, l->kw, &l->weight);
    case NAS_LINEAR_DEPTHWISE:
        return conv_weight(b, path, prefix, part_name(path, stage, linear, part, sizeof part),
                           l->n_out, 1, l->kh, l->kw, &l->weight);
    case NAS_LINEAR_REDUCE: {
        const int status =
            conv_weight(b, path, prefix, "conv1", l->n_out / 2, l->n_in, 1, 1, &l->weight);
        return status != MN_OK ? status
                               : conv_weight(b, path, prefix, "conv2", l->n_out / 2, l->n_in, 1, 1,
                                             &l->weight2);
    }
    case NAS_LINEAR_FOREIGN:
        return nas_foreign_weights(b, path, l, prefix);
    case NAS_LINEAR_MAX_POOL:
    case NAS_LINEAR_AVG_POOL:
        break;
    }
    return MN_OK;
}

static int vector_weight(struct mn_builder *b, struct nas_path *path, const char *prefix,
                         const char *part, int n, double bound, int64_t *offset) {
    char name[256];
    const int64_t dims[1] = {n};
    snprintf(name, sizeof name, "%s.%s", prefix, part);
    path->n_w += n;
    return nas_segment_add(b, 0, name, 1, dims, bound, offset);
}

static int norm_weights(struct mn_builder *b, struct nas_path *path, int stage, const char *prefix,
                        int affine) {
    struct nas_stage *s = &path->stage[stage];
    s->gamma = -1;
    if (!s->has_norm) {
        return MN_OK;
    }
    s->stats = b->model->dims.n_stats;
    b->model->dims.n_stats += 2 * path->channels;
    if (!affine) {
        return MN_OK;
    }
    char part[32];
    int64_t shift;
    const char *suffix = path->n_stages == 2 ? (stage == 0 ? "1" : "2") : "";
    snprintf(part, sizeof part, "bn%s.weight", suffix);
    int status = vector_weight(b, path, prefix, part, path->channels, 0, &s->gamma);
    if (status == MN_OK) {
        snprintf(part, sizeof part, "bn%s.bias", suffix);
        status = vector_weight(b, path, prefix, part, path->channels, -1, &shift);
    }
    return status;
}

static int bias_weight(struct mn_builder *b, struct nas_path *path, int stage, const char *prefix,
                       int wanted) {
    struct nas_stage *s = &path->stage[stage];
    s->bias = -1;
    if (!wanted) {
        return MN_OK;
    }
    const struct nas_linear *l = &s->linear[s->n_linear - 1];
    return vector_weight(b, path, prefix, "conv.bias", l->n_out,
                         1 / sqrt((double)l->n_in * l->kh * l->kw), &s->bias);
}

int nas_path_weights(struct mn_builder *b, struct nas_path *path, const char *prefix,
                     uint32_t flags) {
    for (int s = 0; s < path->n_stages; s++) {
        for (int l = 0; l < path->stage[s].n_linear; l++) {
            const int status = linear_weights(b, path, s, l, prefix);
            if (status != MN_OK) {
                return status;
            }
        }
        int status = bias_weight(b, path, s, prefix, (flags & MN_BUILD_BIAS) != 0);
        if (status == MN_OK) {
            status = norm_weights(b, path, s, prefix, (flags & MN_BUILD_AFFINE) != 0);
        }
        if (status != MN_OK) {
            return status;
        }
    }
    return MN_OK;
}
