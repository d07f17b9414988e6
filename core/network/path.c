/* SPDX-License-Identifier: MIT */
/* What all paths take from their place: size, channels, weights. */
#include "network/builder.h"

#include <math.h>

int nas_path_has_norm(const struct nas_path *path) {
    return path->n_stages > 0 && path->stage[0].has_norm;
}

int nas_path_place(struct mn_builder *b, struct nas_path *path, int floor) {
    const struct nas_cell_state *s = &b->model->states[path->source];
    const struct nas_size *size = &b->model->sizes[s->size];
    const int up = floor ? 0 : 1;
    path->relu = path->relu || s->relu;
    path->size = s->size;
    return path->stride == 1
               ? MN_OK
               : nas_size_add(b, (size->height + up) / 2, (size->width + up) / 2, &path->size);
}

int nas_path_bind(struct mn_builder *b, struct nas_path *path, int floor) {
    struct nas_cell_state *s = &b->model->states[path->source];
    TRY(nas_path_place(b, path, floor));
    if (path->stride == 2) {
        if (s->half >= 0 && s->half != path->size) {
            return mn_fail(
                b->ctx, MN_UNSUPPORTED,
                "a state of %dx%d feeds a 2x2 pool, which leaves out the last row and column of "
                "odd sizes, and an edge or convolution of stride 2, which does not: use "
                "images that are even there",
                b->model->sizes[s->size].height, b->model->sizes[s->size].width);
        }
        s->half = path->size;
    }
    return MN_OK;
}

const struct nas_stage nas_stage_reduce = {.n_linear = 1,
                                           .has_norm = 1,
                                           .linear = {{.kind = NAS_LINEAR_REDUCE,
                                                       .kh = 1,
                                                       .kw = 1,
                                                       .dilation = 1,
                                                       .sh = 2,
                                                       .sw = 2,
                                                       .centred = 1}}};

struct nas_stage nas_stage_pool(enum nas_linear_kind kind) {
    return (struct nas_stage){
        .n_linear = 1,
        .linear = {{.kind = kind, .kh = 2, .kw = 2, .dilation = 1, .sh = 2, .sw = 2}},
        .gamma = -1,
        .bias = -1};
}

int nas_path_even(struct mn_builder *b, const char *name, int channels) {
    if (channels % 2 != 0) {
        return mn_fail(b->ctx, MN_CONFIG,
                       "layer %s: a factorized reduce splits the channels in two halves; %d is odd",
                       name, channels);
    }
    return MN_OK;
}

void nas_path_bind_channels(struct mn_model *m, struct nas_path *path, int n_in) {
    const struct nas_size *size = &m->sizes[path->size];
    for (int s = 0; s < path->n_stages; s++) {
        struct nas_stage *stage = &path->stage[s];
        for (int i = 0; i < stage->n_linear; i++) {
            struct nas_linear *l = &stage->linear[i];
            /* Where the second map strides over rows, the first one has that many more. */
            const int rows = i == 0 && stage->n_linear == 2 ? stage->linear[1].sh : 1;
            double work = 0; /* multiply-adds a pixel */
            l->n_in = l->n_out = i == 0 && s > 0 ? path->channels : n_in;
            if (l->kind == NAS_LINEAR_CONV || l->kind == NAS_LINEAR_REDUCE) {
                l->n_out = path->channels;
                work = (double)l->kh * l->kw * l->n_in * l->n_out;
            } else if (l->kind == NAS_LINEAR_DEPTHWISE) {
                work = (double)l->kh * l->kw * l->n_out;
            } else if (l->kind == NAS_LINEAR_CUSTOM) {
                l->n_out = l->custom->shape.tail > 0 ? l->custom->shape.tail : path->channels;
            }
            path->work += work * size->height * size->width * rows;
            n_in = l->n_out;
        }
    }
}

/* ---- weights ------------------------------------------------------------------------------ */

/* "", or the number of one of two stages. */
static const char *suffix_of(const struct nas_path *path, int stage) {
    return path->n_stages < 2 ? "" : stage == 0 ? "1" : "2";
}

static int conv_weight(struct mn_builder *b, const char *prefix, const char *part, int out, int in,
                       const struct nas_linear *l, int64_t *offset) {
    char name[256];
    const int64_t dims[4] = {out, in, l->kh, l->kw};
    snprintf(name, sizeof name, "%s.%s.weight", prefix, part);
    return nas_segment_add(b, 0, name, 4, dims, 1 / sqrt((double)in * l->kh * l->kw), offset);
}

static int linear_weights(struct mn_builder *b, struct nas_path *path, int stage, int linear,
                          const char *prefix) {
    struct nas_linear *l = &path->stage[stage].linear[linear];
    const int half = l->n_out / 2;
    int64_t second; /* follows the first */
    const struct nas_stage *s = &path->stage[stage];
    const enum nas_linear_kind first = s->linear[0].kind;
    const char *suffix = suffix_of(path, stage);
    char part[32];
    if (l->kind == NAS_LINEAR_DEPTHWISE) {
        snprintf(part, sizeof part, "dw%s", suffix);
    } else if (linear == 1 && (first == NAS_LINEAR_DEPTHWISE || first == NAS_LINEAR_CUSTOM)) {
        snprintf(part, sizeof part, "pw%s", suffix);
    } else if (s->n_linear == 2) {
        snprintf(part, sizeof part, "conv%s%s%d", suffix, suffix[0] != '\0' ? "_" : "", linear + 1);
    } else {
        snprintf(part, sizeof part, "conv%s", suffix);
    }
    switch (l->kind) {
    case NAS_LINEAR_CONV:
        return conv_weight(b, prefix, part, l->n_out, l->n_in, l, &l->weight);
    case NAS_LINEAR_DEPTHWISE:
        return conv_weight(b, prefix, part, l->n_out, 1, l, &l->weight);
    case NAS_LINEAR_REDUCE:
        TRY(conv_weight(b, prefix, "conv1", half, l->n_in, l, &l->weight));
        return conv_weight(b, prefix, "conv2", half, l->n_in, l, &second);
    case NAS_LINEAR_CUSTOM:
        return nas_custom_op_weights(b, l, prefix);
    case NAS_LINEAR_MAX_POOL:
    case NAS_LINEAR_AVG_POOL:
        break;
    }
    return MN_OK;
}

__attribute__((format(printf, 5, 6))) static int
vector_weight(struct mn_builder *b, int n, double bound, int64_t *offset, const char *format, ...) {
    char name[256];
    const int64_t dims[1] = {n};
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return nas_segment_add(b, 0, name, 1, dims, bound, offset);
}

int nas_path_weights(struct mn_builder *b, struct nas_path *path, const char *prefix,
                     uint32_t flags) {
    const int n = path->channels;
    const int64_t before = b->model->dims.n_w;
    int64_t shift;
    for (int i = 0; i < path->n_stages; i++) {
        struct nas_stage *s = &path->stage[i];
        const struct nas_linear *last = &s->linear[s->n_linear - 1];
        s->weights = b->model->dims.n_w;
        for (int l = 0; l < s->n_linear; l++) {
            TRY(linear_weights(b, path, i, l, prefix));
        }
        s->bias = s->gamma = -1;
        if ((flags & MN_BUILD_BIAS) != 0) {
            TRY(vector_weight(b, last->n_out, 1 / sqrt((double)last->n_in * last->kh * last->kw),
                              &s->bias, "%s.conv.bias", prefix));
        }
        s->n_weights = b->model->dims.n_w - s->weights;
        if (!s->has_norm) {
            continue;
        }
        s->stats = b->model->dims.n_stats;
        b->model->dims.n_stats += 2 * n;
        if ((flags & MN_BUILD_AFFINE) != 0) {
            const char *suffix = suffix_of(path, i);
            TRY(vector_weight(b, n, 0, &s->gamma, "%s.bn%s.weight", prefix, suffix));
            TRY(vector_weight(b, n, -1, &shift, "%s.bn%s.bias", prefix, suffix));
        }
    }
    path->n_w = b->model->dims.n_w - before;
    return MN_OK;
}
