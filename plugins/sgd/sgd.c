/* SPDX-License-Identifier: MIT */
/* Plain gradient descent on the weights; the architecture stays as it is. */
#include <metanas/plugin.h>

#include <inttypes.h>

struct sgd {
    int64_t steps, test_steps, batch, test_batch;
    double lr, test_lr, momentum, weight_decay;
};

static int evaluating(const struct mn_where *where) {
    return where->split != MN_TRAIN;
}

/* One task. */
struct run {
    const struct sgd *self;
    struct mn_cx *cx;
    const struct mn_model *model;
    struct mn_dims dims;
    struct mn_point *params;
    int64_t steps;
    mn_real *velocity; /* NULL where momentum is 0 */
    mn_real *d_w;
};

static int64_t steps(const void *self, const struct mn_where *where) {
    const struct sgd *s = self;
    return evaluating(where) ? s->test_steps : s->steps;
}

static double lr_of(const struct run *run) {
    const struct sgd *s = run->self;
    return evaluating(&run->cx->where) && s->test_lr >= 0 ? s->test_lr : s->lr;
}

static void update(struct run *run) {
    const struct sgd *s = run->self;
    mn_vec_axpy(run->dims.n_w, (mn_real)s->weight_decay, run->params->w, run->d_w);
    if (run->velocity == NULL) {
        mn_vec_sgd(run->dims.n_w, lr_of(run), run->d_w, run->params->w);
        return;
    }
    for (int64_t i = 0; i < run->dims.n_w; i++) {
        run->velocity[i] = (mn_real)s->momentum * run->velocity[i] + run->d_w[i];
    }
    mn_vec_sgd(run->dims.n_w, lr_of(run), run->velocity, run->params->w);
}

static int do_step(struct run *run, const struct mn_task *task, int64_t step) {
    const int64_t n = evaluating(&run->cx->where) ? run->self->test_batch : run->self->batch;
    struct mn_set batch;
    struct mn_outcome out = {.size = sizeof out, .d_w = run->d_w};
    const struct mn_pass pass = {.size = sizeof pass,
                                 .flags = MN_PASS_TRAINING | MN_PASS_GRAD_W,
                                 .progress =
                                     run->steps > 1 ? (double)step / (double)(run->steps - 1) : 0,
                                 .step = step};
    if (mn_cancelled(run->cx)) {
        return mn_fail(run->cx, MN_CANCELLED, "stopped before step %" PRId64, step);
    }
    int status = mn_task_batch(run->cx, task, step, (int32_t)n, &batch);
    if (status == MN_OK) {
        status = mn_model_pass(run->cx, run->model, run->params, &batch, &pass, &out);
    }
    if (status != MN_OK) {
        return status;
    }
    update(run);
    return mn_step_done(run->cx, step, out.loss, (double)out.hits / batch.n, out.skip_share,
                        run->params);
}

static int adapt(const void *self, struct mn_cx *cx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    struct run run = {.self = self, .cx = cx, .model = model, .params = params};
    int status = mn_model_dims(cx, model, &run.dims);
    if (status != MN_OK) {
        return status;
    }
    run.steps = mn_task_steps(cx, task, steps(self, &cx->where));
    run.velocity = run.self->momentum > 0 ? state : NULL;
    if (run.velocity != NULL) {
        mn_vec_fill(run.dims.n_w, 0, run.velocity); /* a task never starts with old momentum */
    }
    run.d_w = mn_scratch(cx, (size_t)run.dims.n_w * sizeof *run.d_w);
    if (run.d_w == NULL) {
        return MN_NOMEM;
    }
    for (int64_t step = 0; status == MN_OK && step < run.steps; step++) {
        status = do_step(&run, task, step);
    }
    return status;
}

static int64_t n_state(const void *self, const struct mn_dims *dims) {
    const struct sgd *s = self;
    return s->momentum > 0 ? dims->n_w : 0;
}

static int moments(const void *self) {
    return MN_MOMENTS_RESET;
}

static int32_t max_batch(const void *self) {
    const struct sgd *s = self;
    if (s->batch == 0 || s->test_batch == 0) {
        return 0;
    }
    return (int32_t)(s->batch > s->test_batch ? s->batch : s->test_batch);
}

static uint32_t adapts(const void *self, const struct mn_where *where) {
    return MN_ADAPTS_W;
}

static const struct mn_task_learner learner = {
    .size = sizeof learner,
    .n_state = n_state,
    .moments = moments,
    .max_batch = max_batch,
    .adapts = adapts,
    .steps = steps,
    .adapt = adapt,
};

static const struct mn_opt options[] = {
    MN_INT(struct sgd, steps, 5, 0, 1000000, "steps of a task of meta-training"),
    MN_INT(struct sgd, test_steps, 50, 0, 1000000, "steps of a task of evaluation"),
    MN_INT(struct sgd, batch, 20, 0, 100000,
           "images of a mini-batch in meta-training; 0 = the whole support set"),
    MN_INT(struct sgd, test_batch, 10, 0, 100000, "the same in evaluation"),
    MN_REAL(struct sgd, lr, 0.01, 0, 1e12, "learning rate"),
    MN_REAL(struct sgd, test_lr, -1, -1, 1e12, "lr in evaluation; negative = the same"),
    MN_REAL_OPEN(struct sgd, momentum, 0, 0, 1, MN_OPT_OPEN_MAX,
                 "momentum within a task; it starts from zero in each"),
    MN_REAL(struct sgd, weight_decay, 0, 0, 1e6, "L2 decay"),
};

MN_PLUGIN("sgd", "0.1.0",
          MN_UNIT(MN_TASK_LEARNER, "sgd", "gradient descent on the weights, architecture fixed",
                  struct sgd, options, &learner))
