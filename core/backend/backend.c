/* SPDX-License-Identifier: MIT */
#include "backend/backend.h"

#include "backend/cpu/kernels/kernel.h"
#include "backend/cpu/pass.h"
#include "network/drop_path.h"
#include "network/mixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the tests, which link it: plain loops. */
extern const struct nas_backend nas_backend_reference __attribute__((weak));

const struct nas_backend *nas_backend_find(const char *name) {
    const struct nas_backend *const all[] = {&nas_backend_cpu, &nas_backend_reference};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i] != NULL && strcmp(all[i]->name, name) == 0) {
            return all[i];
        }
    }
    return NULL;
}

const char *nas_backend_names(void) {
    return &nas_backend_reference != NULL ? "cpu, reference" : "cpu";
}

/* ---- models ------------------------------------------------------------------------------- */

int nas_model_new(struct mn_ctx *ctx, const struct nas_network_units *units,
                  const struct mn_dims *dims, const struct nas_backend *backend,
                  const struct nas_kernels *kernels, struct mn_model **out) {
    struct mn_model *m;
    TRY(nas_gemm_init(ctx)); /* heads multiply with it */
    TRY(nas_network_new(ctx, units, dims, &m));
    m->backend = backend;
    const int status = backend->prepare(ctx, m, kernels, &m->plan);
    if (status != MN_OK) {
        nas_network_free(m);
        return status;
    }
    *out = m;
    return MN_OK;
}

void nas_model_free(struct mn_model *model) {
    if (model != NULL) {
        model->backend->free(model->plan);
        nas_network_free(model);
    }
}

/* ---- workspaces --------------------------------------------------------------------------- */

int nas_workspace_reserve(struct mn_ctx *ctx, const struct mn_model *model, int workspaces) {
    return model->backend->reserve != NULL ? model->backend->reserve(ctx, workspaces) : MN_OK;
}

size_t nas_model_workspace_bytes(const struct mn_model *model) {
    return model->backend->lane_bytes(model->plan) + nas_classifier_bytes(model);
}

size_t nas_model_unfilled_bytes(const struct mn_model *model) {
    return model->backend->unfilled_bytes(model->plan);
}

int nas_workspace_new(struct mn_ctx *ctx, const struct mn_model *m, struct nas_workspace **out) {
    struct nas_workspace *ws = calloc(1, sizeof *ws);
    if (ws == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a worker");
    }
    ws->model = m;
    int status = nas_mix_new(m, &ws->arena, &ws->mix);
    if (status == MN_OK) {
        status = nas_classifier_new(ctx, m, &ws->arena, &ws->classifier);
    }
    if (m->drop_path > 0) {
        ws->drop = nas_arena_array(&ws->arena, (size_t)m->n_paths * (size_t)m->dims.max_batch,
                                   sizeof *ws->drop);
    }
    if (status != MN_OK || (m->drop_path > 0 && ws->drop == NULL)) {
        status = mn_fail(ctx, MN_NOMEM, "no memory for a worker");
    } else {
        status = m->backend->lane_new(ctx, m->plan, &ws->lane);
    }
    if (status != MN_OK) {
        nas_workspace_free(ws);
        return status;
    }
    *out = ws;
    return MN_OK;
}

void nas_workspace_free(struct nas_workspace *ws) {
    if (ws != NULL) {
        ws->model->backend->lane_free(ws->lane);
        nas_arena_fini(&ws->arena);
        free(ws);
    }
}

/* ---- passes ------------------------------------------------------------------------------- */

/* Images that a pass may hold. */
static int32_t room(const struct mn_model *m, const struct mn_pass *pass) {
    return (pass->flags & (MN_PASS_GRAD_W | MN_PASS_GRAD_A | MN_PASS_TRAINING)) != 0
               ? m->dims.max_batch
               : m->dims.max_predictions;
}

static int check(struct mn_ctx *ctx, const struct mn_model *m, const struct mn_set *batch,
                 const struct mn_pass *pass, const struct mn_outcome *out) {
    /* The structs that a plugin fills say by their size that all of them was begun. */
    if (pass->size != sizeof *pass || out->size != sizeof *out) {
        return mn_fail(ctx, MN_INTERNAL,
                       "mn_model_pass: the size of mn_pass is %u and that of mn_outcome %u; they "
                       "begin with .size = sizeof, which is %zu and %zu",
                       pass->size, out->size, sizeof *pass, sizeof *out);
    }
    if (nas_ctx_of(ctx)->workspace == NULL || nas_ctx_of(ctx)->workspace->model != m) {
        return mn_fail(ctx, MN_INTERNAL, "a model pass outside a worker of that model");
    }
    if (batch->n < 1 || batch->n > room(m, pass)) {
        return mn_fail(ctx, MN_INTERNAL, "a batch of %d images; this model holds 1 to %d", batch->n,
                       room(m, pass));
    }
    const int alone = (pass->flags & MN_PASS_FEATURES) != 0;
    const int gradients = (pass->flags & (MN_PASS_GRAD_W | MN_PASS_GRAD_A)) != 0;
    if ((pass->d_features != NULL) != (alone && gradients) || (alone && out->logits != NULL)) {
        return mn_fail(ctx, MN_INTERNAL,
                       "mn_model_pass: d_features is for passes with MN_PASS_FEATURES and "
                       "gradients, which need it; logits is for passes without that flag");
    }
    for (int i = 0; !alone && i < batch->n; i++) {
        if (batch->labels[i] < 0 || batch->labels[i] >= m->dims.ways) {
            return mn_fail(ctx, MN_INTERNAL, "label %d of image %d is not in 0..%d",
                           batch->labels[i], i, m->dims.ways - 1);
        }
    }
    if (((pass->flags & MN_PASS_GRAD_W) != 0 && out->d_w == NULL) ||
        ((pass->flags & MN_PASS_GRAD_A) != 0 && out->d_a == NULL && m->dims.n_a > 0)) {
        return mn_fail(ctx, MN_INTERNAL, "a pass with gradients needs room for them");
    }
    const struct mn_cost *cost = pass->cost;
    if (cost != NULL && (cost->size != sizeof *cost || cost->of < MN_COST_PARAMETERS ||
                         cost->of > MN_COST_LATENCY || !(cost->weight >= 0 && cost->budget >= 0) ||
                         !isfinite(cost->weight) || !isfinite(cost->budget))) {
        return mn_fail(ctx, MN_INTERNAL,
                       "mn_model_pass: a cost of size %u, of %d, with weight %g and budget %g",
                       cost->size, cost->of, cost->weight, cost->budget);
    }
    if (cost != NULL && cost->of == MN_COST_LATENCY && m->units.latencies == NULL) {
        return mn_fail(ctx, MN_CONFIG,
                       "a cost of latency, but run.latency names no table of times: 'metanas "
                       "bench-ops' measures one");
    }
    if (!(pass->progress >= 0 && pass->progress <= 1)) {
        return mn_fail(ctx, MN_INTERNAL, "progress %g is not in 0..1", pass->progress);
    }
    return MN_OK;
}

int nas_service_model_pass(struct mn_ctx *ctx, const struct mn_model *m, const struct mn_point *at,
                           const struct mn_set *batch, const struct mn_pass *given,
                           struct mn_outcome *out) {
    TRY(check(ctx, m, batch, given, out));
    struct nas_workspace *ws = nas_ctx_of(ctx)->workspace;
    struct nas_classifier *classifier = &ws->classifier;
    const int alone = (given->flags & MN_PASS_FEATURES) != 0;
    struct mn_set all;
    TRY(nas_classifier_images(classifier, ctx, batch, alone ? NULL : given->support, room(m, given),
                              &all));
    struct mn_pass with_keep = *given;
    const struct mn_pass *options = &with_keep;
    with_keep.keep = given->keep != NULL ? given->keep : ws->keep;
    struct nas_pass pass = {.ctx = ctx,
                            .options = options,
                            .batch = &all,
                            .w = at->w,
                            .mix = ws->mix,
                            .gradients = (options->flags & (MN_PASS_GRAD_W | MN_PASS_GRAD_A)) != 0,
                            .d_w = (options->flags & MN_PASS_GRAD_W) != 0 ? out->d_w : NULL,
                            .features = classifier->features};
    out->skip_share = out->cost = 0;
    TRY(nas_mix_forward(ws->mix, ctx, at->a, options, &out->skip_share));
    if (out->mixture != NULL) {
        memcpy(out->mixture, ws->mix->mixed, (size_t)m->dims.n_choices * sizeof *out->mixture);
    }
    if (nas_drop_path_draw(m, ctx, options, all.n, ws->drop)) {
        pass.drop = ws->drop;
    }
    if (pass.d_w != NULL) {
        memset(pass.d_w, 0, (size_t)m->dims.n_w * sizeof *pass.d_w);
    }
    TRY(m->backend->forward(ws->lane, &pass));
    if (alone) {
        nas_classifier_features(classifier, batch->n, out);
    } else {
        TRY(nas_classifier_pass(classifier, ctx, at->w, batch, &all, options, pass.gradients,
                                pass.d_w, out));
    }
    out->loss += ws->mix->penalty;
    if (pass.gradients) {
        TRY(m->backend->backward(ws->lane, &pass,
                                 alone ? options->d_features : classifier->d_features));
    }
    if (options->cost != NULL) {
        TRY(nas_mix_cost(ws->mix, ctx, at->a, options->cost, &out->cost));
    }
    return (options->flags & MN_PASS_GRAD_A) != 0 && m->dims.n_a > 0
               ? nas_mix_backward(ws->mix, ctx, options, out->d_a)
               : MN_OK;
}
