/* SPDX-License-Identifier: MIT */
#include "model/graph.h"

#include <string.h>

/* A block of images: as many as let one temporary stay in a part of the second-level cache. */
enum { BLOCK_BYTES = 96 * 1024 };

static size_t take(struct mn_model *m, size_t reals) {
    const size_t at = m->n_reals;
    m->n_reals += (reals + MN__LANES - 1) / MN__LANES * MN__LANES;
    return at;
}

static size_t take_tensor(struct mn_model *m, const struct mn__grid *grid, int channels) {
    return take(m, mn__grid_reals(grid, channels)) + (size_t)mn__grid_base(grid);
}

static int plan_size(struct mn_model *m, struct mn__size *size) {
    struct mn__grid *g = &size->grid;
    mn__grid_init(g, m->dims.max_batch, g->h, g->w, m->pad);
    mn_real *mask = mn__arena_array(&m->arena, (size_t)g->image, sizeof *mask);
    if (mask == NULL) {
        return MN_NOMEM;
    }
    mn__grid_mask(g, mask);
    g->mask = mask;
    const ptrdiff_t row = g->image * (ptrdiff_t)sizeof(mn_real);
    const ptrdiff_t fit = BLOCK_BYTES / (row * (size->temp_channels > 0 ? size->temp_channels : 1));
    size->n_block = (int)(fit < 1 ? 1 : fit > g->n ? g->n : fit);
    mn__grid_init(&size->block, size->n_block, g->h, g->w, m->pad);
    size->block.mask = mask;
    return MN_OK;
}

static void most(int *at, int value) {
    *at = value > *at ? value : *at;
}

static void most_linear(struct mn_model *m, const struct mn__linear *l) {
    const int64_t weights = (int64_t)l->n_out * l->n_in * l->kh * l->kw;
    m->most_weights = weights > m->most_weights ? weights : m->most_weights;
    most(&m->most_channels, l->n_in);
    most(&m->most_channels, l->n_out);
}

static void most_path(struct mn_model *m, const struct mn__path *path) {
    struct mn__size *size = &m->sizes[path->grid];
    most(&m->most_channels, path->channels);
    for (int s = 0; s < path->n_stages; s++) {
        const struct mn__stage *stage = &path->stage[s];
        for (int i = 0; i < stage->n_linear; i++) {
            most_linear(m, &stage->linear[i]);
            most(&size->temp_channels, stage->linear[i].n_out * (i == 0 ? stage->n_phase : 1));
        }
        most(&size->temp_channels, path->channels);
    }
}

/* The output of a depthwise map costs less to compute again than to keep. */
static int keeps_first(const struct mn__stage *stage) {
    return stage->n_linear == 2 && stage->linear[0].kind != MN__LINEAR_DEPTHWISE;
}

static void more(size_t *at, size_t reals) {
    *at = reals > *at ? reals : *at;
}

/* A block of images on both sides of an operation of a plugin, and its own room. */
static void plan_foreign(struct mn_model *m, const struct mn__size *size,
                         const struct mn__linear *l) {
    const struct mn_op_site *at = &l->foreign->site;
    const size_t n = (size_t)size->n_block, in = (size_t)at->height * (size_t)at->width;
    const size_t out = (size_t)at->out_height * (size_t)at->out_width;
    more(&m->n_plain[MN__PLAIN_X], n * (size_t)l->n_in * in);
    more(&m->n_plain[MN__PLAIN_DX], n * (size_t)l->n_in * in);
    more(&m->n_plain[MN__PLAIN_Y], n * (size_t)l->n_out * out);
    more(&m->n_plain[MN__PLAIN_WORK], n * (size_t)l->foreign->shape.n_work);
    l->foreign->saved = take(m, (size_t)m->dims.max_batch * (size_t)l->foreign->shape.n_saved);
}

static int plan_path(struct mn_model *m, struct mn__path *path, size_t *n_packed) {
    struct mn__size *size = &m->sizes[path->grid];
    for (int s = 0; s < path->n_stages; s++) {
        struct mn__stage *stage = &path->stage[s];
        stage->u = stage->which = MN__NOWHERE;
        if (keeps_first(stage)) {
            stage->u = take_tensor(m, &size->grid, stage->linear[0].n_out * stage->n_phase);
        }
        stage->y = take_tensor(m, &size->grid, path->channels);
        if (stage->linear[0].kind == MN__LINEAR_FOREIGN) {
            plan_foreign(m, size, &stage->linear[0]);
        }
        if (stage->linear[0].kind == MN__LINEAR_MAX_POOL) {
            stage->which = m->n_bytes;
            m->n_bytes += (size_t)path->channels * (size_t)size->grid.n * (size_t)size->grid.image;
        }
    }
    return mn__taps_plan(m, path, n_packed);
}

static void most_layer(struct mn_model *m, const struct mn__layer *layer) {
    int n = 0;
    for (int e = 0; e < layer->n_edges; e++) {
        n += layer->edges[e].n_paths;
        for (int p = 0; p < layer->edges[e].n_paths; p++) {
            most_path(m, &layer->edges[e].paths[p]);
        }
    }
    most(&m->most_jobs, n);
}

static int plan_layer(struct mn_model *m, struct mn__layer *layer) {
    size_t n_packed = 0;
    for (int e = 0; e < layer->n_edges; e++) {
        for (int p = 0; p < layer->edges[e].n_paths; p++) {
            if (plan_path(m, &layer->edges[e].paths[p], &n_packed) != MN_OK) {
                return MN_NOMEM;
            }
        }
    }
    m->n_packed = n_packed > m->n_packed ? n_packed : m->n_packed;
    return MN_OK;
}

static void plan_acts(struct mn_model *m) {
    for (int i = 0; i < m->n_acts; i++) {
        struct mn__act *act = &m->acts[i];
        int need_r = 0;
        for (int s = 0; s < m->n_states; s++) {
            need_r |= m->states[s].act == i && m->states[s].need_r;
        }
        act->x = act->r = act->dx = act->dr = MN__NOWHERE;
        if (act->channels == 0) {
            continue; /* became part of a concatenation */
        }
        const struct mn__grid *g = &m->sizes[act->grid].grid;
        act->x = take_tensor(m, g, act->channels);
        act->r = need_r ? take_tensor(m, g, act->channels) : MN__NOWHERE;
        if (i > 0) {
            act->dx = take_tensor(m, g, act->channels);
            act->dr = need_r ? take_tensor(m, g, act->channels) : MN__NOWHERE;
        }
    }
}

static size_t take_phases(struct mn_model *m, const struct mn__grid *half, int channels) {
    return take(m, 4 * mn__grid_reals(half, channels)) + (size_t)mn__grid_base(half);
}

static void plan_phases(struct mn_model *m) {
    for (int i = 0; i < m->n_states; i++) {
        struct mn__state *s = &m->states[i];
        const int gradients = m->states[i].act > 0;
        if (s->need_xp) {
            s->xp = take_phases(m, &m->sizes[s->half].grid, s->channels);
            s->dxp = gradients ? take_phases(m, &m->sizes[s->half].grid, s->channels) : MN__NOWHERE;
        }
        if (s->need_rp) {
            s->rp = take_phases(m, &m->sizes[s->half].grid, s->channels);
            s->drp = gradients ? take_phases(m, &m->sizes[s->half].grid, s->channels) : MN__NOWHERE;
        }
    }
}

static void plan_temporaries(struct mn_model *m) {
    for (int i = 0; i < m->n_sizes; i++) {
        struct mn__size *size = &m->sizes[i];
        if (size->temp_channels == 0) {
            continue;
        }
        for (size_t t = 0; t < sizeof size->temp / sizeof size->temp[0]; t++) {
            size->temp[t] = take_tensor(m, &size->block, size->temp_channels);
        }
    }
}

static void plan_plain(struct mn_model *m) {
    for (int i = 0; i < MN__PLAIN; i++) {
        m->plain[i] = take(m, m->n_plain[i]);
    }
}

static void plan_head(struct mn_model *m) {
    struct mn__head *h = &m->head;
    const size_t n = (size_t)m->dims.max_batch;
    h->features = take(m, n * (size_t)h->n_features);
    h->d_features = take(m, n * (size_t)h->n_features);
    h->logits = take(m, n * (size_t)m->dims.ways);
    h->d_logits = take(m, n * (size_t)m->dims.ways);
}

int mn__graph_plan(struct mn_model *m, struct mn_cx *cx) {
    int status = MN_OK;
    most(&m->most_channels, m->dims.channels);
    for (int i = 0; i < m->n_layers; i++) {
        most_layer(m, &m->layers[i]);
    }
    for (int i = 0; status == MN_OK && i < m->n_sizes; i++) {
        status = plan_size(m, &m->sizes[i]);
    }
    for (int i = 0; status == MN_OK && i < m->n_layers; i++) {
        status = plan_layer(m, &m->layers[i]);
    }
    if (status != MN_OK) {
        return mn_fail(cx, MN_NOMEM, "no memory to plan the network");
    }
    plan_acts(m);
    plan_phases(m);
    plan_temporaries(m);
    plan_plain(m);
    plan_head(m);
    return MN_OK;
}
