/* SPDX-License-Identifier: MIT */
#include "network/graph.h"

#include <string.h>

enum { READY_R = 1, READY_XP = 2, READY_RP = 4, READY_X = 8 };

static ptrdiff_t all_images(const struct nas_run *run, const struct nas_grid *g) {
    return (run->n - 1) * g->image + g->span;
}

/* The range of an act's tensor that a state covers. */
static mn_real *part(const struct nas_run *run, const struct nas_cell_state *s, int slot) {
    mn_real *base = nas_slot(run, slot);
    return base == NULL ? NULL : base + s->first * run->model->sizes[s->grid].grid.channel;
}

/* An act that is not kept for the way back. */
static void prepare_whole(struct nas_run *run, const struct nas_act *act) {
    if (!run->back || act->again == NAS_NOWHERE) {
        return;
    }
    const struct nas_layer *layer = &run->model->layers[act->again];
    if ((run->ws->ready[layer->state] & READY_X) == 0) {
        nas_node_again(run, layer);
        run->ws->ready[layer->state] |= READY_X;
    }
}

static void prepare_relu(struct nas_run *run, int state) {
    const struct nas_cell_state *s = &run->model->states[state];
    const struct nas_act *act = &run->model->acts[s->act];
    const struct nas_grid *g = &run->model->sizes[s->grid].grid;
    if ((run->ws->ready[state] & READY_R) != 0) {
        return;
    }
    nas_edges_clear(run, g, s->channels, part(run, s, act->r));
    run->k->relu(s->channels, part(run, s, act->x), g->channel, part(run, s, act->r), g->channel,
                 all_images(run, g));
    run->ws->ready[state] |= READY_R;
}

/* The four phases of one channel, a channel at a time: so they are cleared, written and cut off at
 * zero while they are in the cache. */
static void split_channel(struct nas_run *run, const struct nas_cell_state *s, const mn_real *x,
                          mn_real *to, int relu) {
    const struct nas_grid *g = &run->model->sizes[s->grid].grid;
    const struct nas_grid *half = &run->model->sizes[s->half].grid;
    const ptrdiff_t phase = (ptrdiff_t)nas_grid_reals(half, s->channels);
    for (int q = 0; q < 4; q++) {
        nas_tensor_clear(run, half, 1, to + q * phase);
    }
    run->k->split(g, half, 1, run->n, x, to, phase);
    if (relu) {
        run->k->relu(4, to, phase, to, phase, all_images(run, half));
    }
}

static void split(struct nas_run *run, const struct nas_cell_state *s, mn_real *to, int relu) {
    const ptrdiff_t from = run->model->sizes[s->grid].grid.channel;
    const ptrdiff_t step = run->model->sizes[s->half].grid.channel;
    const mn_real *x = part(run, s, run->model->acts[s->act].x);
    for (int c = 0; c < s->channels; c++) {
        split_channel(run, s, x + c * from, to + c * step, relu);
    }
}

static void relu_of_phases(struct nas_run *run, const struct nas_cell_state *s) {
    const struct nas_grid *half = &run->model->sizes[s->half].grid;
    const ptrdiff_t phase = (ptrdiff_t)nas_grid_reals(half, s->channels);
    const mn_real *x = nas_slot(run, s->xp);
    mn_real *to = nas_slot(run, s->rp);
    for (int q = 0; q < 4; q++) {
        nas_edges_clear(run, half, s->channels, to + q * phase);
        run->k->relu(s->channels, x + q * phase, half->channel, to + q * phase, half->channel,
                     all_images(run, half));
    }
}

static void prepare_phases(struct nas_run *run, int state, int relu) {
    const struct nas_cell_state *s = &run->model->states[state];
    const uint8_t bit = relu ? READY_RP : READY_XP;
    if ((run->ws->ready[state] & bit) != 0) {
        return;
    }
    if (!relu || s->xp == NAS_NOWHERE) {
        split(run, s, nas_slot(run, relu ? s->rp : s->xp), relu);
    } else {
        prepare_phases(run, state, 0);
        relu_of_phases(run, s);
    }
    run->ws->ready[state] |= bit;
}

/* From channel `first` on. */
static struct nas_source from_channel(struct nas_source source, int first) {
    source.x += first * source.channel;
    source.dx = source.dx == NULL ? NULL : source.dx + first * source.channel;
    return source;
}

struct nas_source nas_source_of(struct nas_run *run, const struct nas_path *path) {
    const struct nas_cell_state *s = &run->model->states[path->source];
    const struct nas_act *act = &run->model->acts[s->act];
    prepare_whole(run, act);
    if (path->strided) {
        prepare_phases(run, path->source, path->relu);
        const struct nas_grid *half = &run->model->sizes[s->half].grid;
        const struct nas_source source = {.x = nas_slot(run, path->relu ? s->rp : s->xp),
                                          .dx = nas_slot(run, path->relu ? s->drp : s->dxp),
                                          .channel = half->channel,
                                          .image = half->image,
                                          .phase = (ptrdiff_t)nas_grid_reals(half, s->channels)};
        return from_channel(source, path->first);
    }
    if (path->relu) {
        prepare_relu(run, path->source);
    }
    const struct nas_grid *g = &run->model->sizes[s->grid].grid;
    const struct nas_source source = {.x = part(run, s, path->relu ? act->r : act->x),
                                      .dx = part(run, s, path->relu ? act->dr : act->dx),
                                      .channel = g->channel,
                                      .image = g->image};
    return from_channel(source, path->first);
}

/* ---- gradients: written by whoever comes first, added to by the others --------------------- */

void nas_gradients_begin(struct nas_run *run) {
    const struct mn_model *m = run->model;
    for (int i = 1; i < m->n_acts; i++) {
        memset(run->ws->written[i], 0, 2 * (size_t)m->acts[i].channels);
    }
    memset(run->ws->phased, 0, (size_t)m->n_states);
    if (m->again) {
        memset(run->ws->ready, 0, (size_t)m->n_states);
    }
    run->back = 1;
}

/* Which channels of an act's dx (relu 0) or dr (1) hold something. */
static uint8_t *written(const struct nas_run *run, int act, int relu) {
    return run->ws->written[act] + (ptrdiff_t)relu * run->model->acts[act].channels;
}

static int count_written(const uint8_t *flags, int n) {
    int count = 0;
    for (int c = 0; c < n; c++) {
        count += flags[c];
    }
    return count;
}

/* A range of channels that is about to be written whole. */
static void begin_writing(struct nas_run *run, int act, int relu, int first, int n) {
    const struct nas_act *a = &run->model->acts[act];
    const struct nas_grid *g = &run->model->sizes[a->grid].grid;
    nas_edges_clear(run, g, n, nas_slot(run, relu ? a->dr : a->dx) + first * g->channel);
    memset(written(run, act, relu) + first, 1, (size_t)n);
}

/* Clear what is not written yet of a range of channels, which then is. */
static void complete(struct nas_run *run, int act, int relu, int first, int n) {
    const struct nas_act *a = &run->model->acts[act];
    const struct nas_grid *g = &run->model->sizes[a->grid].grid;
    uint8_t *flags = written(run, act, relu) + first;
    mn_real *x = nas_slot(run, relu ? a->dr : a->dx) + first * g->channel;
    for (int c = 0; c < n; c++) {
        if (!flags[c]) {
            nas_tensor_clear(run, g, 1, x + c * g->channel);
            flags[c] = 1;
        }
    }
}

/* Some taps of a stride-2 map reach only some phases. */
static void complete_phases(struct nas_run *run, int state, int relu) {
    const struct nas_cell_state *s = &run->model->states[state];
    const struct nas_grid *half = &run->model->sizes[s->half].grid;
    const uint8_t bit = relu ? READY_RP : READY_XP;
    mn_real *to = nas_slot(run, relu ? s->drp : s->dxp);
    for (int q = 0; q < 4 && (run->ws->phased[state] & bit) == 0; q++) {
        nas_tensor_clear(run, half, s->channels,
                         to + (size_t)q * nas_grid_reals(half, s->channels));
    }
    run->ws->phased[state] |= bit;
}

/* A max pool adds to the pixels that won. */
int nas_gradient_adds(const struct nas_path *path) {
    return path->n_stages > 0 && path->stage[0].linear[0].kind == NAS_LINEAR_MAX_POOL;
}

int nas_gradient_begin(struct nas_run *run, const struct nas_path *path) {
    const struct nas_cell_state *s = &run->model->states[path->source];
    if (s->act == 0) {
        return 0; /* the images */
    }
    if (path->strided) {
        complete_phases(run, path->source, path->relu);
        return 1;
    }
    const int n = path->n_stages == 0 ? path->channels : path->stage[0].linear[0].n_in;
    const int first = s->first + path->first;
    uint8_t *flags = written(run, s->act, path->relu) + first;
    if (!nas_gradient_adds(path) && count_written(flags, n) == 0) {
        begin_writing(run, s->act, path->relu, first, n);
        return 0;
    }
    complete(run, s->act, path->relu, first, n);
    return 1;
}

void nas_gradient_clear(struct nas_run *run, int state, int relu) {
    const struct nas_cell_state *s = &run->model->states[state];
    complete(run, s->act, relu, s->first, s->channels);
}

static void fold_phases(struct nas_run *run, int state, int relu) {
    const struct nas_cell_state *s = &run->model->states[state];
    const struct nas_act *act = &run->model->acts[s->act];
    if ((run->ws->phased[state] & (relu ? READY_RP : READY_XP)) == 0) {
        return;
    }
    const struct nas_grid *half = &run->model->sizes[s->half].grid;
    const struct nas_grid *whole = &run->model->sizes[s->grid].grid;
    const ptrdiff_t phase = (ptrdiff_t)nas_grid_reals(half, s->channels);
    const mn_real *from = nas_slot(run, relu ? s->drp : s->dxp);
    mn_real *to = part(run, s, relu ? act->dr : act->dx);
    uint8_t *flags = written(run, s->act, relu) + s->first;
    if (count_written(flags, s->channels) > 0) {
        complete(run, s->act, relu, s->first, s->channels);
        run->k->merge(whole, half, s->channels, run->n, from, phase, to, 1);
        return;
    }
    for (int c = 0; c < s->channels; c++) { /* cleared and written while it is in the cache */
        mn_real *channel = to + c * whole->channel;
        nas_tensor_clear(run, whole, 1, channel);
        run->k->merge(whole, half, 1, run->n, from + c * half->channel, phase, channel, 0);
    }
    memset(flags, 1, (size_t)s->channels);
}

static void fold_relu(struct nas_run *run, const struct nas_cell_state *s) {
    const struct nas_act *act = &run->model->acts[s->act];
    const struct nas_grid *g = &run->model->sizes[s->grid].grid;
    uint8_t *flags = written(run, s->act, 0) + s->first;
    if (act->dr == NAS_NOWHERE ||
        count_written(written(run, s->act, 1) + s->first, s->channels) == 0) {
        return;
    }
    complete(run, s->act, 1, s->first, s->channels);
    const int accumulate = count_written(flags, s->channels) > 0;
    if (accumulate) {
        complete(run, s->act, 0, s->first, s->channels);
    } else {
        begin_writing(run, s->act, 0, s->first, s->channels);
    }
    run->k->relu_dx(s->channels, part(run, s, act->x), g->channel, part(run, s, act->dr),
                    g->channel, part(run, s, act->dx), g->channel, all_images(run, g), accumulate);
}

void nas_source_fold(struct nas_run *run, int state, int whole) {
    const struct nas_cell_state *s = &run->model->states[state];
    fold_phases(run, state, 0);
    fold_phases(run, state, 1);
    if (whole) {
        fold_relu(run, s);
        complete(run, s->act, 0, s->first, s->channels);
    }
}
