/* SPDX-License-Identifier: MIT */
#ifndef METANAS_EXTRA_SGD_H
#define METANAS_EXTRA_SGD_H

/* Gradient descent on the weights, or on part of them, for task learners: the steps of a task and
 * their exact way back. struct mn_sgd stands first in the instance. C11. */

#include "hessian.h"
#include "rates.h"

struct mn_sgd {
    int64_t steps, test_steps, batch, test_batch;
    double lr, test_lr, momentum, weight_decay;
};

#define MN_SGD_OPTIONS                                                                             \
    MN_INT(struct mn_sgd, steps, 5, 0, 1000000, "steps of a task of meta-training"),               \
        MN_INT_FLAGS(struct mn_sgd, test_steps, 50, 0, 1000000, MN_OPT_EVALUATION,                 \
                     "steps of a task of evaluation"),                                             \
        MN_INT(struct mn_sgd, batch, 20, 0, 100000,                                                \
               "images of a mini-batch in meta-training; 0 = the whole support set"),              \
        MN_INT_FLAGS(struct mn_sgd, test_batch, 10, 0, 100000, MN_OPT_EVALUATION,                  \
                     "the same in evaluation"),                                                    \
        MN_REAL(struct mn_sgd, lr, 0.01, 0, 1e12, "learning rate"),                                \
        MN_REAL_FLAGS(struct mn_sgd, test_lr, -1, -1, 1e12, MN_OPT_EVALUATION,                     \
                      "lr in evaluation; negative = the same"),                                    \
        MN_REAL_OPEN(struct mn_sgd, momentum, 0, 0, 1, MN_OPT_OPEN_MAX,                            \
                     "momentum within a task; it starts from zero in each"),                       \
        MN_REAL(struct mn_sgd, weight_decay, 0, 0, 1e6, "L2 decay")

/* Which weights adapt: mask[n_w] = 1, and 0 for the others. NULL in place of the function: all do.
 * `self` is the instance. [worker] */
typedef int (*mn_sgd_mask)(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                           mn_real *mask);

/* For masks: 1 for the tensors of w whose name begins with `begin` and ends with `end`, 0 for the
 * others. Returns their number, or -1 with a message. */
static inline int32_t mn_sgd_mark(struct mn_ctx *ctx, const struct mn_model *model,
                                  const char *begin, const char *end, mn_real *mask) {
    const size_t first = strlen(begin), last = strlen(end);
    struct mn_dims dims;
    int32_t n = 0;
    if (mn_model_dims(ctx, model, &dims) != MN_OK) {
        return -1;
    }
    for (int32_t i = 0; i < dims.n_w_segments; i++) {
        struct mn_segment at;
        if (mn_model_segment(ctx, model, 0, i, &at) != MN_OK) {
            return -1;
        }
        const size_t length = strlen(at.name);
        const int is = length >= first && length >= last && strncmp(at.name, begin, first) == 0 &&
                       strcmp(at.name + length - last, end) == 0;
        mn_vec_fill(at.count, (mn_real)is, mask + at.offset);
        n += is;
    }
    return n;
}

/* For `check` of a learner whose mask leaves the head out: meta learner anil, for all or for the
 * weights, lets the head alone adapt. [setup] MN_CONFIG. */
static inline int mn_sgd_needs_body(struct mn_ctx *ctx) {
    static const char *const keys[] = {"meta_learner.use", "meta_learner.weights.use"};
    for (int i = 0; i < 2; i++) {
        const char *meta_learner = mn_configured(ctx, keys[i]);
        if (meta_learner != NULL && strcmp(meta_learner, "anil") == 0) {
            return mn_bad_option(ctx, "use",
                                 "it does not go with meta_learner anil, which lets the head "
                                 "alone adapt: together nothing would; take maml or fomaml");
        }
    }
    return MN_OK;
}

static inline int mn_sgd_evaluating(const struct mn_where *where) {
    return where->split != MN_TRAIN;
}

/* One task. */
struct mn_sgd_run {
    const struct mn_sgd *self;
    struct mn_ctx *ctx;
    const struct mn_model *model;
    struct mn_dims dims;
    struct mn_point *params;
    int64_t steps;
    mn_real *velocity; /* NULL where momentum is 0 */
    mn_real *d_w;
    mn_real *mask; /* NULL = all weights adapt */
    struct mn_rates rates;
};

static inline int64_t mn_sgd_steps(const void *self, const struct mn_where *where) {
    const struct mn_sgd *s = self;
    return mn_sgd_evaluating(where) ? s->test_steps : s->steps;
}

static inline double mn_sgd_lr_of(const struct mn_sgd_run *run) {
    const struct mn_sgd *s = run->self;
    return mn_sgd_evaluating(&run->ctx->where) && s->test_lr >= 0 ? s->test_lr : s->lr;
}

static inline int mn_sgd_begin(struct mn_sgd_run *run, mn_sgd_mask mask,
                               const struct mn_task *task) {
    const int status = mn_model_dims(run->ctx, run->model, &run->dims);
    if (status != MN_OK) {
        return status;
    }
    run->steps = mn_task_steps(run->ctx, task, mn_sgd_steps(run->self, &run->ctx->where));
    run->d_w = mn_scratch(run->ctx, (size_t)run->dims.n_w * sizeof *run->d_w);
    if (run->d_w == NULL || mask == NULL) {
        return run->d_w != NULL ? MN_OK : MN_NOMEM;
    }
    run->mask = mn_scratch(run->ctx, (size_t)run->dims.n_w * sizeof *run->mask);
    return run->mask != NULL ? mask(run->self, run->ctx, run->model, run->mask) : MN_NOMEM;
}

static inline int mn_sgd_batch_of(const struct mn_sgd_run *run, const struct mn_task *task,
                                  int64_t step, struct mn_set *out) {
    const int64_t n =
        mn_sgd_evaluating(&run->ctx->where) ? run->self->test_batch : run->self->batch;
    return mn_task_batch(run->ctx, task, step, (int32_t)n, out);
}

static inline struct mn_pass mn_sgd_pass_of(const struct mn_sgd_run *run, int64_t step) {
    return (struct mn_pass){.size = sizeof(struct mn_pass),
                            .flags = MN_PASS_TRAINING,
                            .progress =
                                run->steps > 1 ? (double)step / (double)(run->steps - 1) : 0,
                            .step = step};
}

/* What does not adapt has no gradient. */
static inline void mn_sgd_hide(const struct mn_sgd_run *run, mn_real *x) {
    for (int64_t i = 0; run->mask != NULL && i < run->dims.n_w; i++) {
        x[i] *= run->mask[i];
    }
}

/* d_w = the gradient with weight decay. */
static inline int mn_sgd_gradient(struct mn_sgd_run *run, const struct mn_point *at,
                                  const struct mn_set *batch, int64_t step,
                                  struct mn_outcome *out) {
    struct mn_pass pass = mn_sgd_pass_of(run, step);
    pass.flags |= MN_PASS_GRAD_W;
    *out = (struct mn_outcome){.size = sizeof *out, .d_w = run->d_w};
    const int status = mn_model_pass(run->ctx, run->model, at, batch, &pass, out);
    if (status == MN_OK) {
        mn_vec_axpy(run->dims.n_w, (mn_real)run->self->weight_decay, at->w, run->d_w);
        mn_sgd_hide(run, run->d_w);
    }
    return status;
}

static inline int mn_sgd_update(struct mn_sgd_run *run) {
    const struct mn_sgd *s = run->self;
    const mn_real *direction = run->velocity != NULL ? run->velocity : run->d_w;
    for (int64_t i = 0; run->velocity != NULL && i < run->dims.n_w; i++) {
        run->velocity[i] = (mn_real)s->momentum * run->velocity[i] + run->d_w[i];
    }
    mn_rates_note(&run->rates, 0, run->dims.n_w, run->params->w);
    mn_vec_sgd(run->dims.n_w, mn_sgd_lr_of(run), direction, run->params->w);
    return mn_rates_apply(&run->rates, 0, run->dims.n_w, run->params->w);
}

static inline int mn_sgd_do_step(struct mn_sgd_run *run, const struct mn_task *task, int64_t step) {
    struct mn_set batch;
    struct mn_outcome out;
    if (mn_cancelled(run->ctx)) {
        return mn_fail(run->ctx, MN_CANCELLED, "stopped before step %d", (int)step);
    }
    int status = mn_rates_begin(&run->rates, run->ctx, &run->dims, step);
    if (status == MN_OK) {
        status = mn_sgd_batch_of(run, task, step, &batch);
    }
    if (status == MN_OK) {
        status = mn_sgd_gradient(run, run->params, &batch, step, &out);
    }
    if (status == MN_OK) {
        status = mn_sgd_update(run);
    }
    if (status != MN_OK) {
        return status;
    }
    return mn_step_done(run->ctx, step, out.loss, (double)out.hits / batch.n, out.skip_share,
                        run->params);
}

static inline int mn_sgd_adapt(const struct mn_sgd *s, mn_sgd_mask mask, struct mn_ctx *ctx,
                               const struct mn_model *model, const struct mn_task *task,
                               struct mn_point *params, mn_real *state) {
    struct mn_sgd_run run = {.self = s, .ctx = ctx, .model = model, .params = params};
    int status = mn_sgd_begin(&run, mask, task);
    run.velocity = run.self->momentum > 0 ? state : NULL;
    if (status == MN_OK && run.velocity != NULL) {
        mn_vec_fill(run.dims.n_w, 0, run.velocity); /* a task never starts with old momentum */
    }
    for (int64_t step = 0; status == MN_OK && step < run.steps; step++) {
        status = mn_sgd_do_step(&run, task, step);
    }
    return status;
}

/* ---- one step in reverse ------------------------------------------------------------------ */

/* The velocity before the step, or NULL. */
static inline const mn_real *mn_sgd_velocity_before(const struct mn_sgd *s,
                                                    const struct mn_step *step) {
    return s->momentum > 0 && step->step > 0 ? step->state : NULL;
}

/* b' of the step, of which run->d_w holds the gradient. */
static inline double mn_sgd_velocity_after(const struct mn_sgd_run *run, const mn_real *old,
                                           int64_t i) {
    return (double)run->d_w[i] + (old != NULL ? run->self->momentum * (double)old[i] : 0);
}

/* The update as `adapt` proposed it. */
static inline void mn_sgd_propose_again(struct mn_sgd_run *run, const struct mn_step *step) {
    const mn_real *old = mn_sgd_velocity_before(run->self, step), *factors = run->rates.factors.w;
    const double lr = mn_sgd_lr_of(run);
    for (int64_t i = 0; i < run->dims.n_w; i++) {
        const double factor = factors != NULL ? (double)factors[i] : 1;
        run->rates.u[i] = (mn_real)(-factor * lr * mn_sgd_velocity_after(run, old, i));
    }
}

/* Of g = gradient + decay w, b' = momentum b + g and u = -factor lr b', where w' = w + u unless a
 * meta learner shapes it: run->d_w becomes the derivative with regard to g. */
static inline void mn_sgd_step_adjoint(struct mn_sgd_run *run, const struct mn_step *step,
                                       const mn_real *d_u, struct mn_adjoint *io) {
    const struct mn_sgd *s = run->self;
    const mn_real *factors = run->rates.factors.w;
    const mn_real *old = mn_sgd_velocity_before(s, step);
    const double lr = mn_sgd_lr_of(run);
    for (int64_t i = 0; i < run->dims.n_w; i++) {
        const double d_after = (double)d_u[i];
        if (io->d_rates.w != NULL) {
            io->d_rates.w[i] = (mn_real)(-d_after * lr * mn_sgd_velocity_after(run, old, i));
        }
        const double factor = factors != NULL ? (double)factors[i] : 1;
        double d_b = -d_after * lr * factor;
        if (s->momentum > 0) {
            d_b += (double)io->d_state[i];
            io->d_state[i] = (mn_real)(s->momentum * d_b);
        }
        run->d_w[i] = (mn_real)d_b;
    }
    mn_sgd_hide(run, run->d_w);
}

static inline int mn_sgd_through_gradient(struct mn_sgd_run *run, const struct mn_step *step,
                                          const struct mn_set *batch, struct mn_adjoint *io) {
    const int64_t n_w = run->dims.n_w, n_a = run->dims.n_a;
    const struct mn_pass pass = mn_sgd_pass_of(run, step->step);
    const struct mn_point v = {run->d_w, NULL};
    struct mn_point second = {mn_scratch(run->ctx, (size_t)n_w * sizeof(mn_real)), NULL};
    struct mn_hessian h = {.ctx = run->ctx,
                           .model = run->model,
                           .dims = &run->dims,
                           .at = &step->before,
                           .batch = batch,
                           .pass = &pass,
                           .epsilon = io->epsilon};
    second.a = n_a > 0 ? mn_scratch(run->ctx, (size_t)n_a * sizeof(mn_real)) : NULL;
    if (second.w == NULL || (n_a > 0 && second.a == NULL) || mn_hessian_room(&h) != MN_OK) {
        return MN_NOMEM;
    }
    const int status = mn_hessian_times(&h, &v, &second);
    if (status == MN_OK) {
        mn_vec_axpy(n_w, (mn_real)run->self->weight_decay, run->d_w, io->d.w);
        mn_vec_axpy(n_w, 1, second.w, io->d.w);
        mn_vec_axpy(n_a, 1, second.a, io->d.a);
    }
    return status;
}

static inline int mn_sgd_adjoint(const struct mn_sgd *s, mn_sgd_mask mask, struct mn_ctx *ctx,
                                 const struct mn_model *model, const struct mn_task *task,
                                 const struct mn_step *step, struct mn_adjoint *io) {
    struct mn_sgd_run run = {.self = s, .ctx = ctx, .model = model};
    struct mn_set batch;
    struct mn_outcome out;
    const int first_order = (io->flags & MN_ADJOINT_FIRST_ORDER) != 0;
    int status = mn_sgd_begin(&run, mask, task);
    if (status == MN_OK) {
        status = mn_rates_begin(&run.rates, ctx, &run.dims, step->step);
    }
    if (status == MN_OK) {
        status = mn_sgd_batch_of(&run, task, step->step, &batch);
    }
    const int shaped = mn_rates_shaped(&run.rates, 0);
    const mn_real *d_u;
    if (status == MN_OK && (io->d_rates.w != NULL || shaped)) {
        status = mn_sgd_gradient(&run, &step->before, &batch, step->step, &out);
    }
    if (status == MN_OK && shaped) {
        mn_sgd_propose_again(&run, step);
    }
    if (status == MN_OK) {
        status = mn_rates_back(&run.rates, 0, run.dims.n_w, step->before.w, io->d.w, &d_u);
    }
    if (status != MN_OK) {
        return status;
    }
    mn_vec_fill(io->d_rates.a != NULL ? run.dims.n_a : 0, 0, io->d_rates.a);
    mn_sgd_step_adjoint(&run, step, d_u, io);
    return first_order ? MN_OK : mn_sgd_through_gradient(&run, step, &batch, io);
}

/* ---- the rest of the table ---------------------------------------------------------------- */

static inline int64_t mn_sgd_n_state(const void *self, const struct mn_dims *dims) {
    const struct mn_sgd *s = self;
    return s->momentum > 0 ? dims->n_w : 0;
}

static inline int mn_sgd_moments(const void *self) {
    (void)self;
    return MN_MOMENTS_RESET;
}

static inline int32_t mn_sgd_max_batch(const void *self) {
    const struct mn_sgd *s = self;
    const int32_t most = (int32_t)(s->batch > s->test_batch ? s->batch : s->test_batch);
    return s->batch == 0 || s->test_batch == 0 ? -most : most;
}

static inline uint32_t mn_sgd_adapts(const void *self, const struct mn_where *where) {
    (void)self;
    (void)where;
    return MN_ADAPTS_W;
}

#endif
