/* SPDX-License-Identifier: MIT */
#include "model/graph.h"

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

void mn__source_fold(struct mn__run *run, int state, int fold_relu) {
    const struct mn__state *s = &run->model->states[state];
    const struct mn__act *act = &run->model->acts[s->act];
    const struct mn__grid *g = &run->model->sizes[s->grid].grid;
    mn_real *dx = part(run, s, act->dx), *dr = part(run, s, act->dr);
    if ((run->ws->ready[state] & READY_XP) != 0) {
        const struct mn__grid *half = &run->model->sizes[s->half].grid;
        run->k->merge(g, half, s->channels, run->n, at(run, s->dxp),
                      (ptrdiff_t)mn__grid_reals(half, s->channels), dx);
    }
    if ((run->ws->ready[state] & READY_RP) != 0) {
        const struct mn__grid *half = &run->model->sizes[s->half].grid;
        run->k->merge(g, half, s->channels, run->n, at(run, s->drp),
                      (ptrdiff_t)mn__grid_reals(half, s->channels), dr);
    }
    if (fold_relu && dr != NULL) {
        run->k->relu_dx(s->channels, part(run, s, act->x), g->channel, dr, g->channel, dx,
                        g->channel, all_images(run, g), 1);
    }
}
