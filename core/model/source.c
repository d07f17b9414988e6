/* SPDX-License-Identifier: MIT */
#include "model/graph.h"

#include <string.h>

enum { READY_R = 1, READY_XP = 2, READY_RP = 4 };

static ptrdiff_t all_images(const struct mn__run *run, const struct mn__grid *g) {
    return (run->n - 1) * g->image + g->span;
}

static mn_real *at(const struct mn__run *run, size_t offset) {
    return offset == MN__NOWHERE ? NULL : run->ws->reals + offset;
}

/* The range of an act's tensor that a state covers. */
static mn_real *part(const struct mn__run *run, const struct mn__state *s, size_t tensor) {
    mn_real *base = at(run, tensor);
    return base == NULL ? NULL : base + s->first * run->model->sizes[s->grid].grid.channel;
}

static void prepare_relu(struct mn__run *run, int state) {
    const struct mn__state *s = &run->model->states[state];
    const struct mn__act *act = &run->model->acts[s->act];
    const struct mn__grid *g = &run->model->sizes[s->grid].grid;
    if ((run->ws->ready[state] & READY_R) != 0) {
        return;
    }
    run->k->relu(s->channels, part(run, s, act->x), g->channel, part(run, s, act->r), g->channel,
                 all_images(run, g));
    run->ws->ready[state] |= READY_R;
}

static void prepare_phases(struct mn__run *run, int state, int relu) {
    const struct mn__state *s = &run->model->states[state];
    const struct mn__act *act = &run->model->acts[s->act];
    const uint8_t bit = relu ? READY_RP : READY_XP;
    if ((run->ws->ready[state] & bit) != 0) {
        return;
    }
    const struct mn__grid *half = &run->model->sizes[s->half].grid;
    run->k->split(&run->model->sizes[s->grid].grid, half, s->channels, run->n,
                  part(run, s, relu ? act->r : act->x), at(run, relu ? s->rp : s->xp),
                  (ptrdiff_t)mn__grid_reals(half, s->channels));
    run->ws->ready[state] |= bit;
}

/* From channel `first` on. */
static struct mn__source from_channel(struct mn__source source, int first) {
    source.x += first * source.channel;
    source.dx = source.dx == NULL ? NULL : source.dx + first * source.channel;
    return source;
}

struct mn__source mn__source_of(struct mn__run *run, const struct mn__path *path) {
    const struct mn__state *s = &run->model->states[path->source];
    const struct mn__act *act = &run->model->acts[s->act];
    if (path->relu) {
        prepare_relu(run, path->source);
    }
    if (path->strided) {
        prepare_phases(run, path->source, path->relu);
        const struct mn__grid *half = &run->model->sizes[s->half].grid;
        const struct mn__source source = {.x = at(run, path->relu ? s->rp : s->xp),
                                          .dx = at(run, path->relu ? s->drp : s->dxp),
                                          .channel = half->channel,
                                          .image = half->image,
                                          .phase = (ptrdiff_t)mn__grid_reals(half, s->channels)};
        return from_channel(source, path->first);
    }
    const struct mn__grid *g = &run->model->sizes[s->grid].grid;
    const struct mn__source source = {.x = part(run, s, path->relu ? act->r : act->x),
                                      .dx = part(run, s, path->relu ? act->dr : act->dx),
                                      .channel = g->channel,
                                      .image = g->image};
    return from_channel(source, path->first);
}

/* ---- gradients: written by whoever comes first, added to by the others --------------------- */

static void clear(const struct mn__run *run, const struct mn__grid *g, int channels, mn_real *x) {
    for (int c = 0; c < channels; c++) {
        memset(x + c * g->channel, 0, (size_t)(run->n * g->image) * sizeof *x);
    }
}

/* Which channels of an act's dx (relu 0) or dr (1) hold something. */
static uint8_t *written(const struct mn__run *run, int act, int relu) {
    return run->ws->written[act] + (ptrdiff_t)relu * run->model->acts[act].channels;
}

static int count_written(const uint8_t *flags, int n) {
    int count = 0;
    for (int c = 0; c < n; c++) {
        count += flags[c];
    }
    return count;
}

/* Clear what is not written yet of a range of channels, which then is. */
static void complete(struct mn__run *run, int act, int relu, int first, int n) {
    const struct mn__act *a = &run->model->acts[act];
    const struct mn__grid *g = &run->model->sizes[a->grid].grid;
    uint8_t *flags = written(run, act, relu) + first;
    mn_real *x = at(run, relu ? a->dr : a->dx) + first * g->channel;
    for (int c = 0; c < n; c++) {
        if (!flags[c]) {
            clear(run, g, 1, x + c * g->channel);
            flags[c] = 1;
        }
    }
}

/* Some taps of a stride-2 map reach only some phases. */
static void complete_phases(struct mn__run *run, int state, int relu) {
    const struct mn__state *s = &run->model->states[state];
    const struct mn__grid *half = &run->model->sizes[s->half].grid;
    const uint8_t bit = relu ? READY_RP : READY_XP;
    for (int q = 0; q < 4 && (run->ws->phased[state] & bit) == 0; q++) {
        clear(run, half, s->channels,
              at(run, relu ? s->drp : s->dxp) + (size_t)q * mn__grid_reals(half, s->channels));
    }
    run->ws->phased[state] |= bit;
}

int mn__gradient_begin(struct mn__run *run, const struct mn__path *path) {
    const struct mn__state *s = &run->model->states[path->source];
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
    /* A max pool adds to the pixels that won. */
    const int adds = path->n_stages > 0 && path->stage[0].linear[0].kind == MN__LINEAR_MAX_POOL;
    if (!adds && count_written(flags, n) == 0) {
        memset(flags, 1, (size_t)n);
        return 0;
    }
    complete(run, s->act, path->relu, first, n);
    return 1;
}

void mn__gradient_clear(struct mn__run *run, int state, int relu) {
    const struct mn__state *s = &run->model->states[state];
    complete(run, s->act, relu, s->first, s->channels);
}

static void fold_phases(struct mn__run *run, int state, int relu) {
    const struct mn__state *s = &run->model->states[state];
    const struct mn__act *act = &run->model->acts[s->act];
    if ((run->ws->phased[state] & (relu ? READY_RP : READY_XP)) == 0) {
        return;
    }
    const struct mn__grid *half = &run->model->sizes[s->half].grid;
    complete(run, s->act, relu, s->first, s->channels);
    run->k->merge(&run->model->sizes[s->grid].grid, half, s->channels, run->n,
                  at(run, relu ? s->drp : s->dxp), (ptrdiff_t)mn__grid_reals(half, s->channels),
                  part(run, s, relu ? act->dr : act->dx));
}

static void fold_relu(struct mn__run *run, const struct mn__state *s) {
    const struct mn__act *act = &run->model->acts[s->act];
    const struct mn__grid *g = &run->model->sizes[s->grid].grid;
    uint8_t *flags = written(run, s->act, 0) + s->first;
    if (act->dr == MN__NOWHERE ||
        count_written(written(run, s->act, 1) + s->first, s->channels) == 0) {
        return;
    }
    complete(run, s->act, 1, s->first, s->channels);
    const int accumulate = count_written(flags, s->channels) > 0;
    if (accumulate) {
        complete(run, s->act, 0, s->first, s->channels);
    }
    run->k->relu_dx(s->channels, part(run, s, act->x), g->channel, part(run, s, act->dr),
                    g->channel, part(run, s, act->dx), g->channel, all_images(run, g), accumulate);
    memset(flags, 1, (size_t)s->channels);
}

void mn__source_fold(struct mn__run *run, int state, int whole) {
    const struct mn__state *s = &run->model->states[state];
    fold_phases(run, state, 0);
    fold_phases(run, state, 1);
    if (whole) {
        fold_relu(run, s);
        complete(run, s->act, 0, s->first, s->channels);
    }
}
