/* SPDX-License-Identifier: MIT */
#include "model/pass.h"

#include <math.h>
#include <string.h>

static double item_weight(const struct mn__run *run, int mixture, int item) {
    return mixture < 0 ? 1 : run->ws->item[run->model->item0[mixture] + item];
}

static double op_weight(const struct mn__run *run, const struct mn__edge *edge, int p) {
    return p < edge->n_ops ? item_weight(run, edge->mixture, p) : 1;
}

static double path_weight(const struct mn__run *run, const struct mn__layer *layer, int e, int p) {
    return item_weight(run, layer->mixture, e) * op_weight(run, &layer->edges[e], p);
}

static mn_real *tensor(const struct mn__run *run, const struct mn__state *s, size_t offset) {
    return run->ws->reals + offset + s->first * run->model->sizes[s->grid].grid.channel;
}

static void clear(const struct mn__run *run, const struct mn__grid *g, int channels,
                  mn_real *base) {
    for (int c = 0; c < channels; c++) {
        memset(base + c * g->channel, 0, (size_t)(run->n * g->image) * sizeof *base);
    }
}

static void node_forward(struct mn__run *run, const struct mn__layer *layer) {
    const struct mn__state *s = &run->model->states[layer->state];
    mn_real *x = tensor(run, s, run->model->acts[s->act].x);
    int written = layer->partial;
    if (layer->partial) {
        clear(run, &run->model->sizes[s->grid].grid, s->channels, x);
    }
    for (int e = 0; e < layer->n_edges; e++) {
        for (int p = 0; p < layer->edges[e].n_paths; p++) {
            const struct mn__path *path = &layer->edges[e].paths[p];
            const double weight = path_weight(run, layer, e, p);
            if (mn__mix_computed(run->ws, layer, e, p) && !path->none) {
                mn__path_forward(run, path, weight, x, written);
                written |= weight != 0;
            }
        }
    }
    if (!written) {
        clear(run, &run->model->sizes[s->grid].grid, s->channels, x);
    }
}

static void node_backward(struct mn__run *run, const struct mn__layer *layer) {
    const struct mn__state *s = &run->model->states[layer->state];
    const mn_real *g = tensor(run, s, run->model->acts[s->act].dx);
    for (int e = 0; e < layer->n_edges; e++) {
        const struct mn__edge *edge = &layer->edges[e];
        for (int p = 0; p < edge->n_paths; p++) {
            if (!mn__mix_computed(run->ws, layer, e, p)) {
                continue;
            }
            const double weight = path_weight(run, layer, e, p);
            const double d = mn__path_backward(run, &edge->paths[p], weight, g);
            if (layer->mixture >= 0) {
                run->ws->d_item[run->model->item0[layer->mixture] + e] +=
                    op_weight(run, edge, p) * d;
            }
            if (layer->mixture >= 0 && p < edge->n_ops) {
                run->ws->d_item[run->model->item0[edge->mixture] + p] +=
                    item_weight(run, layer->mixture, e) * d;
            }
        }
    }
}

static void forward(struct mn__run *run, const struct mn_set *batch) {
    const struct mn_model *m = run->model;
    memset(run->ws->ready, 0, (size_t)m->n_states);
    mn__grid_load(&m->sizes[m->states[0].grid].grid, m->dims.channels, 0, run->n, batch->images,
                  run->ws->reals + m->acts[0].x);
    for (int i = 0; i < m->n_layers; i++) {
        if (m->layers[i].kind == MN__LAYER_NODE) {
            node_forward(run, &m->layers[i]);
        }
    }
}

static void clear_gradients(struct mn__run *run) {
    const struct mn_model *m = run->model;
    for (int i = 1; i < m->n_acts; i++) {
        const struct mn__act *act = &m->acts[i];
        const struct mn__grid *g = &m->sizes[act->grid].grid;
        if (act->dx != MN__NOWHERE) {
            clear(run, g, act->channels, run->ws->reals + act->dx);
        }
        if (act->dr != MN__NOWHERE) {
            clear(run, g, act->channels, run->ws->reals + act->dr);
        }
    }
    for (int i = 0; i < m->n_states; i++) {
        const struct mn__state *s = &m->states[i];
        for (int q = 0; q < 4 && s->half >= 0; q++) {
            const struct mn__grid *g = &m->sizes[s->half].grid;
            const size_t at = (size_t)q * mn__grid_reals(g, s->channels);
            if (s->dxp != MN__NOWHERE) {
                clear(run, g, s->channels, run->ws->reals + s->dxp + at);
            }
            if (s->drp != MN__NOWHERE) {
                clear(run, g, s->channels, run->ws->reals + s->drp + at);
            }
        }
    }
    memset(run->ws->d_item, 0, (size_t)m->n_items * sizeof *run->ws->d_item);
    if (run->d_w != NULL) {
        memset(run->d_w, 0, (size_t)m->dims.n_w * sizeof *run->d_w);
    }
}

static void backward(struct mn__run *run) {
    const struct mn_model *m = run->model;
    clear_gradients(run);
    mn__head_backward(run);
    for (int i = m->n_layers - 1; i >= 0; i--) {
        const struct mn__layer *layer = &m->layers[i];
        mn__source_fold(run, layer->state, layer->kind == MN__LAYER_NODE);
        if (layer->kind == MN__LAYER_NODE) {
            node_backward(run, layer);
        }
    }
}

/* Every path has its own run of random numbers, so that skipping one moves no other. */
static void draw_drops(struct mn__run *run, const struct mn_cx *cx, double rate) {
    const struct mn_where *w = &cx->where;
    const int most = run->model->dims.max_batch;
    for (int path = 0; path < run->model->n_paths; path++) {
        struct mn_rng rng =
            mn_rng_make(w->seed, MN_RNG_DROP_PATH, (uint32_t)w->split, (uint64_t)w->meta_epoch,
                        (uint32_t)w->task, (uint32_t)run->pass->step);
        rng.counter[0] = (uint32_t)path << 12;
        for (int n = 0; n < run->n; n++) {
            run->ws->drop[(ptrdiff_t)path * most + n] =
                mn_rng_uniform(&rng) < rate ? 0 : (mn_real)(1 / (1 - rate));
        }
    }
}

static void set_drops(struct mn__run *run, const struct mn_cx *cx) {
    double rate = run->model->drop_path;
    if (run->model->drop_ramp && cx->where.meta_epochs > 0) {
        rate *= (double)cx->where.meta_epoch / (double)cx->where.meta_epochs;
    }
    run->dropping =
        rate > 0 && (run->pass->flags & MN_PASS_TRAINING) != 0 && cx->where.split == MN_TRAIN;
    if (run->dropping) {
        draw_drops(run, cx, rate);
    }
}

static int check(struct mn_cx *cx, const struct mn_model *m, const struct mn_set *batch,
                 const struct mn_pass *pass, const struct mn_outcome *out) {
    if (mn__cx_of(cx)->workspace == NULL || mn__cx_of(cx)->workspace->model != m) {
        return mn_fail(cx, MN_INTERNAL, "a model pass outside a worker of that model");
    }
    if (batch->n < 1 || batch->n > m->dims.max_batch) {
        return mn_fail(cx, MN_INTERNAL, "a batch of %d images; this model holds 1 to %d", batch->n,
                       m->dims.max_batch);
    }
    for (int i = 0; i < batch->n; i++) {
        if (batch->labels[i] < 0 || batch->labels[i] >= m->dims.ways) {
            return mn_fail(cx, MN_INTERNAL, "label %d of image %d is not in 0..%d",
                           batch->labels[i], i, m->dims.ways - 1);
        }
    }
    if (((pass->flags & MN_PASS_GRAD_W) != 0 && out->d_w == NULL) ||
        ((pass->flags & MN_PASS_GRAD_A) != 0 && out->d_a == NULL && m->dims.n_a > 0)) {
        return mn_fail(cx, MN_INTERNAL, "a pass with gradients needs room for them");
    }
    if (!(pass->progress >= 0 && pass->progress <= 1)) {
        return mn_fail(cx, MN_INTERNAL, "progress %g is not in 0..1", pass->progress);
    }
    return MN_OK;
}

static void hand_out(const struct mn__run *run, struct mn_outcome *out) {
    const struct mn_model *m = run->model;
    if (out->logits != NULL) {
        memcpy(out->logits, run->ws->reals + m->head.logits,
               (size_t)run->n * (size_t)m->dims.ways * sizeof *out->logits);
    }
    if (out->mixture != NULL) {
        memcpy(out->mixture, run->ws->mixed, (size_t)m->dims.n_choices * sizeof *out->mixture);
    }
}

static int gradients(struct mn__run *run, struct mn_cx *cx, struct mn_outcome *out) {
    if ((run->pass->flags & (MN_PASS_GRAD_W | MN_PASS_GRAD_A)) == 0) {
        return MN_OK;
    }
    backward(run);
    if ((run->pass->flags & MN_PASS_GRAD_A) != 0 && run->model->dims.n_a > 0) {
        return mn__mix_backward(run->ws, cx, run->pass, out->d_a);
    }
    return MN_OK;
}

int mn__model_pass(struct mn_cx *cx, const struct mn_model *model, const struct mn_point *at,
                   const struct mn_set *batch, const struct mn_pass *pass, struct mn_outcome *out) {
    int status = check(cx, model, batch, pass, out);
    if (status != MN_OK) {
        return status;
    }
    struct mn__run run = {.model = model,
                          .ws = mn__cx_of(cx)->workspace,
                          .k = model->kernels,
                          .w = at->w,
                          .d_w = (pass->flags & MN_PASS_GRAD_W) != 0 ? out->d_w : NULL,
                          .pass = pass,
                          .n = batch->n};
    out->skip_share = 0;
    status = mn__mix_forward(run.ws, cx, at->a, pass, &out->skip_share);
    if (status != MN_OK) {
        return status;
    }
    set_drops(&run, cx);
    forward(&run, batch);
    mn__head_forward(&run, batch->labels, &out->loss, &out->hits);
    hand_out(&run, out);
    if (!isfinite(out->loss)) {
        return mn_fail(cx, MN_NUMERIC, "the loss is %g", fabs(out->loss)); /* no "-nan" */
    }
    return gradients(&run, cx, out);
}
