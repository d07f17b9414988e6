/* SPDX-License-Identifier: MIT */
/* Gradient descent on weights and architecture together, the norm of the gradient limited:
 * w -= lr_w c dL/dw, a -= lr_a c dL/da, c = min(1, clip / |dL/d(w, a)|). */
#include <metanas/plugin.h>

struct learner {
    int64_t steps, test_steps, batch;
    double lr_w, lr_a, clip;
};

static int64_t steps(const void *self, const struct mn_where *where) {
    const struct learner *s = self;
    return where->split == MN_TRAIN ? s->steps : s->test_steps;
}

static int32_t max_batch(const void *self) {
    return (int32_t)((const struct learner *)self)->batch;
}

static void descend(const struct learner *s, const struct mn_dims *dims, const struct mn_point *d,
                    struct mn_point *params) {
    const double norm = sqrt(mn_vec_dot(dims->n_w, d->w, d->w) + mn_vec_dot(dims->n_a, d->a, d->a));
    const double factor = norm > s->clip ? s->clip / norm : 1;
    mn_vec_sgd(dims->n_w, s->lr_w * factor, d->w, params->w);
    mn_vec_sgd(dims->n_a, s->lr_a * factor, d->a, params->a);
}

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    const struct learner *s = self;
    struct mn_dims dims;
    int status = mn_model_dims(ctx, model, &dims);
    if (status != MN_OK) {
        return status;
    }
    struct mn_point d = {.w = mn_scratch(ctx, (size_t)(dims.n_w + dims.n_a) * sizeof(mn_real))};
    if (d.w == NULL) {
        return MN_NOMEM;
    }
    d.a = d.w + dims.n_w;
    const int64_t n = mn_task_steps(ctx, task, steps(self, &ctx->where));
    struct mn_pass pass = {.size = sizeof pass, .flags = MN_PASS_TRAINING | MN_PASS_GRAD_W};
    pass.flags |= dims.n_a > 0 ? MN_PASS_GRAD_A : 0u;
    for (pass.step = 0; status == MN_OK && pass.step < n; pass.step++) {
        struct mn_outcome out = {.size = sizeof out, .d_w = d.w, .d_a = d.a};
        struct mn_set batch;
        pass.progress = n > 1 ? (double)pass.step / (double)(n - 1) : 1;
        if (mn_cancelled(ctx)) {
            return mn_fail(ctx, MN_CANCELLED, "stopped before step %d", (int)pass.step);
        }
        status = mn_task_batch(ctx, task, pass.step, (int32_t)s->batch, &batch);
        status = status != MN_OK ? status : mn_model_pass(ctx, model, params, &batch, &pass, &out);
        if (status == MN_OK) {
            descend(s, &dims, &d, params);
            status = mn_step_done(ctx, pass.step, out.loss, (double)out.hits / batch.n,
                                  out.skip_share, params);
        }
    }
    return status;
}

static const struct mn_task_learner table = {
    .size = sizeof table, .max_batch = max_batch, .steps = steps, .adapt = adapt};

static const struct mn_opt options[] = {
    MN_INT(struct learner, steps, 5, 0, 1000000, "steps of a task of meta-training"),
    MN_INT_FLAGS(struct learner, test_steps, 10, 0, 1000000, MN_OPT_EVALUATION,
                 "steps of a task of evaluation"),
    MN_INT(struct learner, batch, 5, 0, 100000, "images of a step; 0 = the whole support set"),
    MN_REAL(struct learner, lr_w, 0.05, 0, 1e12, "learning rate of the weights"),
    MN_REAL(struct learner, lr_a, 0.1, 0, 1e12, "learning rate of the architecture"),
    MN_REAL_OPEN(struct learner, clip, 5, 0, 1e12, MN_OPT_OPEN_MIN, "largest gradient norm"),
};

MN_PLUGIN("@NAME@", "0.1.0",
          MN_UNIT(MN_TASK_LEARNER, "@NAME@", "gradient descent on weights and architecture",
                  struct learner, options, &table))
