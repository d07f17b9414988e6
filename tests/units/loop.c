/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include "check.h"

static struct loop *loop_of(struct mn_ctx *ctx) {
    return (struct loop *)mock_of(ctx); /* the mock stands first */
}

/* ---- the host ----------------------------------------------------------------------------- */

static int (*toy_step_done)(struct mn_ctx *, int64_t, double, double, double,
                            const struct mn_point *);

static void record(struct loop *loop, int64_t step) {
    assert_true(step <= LOOP_STEPS);
    mn_vec_copy(TOY_W, loop->w, loop->trace[step].w);
    mn_vec_copy(TOY_A, loop->a, loop->trace[step].a);
    mn_vec_copy(LOOP_STATE, loop->state, loop->trace[step].state);
    loop->steps = step;
}

static int step_done(struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                     double skip_share, const struct mn_point *now) {
    const int status = toy_step_done(ctx, step, loss, accuracy, skip_share, now);
    record(loop_of(ctx), step + 1);
    return status;
}

static int step_rates(struct mn_ctx *ctx, int64_t step, struct mn_point *out) {
    struct loop *loop = loop_of(ctx);
    mn_vec_fill(TOY_W, 1, loop->rates_w);
    mn_vec_fill(TOY_A, 1, loop->rates_a);
    *out = (struct mn_point){NULL, NULL};
    if (loop->meta_learner->rates == NULL) {
        return MN_OK;
    }
    *out = (struct mn_point){loop->rates_w, loop->toy.dims.n_a > 0 ? loop->rates_a : NULL};
    return loop->meta_learner->rates(loop->outer.self, ctx, NULL, step, out);
}

static uint32_t shapes(struct mn_ctx *ctx) {
    return loop_of(ctx)->meta_learner->shape != NULL ? MN_ADAPTS_W | MN_ADAPTS_A : 0;
}

static int shape(struct mn_ctx *ctx, const struct mn_update *update, mn_real *after) {
    struct loop *loop = loop_of(ctx);
    assert_int_equal(update->size, sizeof *update);
    assert_int_equal(update->n, update->architecture ? TOY_A : TOY_W);
    return loop->meta_learner->shape(loop->outer.self, ctx, NULL, update, after);
}

static int shape_back(struct mn_ctx *ctx, const struct mn_update *update, mn_real *d,
                      mn_real *d_u) {
    struct loop *loop = loop_of(ctx);
    mn_real d_x[TOY_W + TOY_A];
    const int status =
        loop->meta_learner->shape_back(loop->outer.self, ctx, NULL, update, d, d_x, d_u, loop->own);
    mn_vec_copy(status == MN_OK ? update->n : 0, d_x, d);
    return status;
}

static int64_t trace_steps(struct mn_ctx *ctx) {
    return loop_of(ctx)->steps;
}

static struct mn_point point_at(struct loop *loop, int64_t step) {
    assert_true(step >= 0 && step <= loop->steps);
    return (struct mn_point){loop->trace[step].w,
                             loop->toy.dims.n_a > 0 ? loop->trace[step].a : NULL};
}

static int trace_point(struct mn_ctx *ctx, int64_t step, struct mn_point *out) {
    *out = point_at(loop_of(ctx), step);
    return MN_OK;
}

static int trace_back(struct mn_ctx *ctx, int64_t step, struct mn_adjoint *adjoint) {
    struct loop *loop = loop_of(ctx);
    assert_int_equal(adjoint->size, sizeof *adjoint);
    if (step == loop->steps - 1) {
        mn_vec_fill(LOOP_STATE, 0, loop->d_state);
    }
    const struct mn_step done = {.size = sizeof done,
                                 .step = step,
                                 .before = point_at(loop, step),
                                 .after = point_at(loop, step + 1),
                                 .state = loop->trace[step].state};
    adjoint->d_state = loop->d_state;
    return loop->learner->adjoint(loop->inner.self, ctx, NULL, &loop->toy.task, &done, adjoint);
}

static mn_real *own_delta(struct mn_ctx *ctx) {
    return loop_of(ctx)->own;
}

/* ---- the loop ----------------------------------------------------------------------------- */

void loop_open(struct loop *loop, const char *task_learner, const char *meta_learner) {
    memset(loop, 0, sizeof *loop);
    mock_init(&loop->mock);
    toy_install(&loop->toy, &loop->mock, TOY_A);
    toy_step_done = loop->mock.host.step_done;
    loop->mock.host.step_done = step_done;
    loop->mock.host.step_rates = step_rates;
    loop->mock.host.trace_steps = trace_steps;
    loop->mock.host.trace_point = trace_point;
    loop->mock.host.trace_back = trace_back;
    loop->mock.host.own_delta = own_delta;
    loop->mock.host.shapes = shapes;
    loop->mock.host.shape = shape;
    loop->mock.host.shape_back = shape_back;
    loop->now = (struct mn_point){loop->w, loop->a};
    loop->inner = unit_open(task_learner, MN_TASK_LEARNER);
    loop->outer = unit_open(meta_learner, MN_META_LEARNER);
    loop->learner = loop->inner.about->vtable;
    loop->meta_learner = loop->outer.about->vtable;
    loop->mock.ctx.where.meta_epochs = 100;
    loop->mock.ctx.where.meta_epoch = 60; /* after the warm-up */
    loop->mock.ctx.where.adapts = MN_ADAPTS_W | MN_ADAPTS_A;
}

void loop_start(struct loop *loop) {
    assert_int_equal(loop->meta_learner->start(loop->outer.self, &loop->mock.ctx, &loop->toy.dims),
                     MN_OK);
    const int64_t n = loop->meta_learner->n_own != NULL
                          ? loop->meta_learner->n_own(loop->outer.self, &loop->toy.dims)
                          : 0;
    assert_true(n <= LOOP_OWN);
}

void loop_close(struct loop *loop) {
    unit_close(&loop->inner);
    unit_close(&loop->outer);
    mock_fini(&loop->mock);
}

void loop_adapt(struct loop *loop, const double *w, const double *a) {
    for (int i = 0; i < TOY_W; i++) {
        loop->w[i] = (mn_real)w[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        loop->a[j] = (mn_real)a[j];
    }
    toy_forget_calls(&loop->toy);
    mock_release(&loop->mock);
    mn_vec_fill(LOOP_STATE, 0, loop->state);
    record(loop, 0);
    assert_int_equal(loop->learner->adapt(loop->inner.self, &loop->mock.ctx, NULL, &loop->toy.task,
                                          &loop->now, loop->state),
                     MN_OK);
}

double loop_query_loss(const struct loop *loop, int64_t done) {
    double w[TOY_W], a[TOY_A];
    for (int i = 0; i < TOY_W; i++) {
        w[i] = (double)loop->trace[done].w[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        a[j] = (double)loop->trace[done].a[j];
    }
    return toy_loss(w, a, TOY_QUERY, 1, NULL, NULL);
}

int loop_direction(struct loop *loop, const double *w, const double *a) {
    const struct mn_point meta = {loop->trace[0].w, loop->trace[0].a};
    struct mn_point out = {loop->direction_w, loop->direction_a};
    mn_vec_fill(TOY_W, (mn_real)NAN, loop->direction_w); /* must be written whole */
    mn_vec_fill(TOY_A, (mn_real)NAN, loop->direction_a);
    mn_vec_fill(LOOP_OWN, (mn_real)NAN, loop->own);
    loop_adapt(loop, w, a);
    toy_forget_calls(&loop->toy);
    return loop->meta_learner->delta(loop->outer.self, &loop->mock.ctx, NULL, &loop->toy.task,
                                     &meta, &loop->now, &out);
}
