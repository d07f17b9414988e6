/* SPDX-License-Identifier: MIT */
/* Gradient descent with momentum that can be differentiated through. */
#define WAYS                                                                                       \
    FINE, WRONG_SIGN, FORGETS_MOMENTUM, FORGETS_FACTOR, IGNORES_FLAG, NO_D_RATES, IGNORES_RATES,   \
        NO_STEPS, UNNAMED_REFUSAL, CHANGES_POINT, OVERRUNS_D_STATE, IGNORES_SHAPE, FORGETS_SHAPE
#include "wrong.h"

#include <metanas/extra/hessian.h>
#include <metanas/extra/rates.h>

struct learner {
    double lr, momentum;
    int64_t steps;
};

/* The room of a step. */
struct step {
    const struct learner *s;
    struct mn_ctx *ctx;
    const struct mn_model *model;
    struct mn_dims dims;
    struct mn_set batch;
    struct mn_pass pass;
    struct mn_rates rates;
    mn_real *d; /* [n_w + n_a] */
};

static int step_begin(struct step *r, const struct mn_task *task, int64_t number) {
    int status = mn_model_dims(r->ctx, r->model, &r->dims);
    if (status == MN_OK) {
        status = mn_rates_begin(&r->rates, r->ctx, &r->dims, number);
    }
    if (status == MN_OK) {
        status = mn_task_batch(r->ctx, task, number, 4, &r->batch);
    }
    if (status != MN_OK) {
        return status;
    }
    r->pass = (struct mn_pass){.size = sizeof r->pass, .flags = MN_PASS_TRAINING, .step = number};
    r->d = mn_scratch(r->ctx, (size_t)(r->dims.n_w + r->dims.n_a) * sizeof *r->d);
    return r->d != NULL ? MN_OK : MN_NOMEM;
}

static int gradient(struct step *r, const struct mn_point *at, struct mn_outcome *out) {
    struct mn_pass pass = r->pass;
    pass.flags |= MN_PASS_GRAD_W | (r->dims.n_a > 0 ? MN_PASS_GRAD_A : 0u);
    *out = (struct mn_outcome){.size = sizeof *out, .d_w = r->d, .d_a = r->d + r->dims.n_w};
    return mn_model_pass(r->ctx, r->model, at, &r->batch, &pass, out);
}

/* Momentum is that of the weights: b = momentum b + g, w -= factor lr b. */
static int update(struct step *r, struct mn_point *params, mn_real *b) {
    struct mn_rates rates = r->rates;
    if (wrong == IGNORES_RATES) {
        rates.factors = (struct mn_point){NULL, NULL};
    }
    if (wrong == IGNORES_SHAPE) {
        rates.shapes = 0;
    }
    for (int64_t i = 0; i < r->dims.n_w; i++) {
        b[i] = (mn_real)(r->s->momentum * (double)b[i] + (double)r->d[i]);
    }
    mn_rates_note(&rates, 0, r->dims.n_w, params->w);
    mn_vec_sgd(r->dims.n_w, r->s->lr, b, params->w);
    const int status = mn_rates_apply(&rates, 0, r->dims.n_w, params->w);
    mn_rates_note(&rates, 1, r->dims.n_a, params->a);
    mn_vec_sgd(r->dims.n_a, r->s->lr, r->d + r->dims.n_w, params->a);
    return status != MN_OK || r->dims.n_a == 0 ? status
                                               : mn_rates_apply(&rates, 1, r->dims.n_a, params->a);
}

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    const struct learner *s = self;
    const int64_t steps = mn_task_steps(ctx, task, s->steps);
    int status = MN_OK;
    for (int64_t number = 0; status == MN_OK && number < steps; number++) {
        struct step r = {.s = s, .ctx = ctx, .model = model};
        struct mn_outcome out;
        status = step_begin(&r, task, number);
        if (status == MN_OK) {
            status = gradient(&r, params, &out);
        }
        if (status == MN_OK) {
            status = update(&r, params, state);
        }
        if (status == MN_OK) {
            status = mn_step_done(ctx, number, out.loss, (double)out.hits / r.batch.n,
                                  out.skip_share, params);
        }
    }
    return status;
}

/* Gradients with regard to the updates of both halves; io->d is left with the rest. */
static int shape_back(struct step *r, const struct mn_step *step, struct mn_adjoint *io,
                      struct mn_point *d_u) {
    const int64_t n_w = r->dims.n_w, n_a = r->dims.n_a;
    mn_real *room = mn_scratch(r->ctx, (size_t)(n_w + n_a) * sizeof *room);
    if (room == NULL) {
        return MN_NOMEM;
    }
    *d_u = (struct mn_point){room, room + n_w};
    for (int half = 0; half < (n_a > 0 ? 2 : 1); half++) {
        const int64_t n = half == 0 ? n_w : n_a;
        const mn_real *g = half == 0 ? r->d : r->d + n_w, *f = mn_rates_factors(&r->rates, half);
        mn_real *d = half == 0 ? io->d.w : io->d.a;
        const mn_real *to_u;
        for (int64_t i = 0; mn_rates_shaped(&r->rates, half) && i < n; i++) {
            const double b =
                (double)g[i] + (half == 0 ? r->s->momentum * (double)step->state[i] : 0);
            r->rates.u[i] = (mn_real)(-(f != NULL ? (double)f[i] : 1) * r->s->lr * b);
        }
        const int status = mn_rates_back(&r->rates, half, n,
                                         half == 0 ? step->before.w : step->before.a, d, &to_u);
        if (status != MN_OK) {
            return status;
        }
        mn_vec_copy(n, to_u, half == 0 ? d_u->w : d_u->a);
    }
    return MN_OK;
}

static void factors_back(const struct step *r, const struct mn_step *step,
                         const struct mn_point *d_u, struct mn_adjoint *io) {
    const double lr = r->s->lr, momentum = r->s->momentum;
    for (int64_t i = 0; io->d_rates.w != NULL && i < r->dims.n_w; i++) {
        const double b = momentum * (double)step->state[i] + (double)r->d[i];
        io->d_rates.w[i] = (mn_real)(-lr * b * (double)d_u->w[i]);
    }
    for (int64_t i = 0; io->d_rates.a != NULL && i < r->dims.n_a; i++) {
        io->d_rates.a[i] = (mn_real)(-lr * (double)r->d[r->dims.n_w + i] * (double)d_u->a[i]);
    }
}

/* r->d becomes the derivative with regard to the gradient. */
static void update_back(struct step *r, const struct mn_point *d_u, struct mn_adjoint *io) {
    const double momentum = r->s->momentum;
    const struct mn_point *f = &r->rates.factors;
    const int with_factor = wrong != FORGETS_FACTOR;
    for (int64_t i = 0; i < r->dims.n_w; i++) {
        const double factor = with_factor && f->w != NULL ? (double)f->w[i] : 1;
        const double d_b = (double)io->d_state[i] - factor * r->s->lr * (double)d_u->w[i];
        io->d_state[i] = (mn_real)(wrong == FORGETS_MOMENTUM ? 0 : momentum * d_b);
        r->d[i] = (mn_real)d_b;
    }
    for (int64_t i = 0; i < r->dims.n_a; i++) {
        const double factor = with_factor && f->a != NULL ? (double)f->a[i] : 1;
        r->d[r->dims.n_w + i] = (mn_real)(-factor * r->s->lr * (double)d_u->a[i]);
    }
    if (wrong == OVERRUNS_D_STATE) {
        io->d_state[r->dims.n_w] = 0;
    }
}

static int gradient_back(struct step *r, const struct mn_step *step, struct mn_adjoint *io) {
    const int64_t n_w = r->dims.n_w, n_a = r->dims.n_a;
    const struct mn_point v = {r->d, n_a > 0 ? r->d + n_w : NULL};
    mn_real *room = mn_scratch(r->ctx, (size_t)(n_w + n_a) * sizeof *room);
    struct mn_point second = {room, n_a > 0 && room != NULL ? room + n_w : NULL};
    struct mn_hessian h = {.ctx = r->ctx,
                           .model = r->model,
                           .dims = &r->dims,
                           .at = &step->before,
                           .batch = &r->batch,
                           .pass = &r->pass,
                           .epsilon = io->epsilon};
    if (room == NULL || mn_hessian_room(&h) != MN_OK) {
        return MN_NOMEM;
    }
    const int status = mn_hessian_times(&h, &v, &second);
    if (status == MN_OK) {
        mn_vec_axpy(n_w, wrong == WRONG_SIGN ? -1 : 1, second.w, io->d.w);
        mn_vec_axpy(n_a, wrong == WRONG_SIGN ? -1 : 1, second.a, io->d.a);
    }
    return status;
}

static int adjoint(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                   const struct mn_task *task, const struct mn_step *step, struct mn_adjoint *io) {
    struct step r = {.s = self, .ctx = ctx, .model = model};
    struct mn_outcome out;
    struct mn_point d_u;
    int status = step_begin(&r, task, step->step);
    if (status == MN_OK) {
        status = gradient(&r, &step->before, &out);
    }
    if (status != MN_OK) {
        return status;
    }
    if (wrong == FORGETS_SHAPE) {
        r.rates.shapes = 0;
    }
    status = shape_back(&r, step, io, &d_u);
    if (status != MN_OK) {
        return status;
    }
    if (wrong != NO_D_RATES) {
        factors_back(&r, step, &d_u, io);
    }
    if (wrong == CHANGES_POINT) {
        step->before.w[0] += 1;
    }
    if ((io->flags & MN_ADJOINT_FIRST_ORDER) != 0 && wrong != IGNORES_FLAG) {
        return MN_OK;
    }
    update_back(&r, &d_u, io);
    return gradient_back(&r, step, io);
}

static int check_adjoint(const void *self, struct mn_ctx *ctx) {
    return wrong == UNNAMED_REFUSAL ? mn_fail(ctx, MN_UNSUPPORTED, "not with these options")
                                    : MN_OK;
}

static int64_t n_state(const void *self, const struct mn_dims *dims) {
    return dims->n_w;
}

static int32_t max_batch(const void *self) {
    return 4;
}

static int64_t n_steps(const void *self, const struct mn_where *where) {
    return ((const struct learner *)self)->steps;
}

static struct mn_task_learner table = {.size = sizeof table,
                                       .n_state = n_state,
                                       .max_batch = max_batch,
                                       .steps = n_steps,
                                       .adapt = adapt,
                                       .check_adjoint = check_adjoint,
                                       .adjoint = adjoint};

static const struct mn_opt options[] = {
    MN_REAL(struct learner, lr, 0.05, 0, 10, "learning rate"),
    MN_REAL(struct learner, momentum, 0.5, 0, 1, "of the gradients of the weights"),
    MN_INT(struct learner, steps, 5, 0, 100, "steps of a task"),
};

MN_PLUGIN("broken_adjoint", "1.0.0",
          MN_UNIT(MN_TASK_LEARNER, "learner", "descent with momentum", struct learner, options,
                  &table))

__attribute__((constructor)) static void loaded(void) {
    choose_way();
    if (wrong == NO_STEPS) {
        table.steps = NULL;
    }
}
