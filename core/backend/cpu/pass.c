/* SPDX-License-Identifier: MIT */
#include "backend/cpu/pass.h"

#include "backend/cpu/stage.h"

#include <math.h>
#include <string.h>

static void forward(struct nas_run *run, const struct mn_set *batch) {
    const struct mn_model *m = run->model;
    const struct nas_grid *grid = &m->sizes[m->states[0].grid].grid;
    mn_real *x = nas_slot(run, m->acts[0].x);
    memset(run->ws->ready, 0, (size_t)m->n_states);
    if (run->poison || run->ws->plan != (int)run->plan) {
        memset(run->ws->clean, 0, (size_t)m->n_slots * sizeof *run->ws->clean);
    }
    run->ws->plan = run->poison ? -1 : (int)run->plan;
    nas_slots_poison(run, -1, -1);
    nas_edges_clear(run, grid, m->dims.channels, x);
    nas_grid_load(grid, m->dims.channels, 0, run->n, batch->images, x);
    for (int i = 0; i < m->n_layers && !nas_run_stopped(run); i++) {
        const struct nas_layer *layer = &m->layers[i];
        if (layer->kind == NAS_LAYER_NODE) {
            nas_node_forward(run, layer);
            nas_slots_poison(run, layer->forward, layer->forward + layer->n_edges - 1);
        }
    }
}

static void begin_gradients(struct nas_run *run) {
    const struct mn_model *m = run->model;
    nas_gradients_begin(run);
    memset(run->ws->d_item, 0, (size_t)m->n_items * sizeof *run->ws->d_item);
    if (run->d_w != NULL) {
        memset(run->d_w, 0, (size_t)m->dims.n_w * sizeof *run->d_w);
    }
}

static void backward(struct nas_run *run) {
    const struct mn_model *m = run->model;
    begin_gradients(run);
    nas_head_backward(run);
    for (int i = m->n_layers - 1; i >= 0 && !nas_run_stopped(run); i--) {
        const struct nas_layer *layer = &m->layers[i];
        nas_source_fold(run, layer->state, layer->kind == NAS_LAYER_NODE);
        if (layer->kind == NAS_LAYER_NODE) {
            nas_node_backward(run, layer);
            nas_slots_poison(run, layer->fold, layer->back + layer->n_edges - 1);
        }
    }
}

/* Every path has its own run of random numbers, so that skipping one moves no other. */
static void draw_drops(struct nas_run *run, const struct mn_ctx *ctx, double rate) {
    const struct mn_where *w = &ctx->where;
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

static void set_drops(struct nas_run *run, const struct mn_ctx *ctx) {
    double rate = run->model->drop_path;
    if (run->model->drop_ramp && ctx->where.meta_epochs > 0) {
        rate *= (double)ctx->where.meta_epoch / (double)ctx->where.meta_epochs;
    }
    run->dropping =
        rate > 0 && (run->pass->flags & MN_PASS_TRAINING) != 0 && ctx->where.split == MN_TRAIN;
    if (run->dropping) {
        draw_drops(run, ctx, rate);
    }
}

static int check(struct mn_ctx *ctx, const struct mn_model *m, const struct mn_set *batch,
                 const struct mn_pass *pass, const struct mn_outcome *out) {
    if (nas_ctx_of(ctx)->workspace == NULL || nas_ctx_of(ctx)->workspace->model != m) {
        return mn_fail(ctx, MN_INTERNAL, "a model pass outside a worker of that model");
    }
    if (batch->n < 1 || batch->n > m->dims.max_batch) {
        return mn_fail(ctx, MN_INTERNAL, "a batch of %d images; this model holds 1 to %d", batch->n,
                       m->dims.max_batch);
    }
    for (int i = 0; i < batch->n; i++) {
        if (batch->labels[i] < 0 || batch->labels[i] >= m->dims.ways) {
            return mn_fail(ctx, MN_INTERNAL, "label %d of image %d is not in 0..%d",
                           batch->labels[i], i, m->dims.ways - 1);
        }
    }
    if (((pass->flags & MN_PASS_GRAD_W) != 0 && out->d_w == NULL) ||
        ((pass->flags & MN_PASS_GRAD_A) != 0 && out->d_a == NULL && m->dims.n_a > 0)) {
        return mn_fail(ctx, MN_INTERNAL, "a pass with gradients needs room for them");
    }
    if (!(pass->progress >= 0 && pass->progress <= 1)) {
        return mn_fail(ctx, MN_INTERNAL, "progress %g is not in 0..1", pass->progress);
    }
    return MN_OK;
}

static void hand_out(const struct nas_run *run, struct mn_outcome *out) {
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

static int gradients(struct nas_run *run, struct mn_ctx *ctx, struct mn_outcome *out) {
    if (!wants_gradients(run->pass)) {
        return MN_OK;
    }
    backward(run);
    if (run->status != MN_OK) {
        run->ws->plan = -1;
        return run->status;
    }
    if ((run->pass->flags & MN_PASS_GRAD_A) != 0 && run->model->dims.n_a > 0) {
        return nas_mix_backward(run->ws, ctx, run->pass, out->d_a);
    }
    return MN_OK;
}

int nas_model_pass(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_point *at,
                   const struct mn_set *batch, const struct mn_pass *pass, struct mn_outcome *out) {
    int status = check(ctx, model, batch, pass, out);
    if (status != MN_OK) {
        return status;
    }
    struct nas_run run = {.model = model,
                          .ws = nas_ctx_of(ctx)->workspace,
                          .k = model->kernels,
                          .w = at->w,
                          .d_w = (pass->flags & MN_PASS_GRAD_W) != 0 ? out->d_w : NULL,
                          .pass = pass,
                          .plan = wants_gradients(pass) ? NAS_PLAN_FULL : NAS_PLAN_FORWARD,
                          .n = batch->n,
                          .ctx = ctx};
    out->skip_share = 0;
    status = nas_mix_forward(run.ws, ctx, at->a, pass, &out->skip_share);
    if (status != MN_OK) {
        return status;
    }
    set_drops(&run, ctx);
    run.poison = run.ws->poison > 0;
    run.ws->poison -= run.poison;
    forward(&run, batch);
    if (run.status != MN_OK) {
        run.ws->plan = -1;
        return run.status;
    }
    nas_head_forward(&run, batch->labels, &out->loss, &out->hits);
    hand_out(&run, out);
    if (!isfinite(out->loss)) {
        run.ws->plan = -1;
        return mn_fail(ctx, MN_NUMERIC, "the loss is %g", fabs(out->loss)); /* no "-nan" */
    }
    return gradients(&run, ctx, out);
}
