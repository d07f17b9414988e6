/* SPDX-License-Identifier: MIT */
#include "model/pass.h"

#include "model/stage.h"

#include <math.h>
#include <string.h>

static void forward(struct mn__run *run, const struct mn_set *batch) {
    const struct mn_model *m = run->model;
    const struct mn__grid *grid = &m->sizes[m->states[0].grid].grid;
    mn_real *x = mn__slot(run, m->acts[0].x);
    memset(run->ws->ready, 0, (size_t)m->n_states);
    if (run->poison || run->ws->plan != (int)run->plan) {
        memset(run->ws->clean, 0, (size_t)m->n_slots * sizeof *run->ws->clean);
    }
    run->ws->plan = run->poison ? -1 : (int)run->plan;
    mn__slots_poison(run, -1, -1);
    mn__edges_clear(run, grid, m->dims.channels, x);
    mn__grid_load(grid, m->dims.channels, 0, run->n, batch->images, x);
    for (int i = 0; i < m->n_layers && !mn__run_stopped(run); i++) {
        const struct mn__layer *layer = &m->layers[i];
        if (layer->kind == MN__LAYER_NODE) {
            mn__node_forward(run, layer);
            mn__slots_poison(run, layer->forward, layer->forward + layer->n_edges - 1);
        }
    }
}

static void begin_gradients(struct mn__run *run) {
    const struct mn_model *m = run->model;
    mn__gradients_begin(run);
    memset(run->ws->d_item, 0, (size_t)m->n_items * sizeof *run->ws->d_item);
    if (run->d_w != NULL) {
        memset(run->d_w, 0, (size_t)m->dims.n_w * sizeof *run->d_w);
    }
}

static void backward(struct mn__run *run) {
    const struct mn_model *m = run->model;
    begin_gradients(run);
    mn__head_backward(run);
    for (int i = m->n_layers - 1; i >= 0 && !mn__run_stopped(run); i--) {
        const struct mn__layer *layer = &m->layers[i];
        mn__source_fold(run, layer->state, layer->kind == MN__LAYER_NODE);
        if (layer->kind == MN__LAYER_NODE) {
            mn__node_backward(run, layer);
            mn__slots_poison(run, layer->fold, layer->back + layer->n_edges - 1);
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

static int wants_gradients(const struct mn_pass *pass) {
    return (pass->flags & (MN_PASS_GRAD_W | MN_PASS_GRAD_A)) != 0;
}

static int gradients(struct mn__run *run, struct mn_cx *cx, struct mn_outcome *out) {
    if (!wants_gradients(run->pass)) {
        return MN_OK;
    }
    backward(run);
    if (run->status != MN_OK) {
        run->ws->plan = -1;
        return run->status;
    }
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
                          .plan = wants_gradients(pass) ? MN__PLAN_FULL : MN__PLAN_FORWARD,
                          .n = batch->n,
                          .cx = cx};
    out->skip_share = 0;
    status = mn__mix_forward(run.ws, cx, at->a, pass, &out->skip_share);
    if (status != MN_OK) {
        return status;
    }
    set_drops(&run, cx);
    run.poison = run.ws->poison > 0;
    run.ws->poison -= run.poison;
    forward(&run, batch);
    if (run.status != MN_OK) {
        run.ws->plan = -1;
        return run.status;
    }
    mn__head_forward(&run, batch->labels, &out->loss, &out->hits);
    hand_out(&run, out);
    if (!isfinite(out->loss)) {
        run.ws->plan = -1;
        return mn_fail(cx, MN_NUMERIC, "the loss is %g", fabs(out->loss)); /* no "-nan" */
    }
    return gradients(&run, cx, out);
}
