/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "../common/budget.h"

#include <inttypes.h>

static int evaluating(const struct mn_where *where) {
    return where->split != MN_TRAIN;
}

/* In the first part of meta-training only the weights are learned. */
static int warming_up(const struct learner *s, const struct mn_where *where) {
    return !evaluating(where) &&
           (double)where->meta_epoch < s->warm_up * (double)where->meta_epochs;
}

static int64_t steps_of(const struct learner *s, const struct mn_where *where) {
    return evaluating(where) ? s->test_steps : s->steps;
}

static double lr_w_of(const struct learner *s, const struct mn_where *where) {
    return evaluating(where) && s->test_lr_w >= 0 ? s->test_lr_w : s->lr_w;
}

static double lr_a_of(const struct learner *s, const struct mn_where *where) {
    return evaluating(where) && s->test_lr_a >= 0 ? s->test_lr_a : s->lr_a;
}

/* Architecture steps of a task of `steps` steps, without regard to warm-up: the first
 * adapt_fraction of them, rounded to the nearest; none where lr_a is 0. */
static int64_t arch_steps_of(const struct learner *s, const struct mn_where *where, int64_t steps) {
    const double fraction = evaluating(where) ? s->test_adapt_fraction : s->adapt_fraction;
    return lr_a_of(s, where) > 0 ? (int64_t)floor(fraction * (double)steps + 0.5) : 0;
}

/* ---- one task ----------------------------------------------------------------------------- */

/* State: [m_w, m_a,] v_w, v_a, t_w, t_a. */
static void lay_out(struct run *run) {
    const int64_t n_w = run->dims.n_w, n_a = run->dims.n_a;
    const int64_t means = run->self->beta1 > 0 ? n_w + n_a : 0;
    run->w.m = means > 0 ? 0 : -1;
    run->a.m = means > 0 ? n_w : -1;
    run->w.v = means;
    run->a.v = means + n_w;
    run->w.t = means + n_w + n_a;
    run->a.t = run->w.t + 1;
}

static void set_adam(struct run *run) {
    const struct learner *s = run->self;
    const struct mn_where *where = &run->ctx->where;
    run->w.n = run->dims.n_w;
    run->a.n = run->dims.n_a;
    run->w.adam = (struct mn_adam){.lr = lr_w_of(s, where),
                                   .beta1 = s->beta1,
                                   .beta2 = s->beta2,
                                   .eps = s->eps,
                                   .weight_decay = s->weight_decay_w};
    run->a.adam = run->w.adam;
    run->a.adam.lr = lr_a_of(s, where);
    run->a.adam.weight_decay = s->weight_decay_a;
}

int run_begin(struct run *run, const struct mn_task *task) {
    const struct learner *s = run->self;
    const struct mn_where *where = &run->ctx->where;
    const int status = mn_model_dims(run->ctx, run->model, &run->dims);
    if (status != MN_OK) {
        return status;
    }
    run->task = task;
    run->steps = mn_task_steps(run->ctx, task, steps_of(s, where));
    run->batches = mn_task_steps(run->ctx, task, 2 * steps_of(s, where));
    run->warm_up = warming_up(s, where);
    run->arch_steps = arch_steps_of(s, where, run->steps);
    int64_t budget = 0;
    budget_parse(s->cost.budget, &budget); /* as check found it */
    run->cost = (struct mn_cost){.size = sizeof run->cost,
                                 .of = s->cost.of,
                                 .weight = s->cost.weight,
                                 .budget = (double)budget};
    set_adam(run);
    lay_out(run);
    const size_t n = (size_t)(run->dims.n_w + run->dims.n_a);
    run->d_w = mn_scratch(run->ctx, n * sizeof *run->d_w);
    if (run->d_w == NULL) {
        return MN_NOMEM;
    }
    run->d_a = run->d_w + run->dims.n_w;
    return MN_OK;
}

/* 0 in the first architecture step, 1 in the last and after it. */
static double progress_at(const struct run *run, int64_t step) {
    if (run->warm_up) {
        return 0;
    }
    if (step >= run->arch_steps) {
        return 1;
    }
    return run->arch_steps > 1 ? (double)step / (double)(run->arch_steps - 1) : 0;
}

int run_adapts_a(const struct run *run, int64_t step) {
    return !run->warm_up && run->dims.n_a > 0 && step < run->arch_steps;
}

int run_batch(const struct run *run, int64_t step, struct mn_set *out) {
    const struct learner *s = run->self;
    const int64_t n = evaluating(&run->ctx->where) ? s->test_batch : s->batch;
    return mn_task_batch(run->ctx, run->task, step, (int32_t)n, out);
}

struct mn_pass run_pass(const struct run *run, int64_t step, uint32_t gradients) {
    return (struct mn_pass){.size = sizeof(struct mn_pass),
                            .flags = MN_PASS_TRAINING | gradients,
                            .progress = progress_at(run, step),
                            .step = step,
                            .cost = run->cost.weight > 0 ? &run->cost : NULL};
}

int run_gradient(const struct run *run, const struct mn_point *at, const struct mn_set *batch,
                 int64_t step, uint32_t gradients, struct mn_outcome *out) {
    const struct mn_pass pass = run_pass(run, step, gradients);
    *out = (struct mn_outcome){.size = sizeof *out, .d_w = run->d_w, .d_a = run->d_a};
    return mn_model_pass(run->ctx, run->model, at, batch, &pass, out);
}

static int update(struct run *run, int architecture, mn_real *state, mn_real *x) {
    const struct half *half = architecture ? &run->a : &run->w;
    const mn_real *gradient = architecture ? run->d_a : run->d_w;
    mn_real *m = half->m < 0 ? NULL : state + half->m;
    mn_rates_note(&run->rates, architecture, half->n, x);
    state[half->t] += 1;
    mn_vec_adam(half->n, &half->adam, (double)state[half->t], gradient, m, state + half->v, x);
    return mn_rates_apply(&run->rates, architecture, half->n, x);
}

/* Both gradients from one pass (Eq. 3). */
static int joint_step(struct run *run, int64_t step, const struct mn_set *batch,
                      struct mn_point *params, mn_real *state, struct mn_outcome *out) {
    const int adapts_a = run_adapts_a(run, step);
    int status = run_gradient(run, params, batch, step,
                              MN_PASS_GRAD_W | (adapts_a ? MN_PASS_GRAD_A : 0u), out);
    if (status == MN_OK) {
        status = update(run, 0, state, params->w);
    }
    return status == MN_OK && adapts_a ? update(run, 1, state, params->a) : status;
}

/* The architecture first; the weights from a further pass through the new one. */
static int alternating_step(struct run *run, int64_t step, struct mn_set *batch,
                            struct mn_point *params, mn_real *state, struct mn_outcome *out) {
    int status = MN_OK;
    if (run_adapts_a(run, step)) {
        status = run->self->order == UNROLLED
                     ? unrolled_gradient(run, params, step, batch)
                     : run_gradient(run, params, batch, step, MN_PASS_GRAD_A, out);
        if (status == MN_OK) {
            status = update(run, 1, state, params->a);
        }
    }
    if (status == MN_OK) {
        status = run_gradient(run, params, batch, step, MN_PASS_GRAD_W, out);
    }
    return status == MN_OK ? update(run, 0, state, params->w) : status;
}

static int do_step(struct run *run, int64_t step, struct mn_point *params, mn_real *state) {
    struct mn_set batch;
    struct mn_outcome out;
    if (mn_cancelled(run->ctx)) {
        return mn_fail(run->ctx, MN_CANCELLED, "stopped before step %" PRId64, step);
    }
    int status = mn_rates_begin(&run->rates, run->ctx, &run->dims, step);
    if (status == MN_OK) {
        status = run_batch(run, step, &batch);
    }
    if (status == MN_OK) {
        status = run->self->order == JOINT
                     ? joint_step(run, step, &batch, params, state, &out)
                     : alternating_step(run, step, &batch, params, state, &out);
    }
    if (status != MN_OK) {
        return status;
    }
    if (run->cost.weight > 0) {
        status = mn_metric(run->ctx, "cost", out.cost);
        if (status != MN_OK) {
            return status;
        }
    }
    return mn_step_done(run->ctx, step, out.loss, (double)out.hits / batch.n, out.skip_share,
                        params);
}

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    struct run run = {.self = self, .ctx = ctx, .model = model};
    int status = run_begin(&run, task);
    if (status == MN_OK && run.self->order == UNROLLED) {
        status = unrolled_begin(&run);
    }
    for (int64_t step = 0; status == MN_OK && step < run.steps; step++) {
        status = do_step(&run, step, params, state);
    }
    return status;
}

/* ---- what the host asks ------------------------------------------------------------------- */

static int check(const void *self, struct mn_ctx *ctx) {
    const struct learner *s = self;
    int64_t budget;
    if (s->cost.budget[0] != '\0' && !budget_parse(s->cost.budget, &budget)) {
        return mn_bad_option(ctx, "cost.budget",
                             "'%.40s' is no cost: expected a whole number from 1, or one with k or "
                             "M, such as 30000, 30k or 1M",
                             s->cost.budget);
    }
    if (s->cost.budget[0] != '\0' && s->cost.weight <= 0) {
        return mn_bad_option(ctx, "cost.budget",
                             "a budget without cost.weight does nothing; give a weight, such as 1, "
                             "or leave it out");
    }
    const char *latency = mn_configured(ctx, "run.latency");
    if (s->cost.of == MN_COST_LATENCY && s->cost.weight > 0 && latency != NULL &&
        latency[0] == '\0') {
        return mn_bad_option(ctx, "cost.of",
                             "latency needs the times of the candidates: name a table in "
                             "run.latency; 'metanas bench-ops CONFIG --out FILE' measures it");
    }
    return MN_OK;
}

static int64_t n_state(const void *self, const struct mn_dims *dims) {
    const struct learner *s = self;
    const int64_t n = dims->n_w + dims->n_a;
    return (s->beta1 > 0 ? 2 * n : n) + 2;
}

static int moments(const void *self) {
    const struct learner *s = self;
    return s->moments;
}

static int32_t max_batch(const void *self) {
    const struct learner *s = self;
    const int32_t most = (int32_t)(s->batch > s->test_batch ? s->batch : s->test_batch);
    return s->batch == 0 || s->test_batch == 0 ? -most : most;
}

static uint32_t adapts(const void *self, const struct mn_where *where) {
    const struct learner *s = self;
    const int64_t arch_steps = arch_steps_of(s, where, steps_of(s, where));
    return arch_steps > 0 && !warming_up(s, where) ? MN_ADAPTS_W | MN_ADAPTS_A : MN_ADAPTS_W;
}

static int64_t steps(const void *self, const struct mn_where *where) {
    return steps_of(self, where);
}

static int check_adjoint(const void *self, struct mn_ctx *ctx) {
    const struct learner *s = self;
    if (s->order == UNROLLED) {
        return mn_bad_option(ctx, "order",
                             "the meta learner differentiates through the steps of a task, and "
                             "unrolled steps already hold second derivatives; use joint or "
                             "alternating, or a first-order meta learner");
    }
    return MN_OK;
}

const struct mn_task_learner learner_table = {
    .size = sizeof learner_table,
    .check = check,
    .n_state = n_state,
    .moments = moments,
    .max_batch = max_batch,
    .adapts = adapts,
    .steps = steps,
    .adapt = adapt,
    .check_adjoint = check_adjoint,
    .adjoint = learner_adjoint,
};

/* In the order of enum mn_moments. */
static const char *const moments_choices[] = {"average", "reset", "carry", NULL};
/* In the order of enum mn_cost_of. */
static const char *const cost_choices[] = {"parameters", "macs", "latency", NULL};
static const char *const order_choices[] = {"joint", "alternating", "unrolled", NULL};

const struct mn_opt learner_options[LEARNER_OPTIONS] = {
    MN_INT(struct learner, steps, 5, 0, 1000000, "steps of a task of meta-training"),
    MN_INT_FLAGS(struct learner, test_steps, 100, 0, 1000000, MN_OPT_EVALUATION,
                 "steps of a task of evaluation"),
    MN_INT(struct learner, batch, 20, 0, 100000,
           "images of a mini-batch in meta-training; 0 = the whole support set"),
    MN_INT_FLAGS(struct learner, test_batch, 10, 0, 100000, MN_OPT_EVALUATION,
                 "the same in evaluation"),
    MN_REAL(struct learner, lr_w, 0.005, 0, 1e12, "learning rate of the weights"),
    MN_REAL(struct learner, lr_a, 0.005, 0, 1e12,
            "learning rate of the architecture; 0 = it stays fixed"),
    MN_REAL_FLAGS(struct learner, test_lr_w, -1, -1, 1e12, MN_OPT_EVALUATION,
                  "lr_w in evaluation; negative = the same"),
    MN_REAL_FLAGS(struct learner, test_lr_a, -1, -1, 1e12, MN_OPT_EVALUATION,
                  "lr_a in evaluation; negative = the same"),
    MN_REAL_OPEN(struct learner, beta1, 0, 0, 1, MN_OPT_OPEN_MAX, "Adam: decay of the mean"),
    MN_REAL_OPEN(struct learner, beta2, 0.999, 0, 1, MN_OPT_OPEN_MAX, "Adam: decay of the square"),
    MN_REAL_OPEN(struct learner, eps, 1e-8, 0, 1, MN_OPT_OPEN_MIN, "Adam: added to the root"),
    MN_REAL(struct learner, weight_decay_w, 0, 0, 1e6, "L2 decay of the weights"),
    MN_REAL(struct learner, weight_decay_a, 1e-3, 0, 1e6, "L2 decay of the logits"),
    MN_CHOICE(struct learner, moments, MN_MOMENTS_AVERAGE, moments_choices,
              "Adam's state after a task: averaged over the meta-batch, zero, or carried on"),
    MN_REAL(struct learner, warm_up, 0.5, 0, 1,
            "fraction of the meta-epochs, from the first, in which only the weights are learned"),
    MN_REAL(struct learner, adapt_fraction, 1, 0, 1,
            "fraction of a task's steps, from the first, in which the architecture adapts; "
            "rounded to whole steps"),
    MN_REAL_FLAGS(struct learner, test_adapt_fraction, 0.5, 0, 1, MN_OPT_EVALUATION,
                  "the same in evaluation"),
    MN_CHOICE(struct learner, order, JOINT, order_choices,
              "both gradients from one pass; or first the architecture and then the weights; or "
              "the same with the architecture's gradient through a step of the weights on another "
              "mini-batch (second-order DARTS)"),
    MN_REAL(struct learner, unrolled_lr, -1, -1, 1e12,
            "order unrolled: learning rate of that step of the weights; negative = lr_w"),
    MN_CHOICE(
        struct learner, cost.of, MN_COST_PARAMETERS, cost_choices,
        "what the network costs: its weights, the multiply-adds of an image, or the nanoseconds "
        "of an image after run.latency"),
    MN_REAL(struct learner, cost.weight, 0, 0, 1e6,
            "weight of the cost in the objective of the architecture: of the share that the "
            "mixtures leave of the cost of all candidates or, with a budget, of the relative "
            "distance from it; 0 = no cost"),
    MN_TEXT(struct learner, cost.budget, "",
            "what the network should cost, such as 30000, 30k or 1M; none = as little as the loss "
            "allows"),
};
