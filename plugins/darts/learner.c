/* SPDX-License-Identifier: MIT */
#include "learner.h"

#include <inttypes.h>

enum { JOINT, ALTERNATING };

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

struct run {
    const struct learner *self;
    struct mn_cx *cx;
    const struct mn_model *model;
    struct mn_dims dims;
    struct mn_point *params;
    int64_t steps, arch_steps;
    int warm_up;
    struct mn_adam adam_w, adam_a;
    mn_real *m_w, *m_a, *v_w, *v_a; /* in the host's state; m_w, m_a NULL where beta1 is 0 */
    mn_real *t_w, *t_a;             /* Adam steps done */
    mn_real *d_w, *d_a;
};

/* State: [m_w, m_a,] v_w, v_a, t_w, t_a. */
static void lay_out(struct run *run, mn_real *state) {
    const int64_t n_w = run->dims.n_w, n_a = run->dims.n_a;
    if (run->self->beta1 > 0) {
        run->m_w = state;
        run->m_a = run->m_w + n_w;
        state = run->m_a + n_a;
    }
    run->v_w = state;
    run->v_a = run->v_w + n_w;
    run->t_w = run->v_a + n_a;
    run->t_a = run->t_w + 1;
}

static int begin(struct run *run, const struct mn_task *task, mn_real *state) {
    const struct learner *s = run->self;
    const struct mn_where *where = &run->cx->where;
    const int status = mn_model_dims(run->cx, run->model, &run->dims);
    if (status != MN_OK) {
        return status;
    }
    run->steps = mn_task_steps(run->cx, task, steps_of(s, where));
    run->warm_up = warming_up(s, where);
    run->arch_steps = arch_steps_of(s, where, run->steps);
    run->adam_w = (struct mn_adam){.lr = lr_w_of(s, where),
                                   .beta1 = s->beta1,
                                   .beta2 = s->beta2,
                                   .eps = s->eps,
                                   .weight_decay = s->weight_decay_w};
    run->adam_a = run->adam_w;
    run->adam_a.lr = lr_a_of(s, where);
    run->adam_a.weight_decay = s->weight_decay_a;
    lay_out(run, state);
    const size_t n = (size_t)(run->dims.n_w + run->dims.n_a);
    run->d_w = mn_scratch(run->cx, n * sizeof *run->d_w);
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

static int adapts_a_at(const struct run *run, int64_t step) {
    return !run->warm_up && run->dims.n_a > 0 && step < run->arch_steps;
}

static int pass(struct run *run, int64_t step, const struct mn_set *batch, uint32_t gradients,
                struct mn_outcome *out) {
    const struct mn_pass pass = {.size = sizeof pass,
                                 .flags = MN_PASS_TRAINING | gradients,
                                 .progress = progress_at(run, step),
                                 .step = step};
    *out = (struct mn_outcome){.size = sizeof *out, .d_w = run->d_w, .d_a = run->d_a};
    return mn_model_pass(run->cx, run->model, run->params, batch, &pass, out);
}

static void update_w(struct run *run) {
    *run->t_w += 1;
    mn_vec_adam(run->dims.n_w, &run->adam_w, (double)*run->t_w, run->d_w, run->m_w, run->v_w,
                run->params->w);
}

static void update_a(struct run *run) {
    *run->t_a += 1;
    mn_vec_adam(run->dims.n_a, &run->adam_a, (double)*run->t_a, run->d_a, run->m_a, run->v_a,
                run->params->a);
}

/* Both gradients from one pass (Eq. 3). */
static int joint_step(struct run *run, int64_t step, const struct mn_set *batch,
                      struct mn_outcome *out) {
    const int adapts_a = adapts_a_at(run, step);
    const int status =
        pass(run, step, batch, MN_PASS_GRAD_W | (adapts_a ? MN_PASS_GRAD_A : 0u), out);
    if (status != MN_OK) {
        return status;
    }
    update_w(run);
    if (adapts_a) {
        update_a(run);
    }
    return MN_OK;
}

/* The architecture first; the weights from a second pass through the new one. */
static int alternating_step(struct run *run, int64_t step, const struct mn_set *batch,
                            struct mn_outcome *out) {
    if (adapts_a_at(run, step)) {
        const int status = pass(run, step, batch, MN_PASS_GRAD_A, out);
        if (status != MN_OK) {
            return status;
        }
        update_a(run);
    }
    const int status = pass(run, step, batch, MN_PASS_GRAD_W, out);
    if (status == MN_OK) {
        update_w(run);
    }
    return status;
}

static int do_step(struct run *run, const struct mn_task *task, int64_t step) {
    const struct learner *s = run->self;
    const int64_t n = evaluating(&run->cx->where) ? s->test_batch : s->batch;
    struct mn_set batch;
    struct mn_outcome out;
    if (mn_cancelled(run->cx)) {
        return mn_fail(run->cx, MN_CANCELLED, "stopped before step %" PRId64, step);
    }
    int status = mn_task_batch(run->cx, task, step, (int32_t)n, &batch);
    if (status == MN_OK) {
        status = s->order == ALTERNATING ? alternating_step(run, step, &batch, &out)
                                         : joint_step(run, step, &batch, &out);
    }
    if (status != MN_OK) {
        return status;
    }
    return mn_step_done(run->cx, step, out.loss, (double)out.hits / batch.n, out.skip_share,
                        run->params);
}

static int adapt(const void *self, struct mn_cx *cx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    struct run run = {.self = self, .cx = cx, .model = model, .params = params};
    int status = begin(&run, task, state);
    for (int64_t step = 0; status == MN_OK && step < run.steps; step++) {
        status = do_step(&run, task, step);
    }
    return status;
}

/* ---- what the host asks ------------------------------------------------------------------- */

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
    if (s->batch == 0 || s->test_batch == 0) {
        return 0;
    }
    return (int32_t)(s->batch > s->test_batch ? s->batch : s->test_batch);
}

static uint32_t adapts(const void *self, const struct mn_where *where) {
    const struct learner *s = self;
    const int64_t arch_steps = arch_steps_of(s, where, steps_of(s, where));
    return arch_steps > 0 && !warming_up(s, where) ? MN_ADAPTS_W | MN_ADAPTS_A : MN_ADAPTS_W;
}

static int64_t steps(const void *self, const struct mn_where *where) {
    return steps_of(self, where);
}

const struct mn_task_learner learner_table = {
    .size = sizeof learner_table,
    .n_state = n_state,
    .moments = moments,
    .max_batch = max_batch,
    .adapts = adapts,
    .steps = steps,
    .adapt = adapt,
};

/* In the order of enum mn_moments. */
static const char *const moments_choices[] = {"average", "reset", "carry", NULL};
static const char *const order_choices[] = {"joint", "alternating", NULL};

const struct mn_opt learner_options[LEARNER_OPTIONS] = {
    MN_INT(struct learner, steps, 5, 0, 1000000, "steps of a task of meta-training"),
    MN_INT(struct learner, test_steps, 100, 0, 1000000, "steps of a task of evaluation"),
    MN_INT(struct learner, batch, 20, 0, 100000,
           "images of a mini-batch in meta-training; 0 = the whole support set"),
    MN_INT(struct learner, test_batch, 10, 0, 100000, "the same in evaluation"),
    MN_REAL(struct learner, lr_w, 0.005, 0, 1e12, "learning rate of the weights"),
    MN_REAL(struct learner, lr_a, 0.005, 0, 1e12,
            "learning rate of the architecture; 0 = it stays fixed"),
    MN_REAL(struct learner, test_lr_w, -1, -1, 1e12, "lr_w in evaluation; negative = the same"),
    MN_REAL(struct learner, test_lr_a, -1, -1, 1e12, "lr_a in evaluation; negative = the same"),
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
    MN_REAL(struct learner, test_adapt_fraction, 0.5, 0, 1, "the same in evaluation"),
    MN_CHOICE(struct learner, order, JOINT, order_choices,
              "both gradients from one pass, or first the architecture and then the weights"),
};
