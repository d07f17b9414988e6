/* SPDX-License-Identifier: MIT */
/* Adam on weights and architecture together, its rates falling within each task along half a cosine
 * (Loshchilov and Hutter, ICLR 2017). Every task starts with moments of zero. */
#include <metanas/plugin.h>

struct learner {
    int64_t steps, test_steps, batch;
    double lr_w, lr_a, lr_min, beta1, beta2;
};

/* One task. */
struct run {
    const struct learner *self;
    struct mn_ctx *ctx;
    const struct mn_model *model;
    struct mn_dims dims;
    struct mn_point *params, d, m, v;
    int64_t steps;
};

static int64_t steps(const void *self, const struct mn_where *where) {
    const struct learner *s = self;
    return where->split == MN_TRAIN ? s->steps : s->test_steps;
}

static int32_t max_batch(const void *self) {
    return (int32_t)((const struct learner *)self)->batch;
}

/* From 1 in the first step to lr_min after the last. */
static double factor(const struct run *run, int64_t step) {
    const double done = (double)step / (double)run->steps, least = run->self->lr_min;
    return least + 0.5 * (1 - least) * (1 + cos(acos(-1) * done));
}

static void update(struct run *run, int64_t step) {
    const struct learner *s = run->self;
    struct mn_adam adam = {.beta1 = s->beta1, .beta2 = s->beta2, .eps = 1e-8};
    adam.lr = s->lr_w * factor(run, step);
    mn_vec_adam(run->dims.n_w, &adam, (double)(step + 1), run->d.w, run->m.w, run->v.w,
                run->params->w);
    adam.lr = s->lr_a * factor(run, step);
    mn_vec_adam(run->dims.n_a, &adam, (double)(step + 1), run->d.a, run->m.a, run->v.a,
                run->params->a);
}

static int do_step(struct run *run, const struct mn_task *task, int64_t step) {
    struct mn_set batch;
    struct mn_outcome out = {.size = sizeof out, .d_w = run->d.w, .d_a = run->d.a};
    const uint32_t architecture = run->dims.n_a > 0 ? MN_PASS_GRAD_A : 0;
    const struct mn_pass pass = {.size = sizeof pass,
                                 .flags = MN_PASS_TRAINING | MN_PASS_GRAD_W | architecture,
                                 .progress =
                                     run->steps > 1 ? (double)step / (double)(run->steps - 1) : 1,
                                 .step = step};
    if (mn_cancelled(run->ctx)) {
        return mn_fail(run->ctx, MN_CANCELLED, "stopped before step %d", (int)step);
    }
    int status = mn_task_batch(run->ctx, task, step, (int32_t)run->self->batch, &batch);
    if (status == MN_OK) {
        status = mn_model_pass(run->ctx, run->model, run->params, &batch, &pass, &out);
    }
    if (status != MN_OK) {
        return status;
    }
    update(run, step);
    return mn_step_done(run->ctx, step, out.loss, (double)out.hits / batch.n, out.skip_share,
                        run->params);
}

/* n_w + n_a reals of scratch, zeroed. */
static int take(struct run *run, struct mn_point *out) {
    const int64_t n = run->dims.n_w + run->dims.n_a;
    out->w = mn_scratch(run->ctx, (size_t)n * sizeof *out->w);
    if (out->w == NULL) {
        return MN_NOMEM;
    }
    out->a = out->w + run->dims.n_w;
    mn_vec_fill(n, 0, out->w);
    return MN_OK;
}

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    struct run run = {.self = self, .ctx = ctx, .model = model, .params = params};
    int status = mn_model_dims(ctx, model, &run.dims);
    struct mn_point *const taken[] = {&run.d, &run.m, &run.v};
    for (int i = 0; status == MN_OK && i < 3; i++) {
        status = take(&run, taken[i]);
    }
    run.steps = mn_task_steps(ctx, task, steps(self, &ctx->where));
    for (int64_t step = 0; status == MN_OK && step < run.steps; step++) {
        status = do_step(&run, task, step);
    }
    return status;
}

static const struct mn_task_learner table = {
    .size = sizeof table, .max_batch = max_batch, .steps = steps, .adapt = adapt};

static const struct mn_opt options[] = {
    MN_INT(struct learner, steps, 5, 0, 1000000, "steps of a task of meta-training"),
    MN_INT_FLAGS(struct learner, test_steps, 10, 0, 1000000, MN_OPT_EVALUATION,
                 "steps of a task of evaluation"),
    MN_INT(struct learner, batch, 0, 0, 100000, "images of a step; 0 = the whole support set"),
    MN_REAL(struct learner, lr_w, 0.005, 0, 1e12, "learning rate of the weights"),
    MN_REAL(struct learner, lr_a, 0.01, 0, 1e12, "learning rate of the architecture"),
    MN_REAL(struct learner, lr_min, 0, 0, 1, "what both fall to, as a fraction"),
    MN_REAL_OPEN(struct learner, beta1, 0.9, 0, 1, MN_OPT_OPEN_MAX, "decay of the mean"),
    MN_REAL_OPEN(struct learner, beta2, 0.999, 0, 1, MN_OPT_OPEN_MAX, "decay of the square"),
};

MN_PLUGIN("adam_cosine", "0.1.0",
          MN_UNIT(MN_TASK_LEARNER, "adam_cosine", "Adam with rates that fall along half a cosine",
                  struct learner, options, &table))
