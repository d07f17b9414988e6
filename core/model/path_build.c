/* SPDX-License-Identifier: MIT */
#include "model/builder.h"

/* What all paths take from their place: source, grid, channels. */

int mn__path_bind_grid(struct mn_builder *b, struct mn__path *path, int stride) {
    const int source = b->model->states[path->source].grid;
    const struct mn__grid *g = &b->model->sizes[source].grid;
    path->grid = stride == 1 ? source : mn__graph_grid(b->model, (g->h + 1) / 2, (g->w + 1) / 2);
    return path->grid < 0 ? mn__builder_no_memory(b) : MN_OK;
}

void mn__path_reach(struct mn_model *m, int rows) {
    m->pad = rows > m->pad ? rows : m->pad;
}

const struct mn__stage mn__stage_reduce = {.n_linear = 1,
                                           .has_norm = 1,
                                           .linear = {{.kind = MN__LINEAR_REDUCE,
                                                       .kh = 1,
                                                       .kw = 1,
                                                       .dilation = 1,
                                                       .sh = 2,
                                                       .sw = 2,
                                                       .centred = 1}}};

int mn__path_bind_source(struct mn_builder *b, struct mn__path *path, int stride) {
    struct mn_model *m = b->model;
    struct mn__cell_state *s = &m->states[path->source];
    path->relu = path->relu || s->relu;
    path->strided = stride == 2;
    const int status = mn__path_bind_grid(b, path, stride);
    if (status != MN_OK) {
        return status;
    }
    s->need_r |= path->relu && !path->strided;
    if (path->strided) {
        if (s->half >= 0 && s->half != path->grid) {
            return mn_fail(b->cx, MN_UNSUPPORTED,
                           "a state of odd size feeds both a 2x2 max pool and a stride-2 edge");
        }
        s->half = path->grid;
        s->need_rp |= path->relu;
        s->need_xp |= !path->relu;
    }
    return MN_OK;
}

static double linear_work(const struct mn__linear *l) {
    const double taps = (double)l->kh * l->kw;
    switch (l->kind) {
    case MN__LINEAR_CONV:
    case MN__LINEAR_REDUCE:
        return taps * l->n_in * l->n_out;
    case MN__LINEAR_DEPTHWISE:
        return taps * l->n_out;
    default:
        return 0;
    }
}

static int channels_out(const struct mn__linear *l, int of_path) {
    switch (l->kind) {
    case MN__LINEAR_CONV:
    case MN__LINEAR_REDUCE:
        return of_path;
    case MN__LINEAR_FOREIGN:
        return l->foreign->shape.tail > 0 ? l->foreign->shape.tail : of_path;
    default:
        return l->n_in;
    }
}

void mn__path_bind_channels(struct mn_model *m, struct mn__path *path, int n_in) {
    const struct mn__grid *g = &m->sizes[path->grid].grid;
    for (int s = 0; s < path->n_stages; s++) {
        struct mn__stage *stage = &path->stage[s];
        stage->n_phase = stage->n_linear == 2 && stage->linear[1].sh == 2 ? 2 : 1;
        for (int i = 0; i < stage->n_linear; i++) {
            struct mn__linear *l = &stage->linear[i];
            l->n_in = i == 1 ? stage->linear[0].n_out : s == 0 ? n_in : path->channels;
            l->n_out = channels_out(l, path->channels);
            path->work += linear_work(l) * g->h * g->w * (i == 0 ? stage->n_phase : 1);
        }
    }
}

int mn__path_even(struct mn_builder *b, const char *name, int channels) {
    if (channels % 2 != 0) {
        return mn_fail(b->cx, MN_CONFIG,
                       "layer %s: a factorized reduce splits the channels in two halves; %d is odd",
                       name, channels);
    }
    return MN_OK;
}
