/* SPDX-License-Identifier: MIT */
/* Plain gradient descent on the weights; the architecture stays as it is. */
#include "../common/hessian.h"
#include "../common/rates.h"

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
    struct mn_ctx *ctx;
    const struct mn_model *model;
    struct mn_dims dims;
    struct mn_point *params;
    int64_t steps;
    mn_real *velocity; /* NULL where momentum is 0 */
    mn_real *d_w;
    struct rates rates;
};

static int64_t steps(const void *self, const struct mn_where *where) {
    const struct sgd *s = self;
    return evaluating(where) ? s->test_steps : s->steps;
}

static double lr_of(const struct run *run) {
    const struct sgd *s = run->self;
    return evaluating(&run->ctx->where) && s->test_lr >= 0 ? s->test_lr : s->lr;
}

static int begin(struct run *run, const struct mn_task *task) {
    const int status = mn_model_dims(run->ctx, run->model, &run->dims);
    if (status != MN_OK) {
        return status;
    }
    run->steps = mn_task_steps(run->ctx, task, steps(run->self, &run->ctx->where));
    run->d_w = mn_scratch(run->ctx, (size_t)run->dims.n_w * sizeof *run->d_w);
    return run->d_w != NULL ? MN_OK : MN_NOMEM;
}

static int batch_of(const struct run *run, const struct mn_task *task, int64_t step,
                    struct mn_set *out) {
    const int64_t n = evaluating(&run->ctx->where) ? run->self->test_batch : run->self->batch;
    return mn_task_batch(run->ctx, task, step, (int32_t)n, out);
}

static struct mn_pass pass_of(const struct run *run, int64_t step) {
    return (struct mn_pass){.size = sizeof(struct mn_pass),
                            .flags = MN_PASS_TRAINING,
                            .progress =
                                run->steps > 1 ? (double)step / (double)(run->steps - 1) : 0,
                            .step = step};
}

/* d_w = the gradient with weight decay. */
static int gradient(struct run *run, const struct mn_point *at, const struct mn_set *batch,
                    int64_t step, struct mn_outcome *out) {
    struct mn_pass pass = pass_of(run, step);
    pass.flags |= MN_PASS_GRAD_W;
    *out = (struct mn_outcome){.size = sizeof *out, .d_w = run->d_w};
    const int status = mn_model_pass(run->ctx, run->model, at, batch, &pass, out);
    if (status == MN_OK) {
        mn_vec_axpy(run->dims.n_w, (mn_real)run->self->weight_decay, at->w, run->d_w);
    }
    return status;
}

static int update(struct run *run) {
    const struct sgd *s = run->self;
    const mn_real *direction = run->velocity != NULL ? run->velocity : run->d_w;
    for (int64_t i = 0; run->velocity != NULL && i < run->dims.n_w; i++) {
        run->velocity[i] = (mn_real)s->momentum * run->velocity[i] + run->d_w[i];
    }
    rates_note(&run->rates, 0, run->dims.n_w, run->params->w);
    mn_vec_sgd(run->dims.n_w, lr_of(run), direction, run->params->w);
    return rates_apply(&run->rates, 0, run->dims.n_w, run->params->w);
}

static int do_step(struct run *run, const struct mn_task *task, int64_t step) {
    struct mn_set batch;
    struct mn_outcome out;
    if (mn_cancelled(run->ctx)) {
        return mn_fail(run->ctx, MN_CANCELLED, "stopped before step %" PRId64, step);
    }
    int status = rates_begin(&run->rates, run->ctx, &run->dims, step);
    if (status == MN_OK) {
        status = batch_of(run, task, step, &batch);
    }
    if (status == MN_OK) {
        status = gradient(run, run->params, &batch, step, &out);
    }
    if (status == MN_OK) {
        status = update(run);
    }
    if (status != MN_OK) {
        return status;
    }
    return mn_step_done(run->ctx, step, out.loss, (double)out.hits / batch.n, out.skip_share,
                        run->params);
}

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    struct run run = {.self = self, .ctx = ctx, .model = model, .params = params};
    int status = begin(&run, task);
    run.velocity = run.self->momentum > 0 ? state : NULL;
    if (status == MN_OK && run.velocity != NULL) {
        mn_vec_fill(run.dims.n_w, 0, run.velocity); /* a task never starts with old momentum */
    }
    for (int64_t step = 0; status == MN_OK && step < run.steps; step++) {
        status = do_step(&run, task, step);
    }
    return status;
}

/* ---- one step in reverse ------------------------------------------------------------------ */

/* The velocity before the step, or NULL. */
static const mn_real *velocity_before(const struct sgd *s, const struct mn_step *step) {
    return s->momentum > 0 && step->step > 0 ? step->state : NULL;
}

/* b' of the step, of which run->d_w holds the gradient. */
static double velocity_after(const struct run *run, const mn_real *old, int64_t i) {
    return (double)run->d_w[i] + (old != NULL ? run->self->momentum * (double)old[i] : 0);
}

/* The update as `adapt` proposed it. */
static void propose_again(struct run *run, const struct mn_step *step) {
    const mn_real *old = velocity_before(run->self, step), *factors = run->rates.factors.w;
    const double lr = lr_of(run);
    for (int64_t i = 0; i < run->dims.n_w; i++) {
        const double factor = factors != NULL ? (double)factors[i] : 1;
        run->rates.u[i] = (mn_real)(-factor * lr * velocity_after(run, old, i));
    }
}

/* Of g = gradient + decay w, b' = momentum b + g and u = -factor lr b', where w' = w + u unless a
 * meta learner shapes it: run->d_w becomes the derivative with regard to g. */
static void step_adjoint(struct run *run, const struct mn_step *step, const mn_real *d_u,
                         struct mn_adjoint *io) {
    const struct sgd *s = run->self;
    const mn_real *factors = run->rates.factors.w;
    const mn_real *old = velocity_before(s, step);
    const double lr = lr_of(run);
    for (int64_t i = 0; i < run->dims.n_w; i++) {
        const double d_after = (double)d_u[i];
        if (io->d_rates.w != NULL) {
            io->d_rates.w[i] = (mn_real)(-d_after * lr * velocity_after(run, old, i));
        }
        const double factor = factors != NULL ? (double)factors[i] : 1;
        double d_b = -d_after * lr * factor;
        if (s->momentum > 0) {
            d_b += (double)io->d_state[i];
            io->d_state[i] = (mn_real)(s->momentum * d_b);
        }
        run->d_w[i] = (mn_real)d_b;
    }
}

static int through_gradient(struct run *run, const struct mn_step *step, const struct mn_set *batch,
                            struct mn_adjoint *io) {
    const int64_t n_w = run->dims.n_w, n_a = run->dims.n_a;
    const struct mn_pass pass = pass_of(run, step->step);
    const struct mn_point v = {run->d_w, NULL};
    struct mn_point second = {mn_scratch(run->ctx, (size_t)n_w * sizeof(mn_real)), NULL};
    struct hessian h = {.ctx = run->ctx,
                        .model = run->model,
                        .dims = &run->dims,
                        .at = &step->before,
                        .batch = batch,
                        .pass = &pass,
                        .epsilon = io->epsilon};
    second.a = n_a > 0 ? mn_scratch(run->ctx, (size_t)n_a * sizeof(mn_real)) : NULL;
    if (second.w == NULL || (n_a > 0 && second.a == NULL) || hessian_room(&h) != MN_OK) {
        return MN_NOMEM;
    }
    const int status = hessian_times(&h, &v, &second);
    if (status == MN_OK) {
        mn_vec_axpy(n_w, (mn_real)run->self->weight_decay, run->d_w, io->d.w);
        mn_vec_axpy(n_w, 1, second.w, io->d.w);
        mn_vec_axpy(n_a, 1, second.a, io->d.a);
    }
    return status;
}

static int adjoint(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                   const struct mn_task *task, const struct mn_step *step, struct mn_adjoint *io) {
    struct run run = {.self = self, .ctx = ctx, .model = model};
    struct mn_set batch;
    struct mn_outcome out;
    const int first_order = (io->flags & MN_ADJOINT_FIRST_ORDER) != 0;
    int status = begin(&run, task);
    if (status == MN_OK) {
        status = rates_begin(&run.rates, ctx, &run.dims, step->step);
    }
    if (status == MN_OK) {
        status = batch_of(&run, task, step->step, &batch);
    }
    const int shaped = rates_shaped(&run.rates, 0);
    const mn_real *d_u;
    if (status == MN_OK && (io->d_rates.w != NULL || shaped)) {
        status = gradient(&run, &step->before, &batch, step->step, &out);
    }
    if (status == MN_OK && shaped) {
        propose_again(&run, step);
    }
    if (status == MN_OK) {
        status = rates_back(&run.rates, 0, run.dims.n_w, step->before.w, io->d.w, &d_u);
    }
    if (status != MN_OK) {
        return status;
    }
    mn_vec_fill(io->d_rates.a != NULL ? run.dims.n_a : 0, 0, io->d_rates.a);
    step_adjoint(&run, step, d_u, io);
    return first_order ? MN_OK : through_gradient(&run, step, &batch, io);
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
    const int32_t most = (int32_t)(s->batch > s->test_batch ? s->batch : s->test_batch);
    return s->batch == 0 || s->test_batch == 0 ? -most : most;
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
    .adjoint = adjoint,
};

static const struct mn_opt options[] = {
    MN_INT(struct sgd, steps, 5, 0, 1000000, "steps of a task of meta-training"),
    MN_INT_FLAGS(struct sgd, test_steps, 50, 0, 1000000, MN_OPT_EVALUATION,
                 "steps of a task of evaluation"),
    MN_INT(struct sgd, batch, 20, 0, 100000,
           "images of a mini-batch in meta-training; 0 = the whole support set"),
    MN_INT_FLAGS(struct sgd, test_batch, 10, 0, 100000, MN_OPT_EVALUATION,
                 "the same in evaluation"),
    MN_REAL(struct sgd, lr, 0.01, 0, 1e12, "learning rate"),
    MN_REAL_FLAGS(struct sgd, test_lr, -1, -1, 1e12, MN_OPT_EVALUATION,
                  "lr in evaluation; negative = the same"),
    MN_REAL_OPEN(struct sgd, momentum, 0, 0, 1, MN_OPT_OPEN_MAX,
                 "momentum within a task; it starts from zero in each"),
    MN_REAL(struct sgd, weight_decay, 0, 0, 1e6, "L2 decay"),
};

MN_PLUGIN("sgd", "0.1.0",
          MN_UNIT(MN_TASK_LEARNER, "sgd", "gradient descent on the weights, architecture fixed",
                  struct sgd, options, &learner))
