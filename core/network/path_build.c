/* SPDX-License-Identifier: MIT */
#include "network/builder.h"

/* What all paths take from their place: source, grid, channels. */

int nas_path_bind_grid(struct mn_builder *b, struct nas_path *path, int stride) {
    const int source = b->model->states[path->source].grid;
    const struct nas_grid *g = &b->model->sizes[source].grid;
    path->grid = stride == 1 ? source : nas_graph_grid(b->model, (g->h + 1) / 2, (g->w + 1) / 2);
    return path->grid < 0 ? nas_builder_no_memory(b) : MN_OK;
}

void nas_path_reach(struct mn_model *m, int rows) {
    m->pad = rows > m->pad ? rows : m->pad;
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

int nas_path_bind_source(struct mn_builder *b, struct nas_path *path, int stride) {
    struct mn_model *m = b->model;
    struct nas_cell_state *s = &m->states[path->source];
    path->relu = path->relu || s->relu;
    path->strided = stride == 2;
    const int status = nas_path_bind_grid(b, path, stride);
    if (status != MN_OK) {
        return status;
    }
    s->need_r |= path->relu && !path->strided;
    if (path->strided) {
        if (s->half >= 0 && s->half != path->grid) {
            return mn_fail(b->ctx, MN_UNSUPPORTED,
                           "a state of odd size feeds both a 2x2 max pool and a stride-2 edge");
        }
        s->half = path->grid;
        s->need_rp |= path->relu;
        s->need_xp |= !path->relu;
    }
    return MN_OK;
}

static double linear_work(const struct nas_linear *l) {
    const double taps = (double)l->kh * l->kw;
    switch (l->kind) {
    case NAS_LINEAR_CONV:
    case NAS_LINEAR_REDUCE:
        return taps * l->n_in * l->n_out;
    case NAS_LINEAR_DEPTHWISE:
        return taps * l->n_out;
    default:
        return 0;
    }
}

static int channels_out(const struct nas_linear *l, int of_path) {
    switch (l->kind) {
    case NAS_LINEAR_CONV:
    case NAS_LINEAR_REDUCE:
        return of_path;
    case NAS_LINEAR_FOREIGN:
        return l->foreign->shape.tail > 0 ? l->foreign->shape.tail : of_path;
    default:
        return l->n_in;
    }
}

void nas_path_bind_channels(struct mn_model *m, struct nas_path *path, int n_in) {
    const struct nas_grid *g = &m->sizes[path->grid].grid;
    for (int s = 0; s < path->n_stages; s++) {
        struct nas_stage *stage = &path->stage[s];
        stage->n_phase = stage->n_linear == 2 && stage->linear[1].sh == 2 ? 2 : 1;
        for (int i = 0; i < stage->n_linear; i++) {
            struct nas_linear *l = &stage->linear[i];
            l->n_in = i == 1 ? stage->linear[0].n_out : s == 0 ? n_in : path->channels;
            l->n_out = channels_out(l, path->channels);
            path->work += linear_work(l) * g->h * g->w * (i == 0 ? stage->n_phase : 1);
        }
    }
}

int nas_path_even(struct mn_builder *b, const char *name, int channels) {
    if (channels % 2 != 0) {
        return mn_fail(b->ctx, MN_CONFIG,
                       "layer %s: a factorized reduce splits the channels in two halves; %d is odd",
                       name, channels);
    }
    return MN_OK;
}
