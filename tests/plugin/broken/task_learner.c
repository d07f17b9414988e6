/* SPDX-License-Identifier: MIT */
/* Plain gradient descent on w and a. */
#define WAYS                                                                                       \
    FINE, CHANGES_WITHOUT_STEPS, OWN_STEPS, ASCENDS, NEVER_DONE, NO_BATCH, HIDES_NUMERIC,          \
        IGNORES_CANCEL, LARGE_BATCH, CHANGES_MORE, OVERRUNS_STATE, NEEDS_ARCHITECTURE,             \
        BAD_MOMENTS, BAD_PROGRESS, CHANGES_BATCH
#include "wrong.h"

struct learner {
    double lr;
    int64_t steps;
};

static int64_t n_state(const void *self, const struct mn_dims *dims) {
    return dims->n_w;
}

static int moments(const void *self) {
    return wrong == BAD_MOMENTS ? 3 : MN_MOMENTS_AVERAGE;
}

static int32_t max_batch(const void *self) {
    return 4;
}

static uint32_t adapts(const void *self, const struct mn_where *where) {
    return wrong == CHANGES_MORE ? MN_ADAPTS_W : MN_ADAPTS_W | MN_ADAPTS_A;
}

struct gradient {
    mn_real *w, *a;
};

static int run_pass(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_point *at,
                    const struct mn_set *batch, int64_t step, const struct mn_dims *dims,
                    const struct gradient *d, struct mn_outcome *out) {
    const int with_a = dims->n_a > 0 || wrong == NEEDS_ARCHITECTURE;
    const struct mn_pass pass = {.size = sizeof pass,
                                 .flags = MN_PASS_TRAINING | MN_PASS_GRAD_W |
                                          (with_a ? MN_PASS_GRAD_A : 0u),
                                 .progress = wrong == BAD_PROGRESS ? (double)step : 1,
                                 .step = step};
    *out = (struct mn_outcome){.size = sizeof *out, .d_w = d->w, .d_a = d->a};
    return mn_model_pass(ctx, model, at, batch, &pass, out);
}

static int do_step(const struct learner *s, struct mn_ctx *ctx, const struct mn_model *model,
                   const struct mn_task *task, struct mn_point *params, int64_t step,
                   const struct mn_dims *dims, const struct gradient *d) {
    struct mn_set batch = task->support;
    struct mn_outcome out;
    int status = wrong == NO_BATCH
                     ? MN_OK
                     : mn_task_batch(ctx, task, step, wrong == LARGE_BATCH ? 8 : 4, &batch);
    if (status == MN_OK && wrong == CHANGES_BATCH) {
        ((mn_real *)(uintptr_t)batch.images)[0] += 1;
    }
    if (status == MN_OK) {
        status = run_pass(ctx, model, params, &batch, step, dims, d, &out);
    }
    if (status != MN_OK) {
        return wrong == HIDES_NUMERIC && status == MN_NUMERIC ? MN_OK : status;
    }
    const double rate = wrong == ASCENDS ? -s->lr : s->lr;
    mn_vec_sgd(dims->n_w, rate, d->w, params->w);
    mn_vec_sgd(dims->n_a, rate, d->a, params->a);
    if (wrong == NEVER_DONE) {
        return MN_OK;
    }
    status = mn_step_done(ctx, step, out.loss, (double)out.hits / batch.n, 0, params);
    return wrong == IGNORES_CANCEL ? MN_OK : status;
}

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    const struct learner *s = self;
    const int64_t steps = wrong == OWN_STEPS ? s->steps : mn_task_steps(ctx, task, s->steps);
    struct mn_dims dims;
    int status = mn_model_dims(ctx, model, &dims);
    if (status != MN_OK) {
        return status;
    }
    const struct gradient d = {mn_scratch(ctx, (size_t)dims.n_w * sizeof(mn_real)),
                               mn_scratch(ctx, (size_t)dims.n_a * sizeof(mn_real))};
    if (d.w == NULL || d.a == NULL) {
        return MN_NOMEM;
    }
    if (wrong == CHANGES_WITHOUT_STEPS) {
        params->w[0] += (mn_real)0.001;
    }
    for (int64_t step = 0; status == MN_OK && step < steps; step++) {
        status = do_step(s, ctx, model, task, params, step, &dims, &d);
    }
    state[wrong == OVERRUNS_STATE ? dims.n_w : 0] += 1;
    return status;
}

static const struct mn_task_learner table = {.size = sizeof table,
                                             .n_state = n_state,
                                             .moments = moments,
                                             .max_batch = max_batch,
                                             .adapts = adapts,
                                             .adapt = adapt};

static const struct mn_opt options[] = {
    MN_REAL(struct learner, lr, 0.05, 0, 10, "learning rate"),
    MN_INT(struct learner, steps, 5, 0, 100, "steps of a task"),
};

MN_PLUGIN("broken_task_learner", "1.0.0",
          MN_UNIT(MN_TASK_LEARNER, "learner", "plain gradient descent", struct learner, options,
                  &table))

__attribute__((constructor)) static void loaded(void) {
    choose_way();
}
