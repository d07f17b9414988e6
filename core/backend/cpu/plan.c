/* SPDX-License-Identifier: MIT */
#include "backend/cpu/stage.h"
#include "network/builder.h"

#include <string.h>

/* A block of images: as many as let one temporary stay in a part of the second-level cache. */
enum { BLOCK_BYTES = 96 * 1024 };

static size_t whole_lanes(size_t reals) {
    return (reals + NAS_LANES - 1) / NAS_LANES * NAS_LANES;
}

static int add_slot(struct mn_model *m, size_t reals, size_t base, int layout, int *out) {
    struct nas_slot *slots = nas_append(&m->arena, m->slots, m->n_slots, sizeof *slots);
    if (slots == NULL) {
        return MN_NOMEM;
    }
    m->slots = slots;
    nas_slot_init(&slots[m->n_slots], whole_lanes(reals), base, layout);
    *out = m->n_slots++;
    return MN_OK;
}

static int add_tensor(struct mn_model *m, int grid, int channels, int *out) {
    const struct nas_grid *g = &m->sizes[grid].grid;
    return add_slot(m, nas_grid_reals(g, channels), (size_t)nas_grid_base(g), grid, out);
}

/* What is held all the time. */
static size_t take(struct mn_model *m, size_t reals) {
    const size_t at = m->n_fixed;
    m->n_fixed += whole_lanes(reals);
    return at;
}

static int plan_size(struct mn_model *m, struct nas_size *size) {
    struct nas_grid *g = &size->grid;
    nas_grid_init(g, m->dims.max_batch, g->h, g->w, m->pad);
    mn_real *mask = nas_arena_array(&m->arena, (size_t)g->image, sizeof *mask);
    if (mask == NULL) {
        return MN_NOMEM;
    }
    g->mask = mask; /* filled with the first workspace */
    const ptrdiff_t row = g->image * (ptrdiff_t)sizeof(mn_real);
    const ptrdiff_t fit = BLOCK_BYTES / (row * (size->temp_channels > 0 ? size->temp_channels : 1));
    size->n_block = (int)(fit < 1 ? 1 : fit > g->n ? g->n : fit);
    nas_grid_init(&size->block, size->n_block, g->h, g->w, m->pad);
    size->block.mask = mask;
    return MN_OK;
}

static void most(int *at, int value) {
    *at = value > *at ? value : *at;
}

static void most_linear(struct mn_model *m, const struct nas_linear *l) {
    const int64_t weights = (int64_t)l->n_out * l->n_in * l->kh * l->kw;
    m->most_weights = weights > m->most_weights ? weights : m->most_weights;
    most(&m->most_channels, l->n_in);
    most(&m->most_channels, l->n_out);
}

static void most_path(struct mn_model *m, const struct nas_path *path) {
    struct nas_size *size = &m->sizes[path->grid];
    most(&m->most_channels, path->channels);
    for (int s = 0; s < path->n_stages; s++) {
        const struct nas_stage *stage = &path->stage[s];
        for (int i = 0; i < stage->n_linear; i++) {
            most_linear(m, &stage->linear[i]);
            most(&size->temp_channels, stage->linear[i].n_out * (i == 0 ? stage->n_phase : 1));
        }
        most(&size->temp_channels, path->channels);
    }
}

/* The output of a depthwise map costs less to compute again than to keep. */
static int keeps_first(const struct nas_stage *stage) {
    return stage->n_linear == 2 && stage->linear[0].kind != NAS_LINEAR_DEPTHWISE;
}

static int is_pool(const struct nas_stage *stage) {
    return stage->linear[0].kind == NAS_LINEAR_MAX_POOL ||
           stage->linear[0].kind == NAS_LINEAR_AVG_POOL;
}

static void more(size_t *at, size_t reals) {
    *at = reals > *at ? reals : *at;
}

/* A block of images on both sides of an operation of a plugin, and its own room. */
static int plan_foreign(struct mn_model *m, const struct nas_size *size,
                        const struct nas_linear *l) {
    const struct mn_op_site *at = &l->foreign->site;
    const size_t n = (size_t)size->n_block, in = (size_t)at->height * (size_t)at->width;
    const size_t out = (size_t)at->out_height * (size_t)at->out_width;
    const size_t saved = (size_t)m->dims.max_batch * (size_t)l->foreign->shape.n_saved;
    more(&m->n_plain[NAS_PLAIN_X], n * (size_t)l->n_in * in);
    more(&m->n_plain[NAS_PLAIN_DX], n * (size_t)l->n_in * in);
    more(&m->n_plain[NAS_PLAIN_Y], n * (size_t)l->n_out * out);
    more(&m->n_plain[NAS_PLAIN_WORK], n * (size_t)l->foreign->shape.n_work);
    l->foreign->saved = NAS_NOWHERE;
    return saved > 0 ? add_slot(m, saved, 0, NAS_OWN_LAYOUT, &l->foreign->saved) : MN_OK;
}

static int plan_stage(struct mn_model *m, const struct nas_path *path, struct nas_stage *stage) {
    const struct nas_grid *grid = &m->sizes[path->grid].grid;
    int status = add_tensor(m, path->grid, path->channels, &stage->y);
    stage->u = stage->which = NAS_NOWHERE;
    if (status == MN_OK && keeps_first(stage)) {
        status = add_tensor(m, path->grid, stage->linear[0].n_out * stage->n_phase, &stage->u);
    }
    if (status == MN_OK && stage->linear[0].kind == NAS_LINEAR_MAX_POOL) {
        const size_t bytes = (size_t)path->channels * (size_t)grid->n * (size_t)grid->image;
        status = add_slot(m, (bytes + sizeof(mn_real) - 1) / sizeof(mn_real), 0, NAS_OWN_LAYOUT,
                          &stage->which);
    }
    if (status == MN_OK && stage->linear[0].kind == NAS_LINEAR_FOREIGN) {
        status = plan_foreign(m, &m->sizes[path->grid], &stage->linear[0]);
    }
    return status;
}

static int plan_path(struct mn_model *m, const struct nas_layer *layer, struct nas_path *path,
                     size_t *n_packed) {
    path->again =
        m->again && path->n_stages == 1 && is_pool(&path->stage[0]) && nas_sums_wanted(layer, path);
    for (int s = 0; s < path->n_stages; s++) {
        if (plan_stage(m, path, &path->stage[s]) != MN_OK) {
            return MN_NOMEM;
        }
    }
    return nas_taps_plan(m, path, n_packed);
}

static void most_layer(struct mn_model *m, const struct nas_layer *layer) {
    int n = 0;
    for (int e = 0; e < layer->n_edges; e++) {
        n += layer->edges[e].n_paths;
        for (int p = 0; p < layer->edges[e].n_paths; p++) {
            most_path(m, &layer->edges[e].paths[p]);
        }
    }
    most(&m->most_jobs, n);
}

/* Whether a layer's output is one stored tensor after its batch norm, and has an act of its own. */
static int normed_convolution(const struct mn_model *m, const struct nas_layer *layer) {
    const struct nas_path *path = layer->n_edges == 1 ? &layer->edges[0].paths[0] : NULL;
    return path != NULL && layer->edges[0].n_paths == 1 && path->op == NULL &&
           path->n_stages == 1 && path->stage[0].has_norm &&
           m->acts[m->states[layer->state].act].channels == path->channels;
}

static int plan_layer(struct mn_model *m, struct nas_layer *layer) {
    size_t n_packed = 0;
    for (int e = 0; e < layer->n_edges; e++) {
        for (int p = 0; p < layer->edges[e].n_paths; p++) {
            if (plan_path(m, layer, &layer->edges[e].paths[p], &n_packed) != MN_OK) {
                return MN_NOMEM;
            }
        }
    }
    m->n_packed = n_packed > m->n_packed ? n_packed : m->n_packed;
    if (m->again && normed_convolution(m, layer)) {
        m->acts[m->states[layer->state].act].again = (int)(layer - m->layers);
    }
    return MN_OK;
}

/* Whether an act has readers of its ReLU, whole or in phases. */
static void needs_relu(const struct mn_model *m, int act, int *whole, int *any) {
    *whole = *any = 0;
    for (int i = 0; i < m->n_states; i++) {
        const struct nas_cell_state *s = &m->states[i];
        *whole |= s->act == act && s->need_r;
        *any |= s->act == act && (s->need_r || s->need_rp);
    }
}

static int plan_act(struct mn_model *m, int i) {
    struct nas_act *act = &m->acts[i];
    const int gradients = i > 0;
    int whole, any;
    needs_relu(m, i, &whole, &any);
    int *const slots[] = {&act->x, &act->r, &act->dx, &act->dr};
    const int wanted[] = {1, whole, gradients, any && gradients};
    int status = MN_OK;
    for (int k = 0; k < 4; k++) {
        *slots[k] = NAS_NOWHERE;
        /* No channels: it became part of a concatenation. */
        if (status == MN_OK && wanted[k] && act->channels > 0) {
            status = add_tensor(m, act->grid, act->channels, slots[k]);
        }
    }
    return status;
}

static int plan_phases(struct mn_model *m, struct nas_cell_state *s) {
    int *const slots[] = {&s->xp, &s->dxp, &s->rp, &s->drp};
    const int gradients = s->act > 0;
    const int wanted[] = {s->need_xp, s->need_xp && gradients, s->need_rp, s->need_rp && gradients};
    int status = MN_OK;
    for (int k = 0; status == MN_OK && k < 4; k++) {
        if (wanted[k]) {
            const struct nas_grid *half = &m->sizes[s->half].grid;
            status = add_slot(m, 4 * nas_grid_reals(half, s->channels), (size_t)nas_grid_base(half),
                              NAS_OWN_LAYOUT, slots[k]);
        }
    }
    return status;
}

static void plan_temporaries(struct mn_model *m) {
    for (int i = 0; i < m->n_sizes; i++) {
        struct nas_size *size = &m->sizes[i];
        if (size->temp_channels == 0) {
            continue;
        }
        for (size_t t = 0; t < sizeof size->temp / sizeof size->temp[0]; t++) {
            size->temp[t] = take(m, nas_grid_reals(&size->block, size->temp_channels)) +
                            (size_t)nas_grid_base(&size->block);
        }
    }
}

static void plan_plain(struct mn_model *m) {
    for (int i = 0; i < NAS_PLAIN; i++) {
        m->plain[i] = take(m, m->n_plain[i]);
    }
}

static void plan_head(struct mn_model *m) {
    struct nas_head *h = &m->head;
    const size_t n = (size_t)m->dims.max_batch;
    h->features = take(m, n * (size_t)h->n_features);
    h->d_features = take(m, n * (size_t)h->n_features);
    h->logits = take(m, n * (size_t)m->dims.ways);
    h->d_logits = take(m, n * (size_t)m->dims.ways);
}

int nas_graph_plan(struct mn_model *m, struct mn_ctx *ctx) {
    int status = MN_OK;
    /* Fixed networks are small: there the time counts. */
    m->again = m->n_mixtures > 0;
    for (int i = 0; i < m->n_acts; i++) {
        m->acts[i].again = NAS_NOWHERE;
    }
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
    for (int i = 0; status == MN_OK && i < m->n_acts; i++) {
        status = plan_act(m, i);
    }
    for (int i = 0; status == MN_OK && i < m->n_states; i++) {
        status = plan_phases(m, &m->states[i]);
    }
    plan_temporaries(m);
    plan_plain(m);
    plan_head(m);
    status = status == MN_OK ? nas_holds_plan(m) : status;
    return status == MN_OK ? MN_OK : mn_fail(ctx, MN_NOMEM, "no memory to plan the network");
}
