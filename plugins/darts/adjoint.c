/* SPDX-License-Identifier: MIT */
/* One step of the learner differentiated in reverse. Of a half x with gradient g, factors r and
 * Adam's m, v before the step:
 *   d  = g(x) + decay x
 *   m' = beta1 m + (1 - beta1) d           v' = beta2 v + (1 - beta2) d^2
 *   u  = -r rate m' / q                    q  = sqrt(v') scale + eps
 * and x' = x + u, or what a meta learner shapes of x and u, with the bias corrections in rate and
 * scale. g depends on both halves, through the Hessian of the
 * loss. Arithmetic is double: the derivative of m' / q is a difference of two nearly equal numbers
 * in the first steps of a task. */
#include "run.h"

/* A half at its step. */
struct update {
    const struct half *half;
    const mn_real *m, *v; /* before; m may be NULL */
    const mn_real *g, *x, *factors;
    double rate, scale;
};

struct element {
    double d, m, root, q; /* d, m', sqrt(v'), q */
};

static struct update update_of(const struct half *half, const mn_real *state, const mn_real *g,
                               const mn_real *x, const mn_real *factors) {
    const struct mn_adam *o = &half->adam;
    const double t = (double)state[half->t] + 1;
    return (struct update){.half = half,
                           .m = half->m < 0 ? NULL : state + half->m,
                           .v = state + half->v,
                           .g = g,
                           .x = x,
                           .factors = factors,
                           .rate = o->lr / (1 - pow(o->beta1, t)),
                           .scale = 1 / sqrt(1 - pow(o->beta2, t))};
}

static struct element element_at(const struct update *u, int64_t i) {
    const struct mn_adam *o = &u->half->adam;
    struct element e;
    e.d = (double)u->g[i] + o->weight_decay * (double)u->x[i];
    e.m = (u->m != NULL ? o->beta1 * (double)u->m[i] : 0) + (1 - o->beta1) * e.d;
    e.root = sqrt(o->beta2 * (double)u->v[i] + (1 - o->beta2) * e.d * e.d);
    e.q = e.root * u->scale + o->eps;
    return e;
}

static double factor_at(const struct update *u, int64_t i) {
    return u->factors != NULL ? (double)u->factors[i] : 1;
}

/* u, as the step proposed it. */
static void propose_again(const struct update *u, mn_real *out) {
    for (int64_t i = 0; i < u->half->n; i++) {
        const struct element e = element_at(u, i);
        out[i] = (mn_real)(-factor_at(u, i) * u->rate * e.m / e.q);
    }
}

/* The derivative with regard to the factors: -rate m' / q. */
static void rates_adjoint(const struct update *u, const mn_real *d_u, mn_real *d_rates) {
    for (int64_t i = 0; d_rates != NULL && i < u->half->n; i++) {
        const struct element e = element_at(u, i);
        d_rates[i] = (mn_real)(-(double)d_u[i] * u->rate * e.m / e.q);
    }
}

/* d_u from after to before the step, without what goes through g; that is d_g. To d_x, which may be
 * d_u, comes what the decay of weights passes on. */
static void half_adjoint(const struct update *u, const mn_real *d_u, mn_real *d_x, mn_real *d_state,
                         mn_real *d_g) {
    const struct mn_adam *o = &u->half->adam;
    mn_real *d_m = u->half->m < 0 ? NULL : d_state + u->half->m;
    mn_real *d_v = d_state + u->half->v;
    for (int64_t i = 0; i < u->half->n; i++) {
        const struct element e = element_at(u, i);
        if (e.root == 0) { /* never had a gradient (a skipped candidate), so it stays */
            d_g[i] = 0;
            continue;
        }
        const double d_after = (double)d_u[i] * factor_at(u, i);
        const double d_m1 = (d_m != NULL ? (double)d_m[i] : 0) - u->rate * d_after / e.q;
        const double d_v1 =
            (double)d_v[i] + u->rate * d_after * e.m / (e.q * e.q) * u->scale / (2 * e.root);
        const double d_d = (1 - o->beta1) * d_m1 + 2 * (1 - o->beta2) * e.d * d_v1;
        if (d_m != NULL) {
            d_m[i] = (mn_real)(o->beta1 * d_m1);
        }
        d_v[i] = (mn_real)(o->beta2 * d_v1);
        d_x[i] += (mn_real)(o->weight_decay * d_d);
        d_g[i] = (mn_real)d_d;
    }
}

/* ---- a step ------------------------------------------------------------------------------- */

struct back {
    struct run run;
    const struct mn_step *step;
    struct mn_adjoint *io;
    struct mn_set batch;
    struct mn_pass pass;
    struct mn_hessian hessian;
    struct mn_point d_g, second; /* room */
};

static int back_begin(struct back *b, const struct mn_task *task) {
    struct run *run = &b->run;
    int status = run_begin(run, task);
    if (status == MN_OK) {
        status = mn_rates_begin(&run->rates, run->ctx, &run->dims, b->step->step);
    }
    if (status == MN_OK) {
        status = run_batch(run, b->step->step, &b->batch);
    }
    if (status != MN_OK) {
        return status;
    }
    const int64_t n_w = run->dims.n_w, n = n_w + run->dims.n_a;
    mn_real *room = mn_scratch(run->ctx, 2 * (size_t)n * sizeof *room);
    if (room == NULL) {
        return MN_NOMEM;
    }
    b->d_g = (struct mn_point){room, room + n_w};
    b->second = (struct mn_point){room + n, run->dims.n_a > 0 ? room + n + n_w : NULL};
    b->pass = run_pass(run, b->step->step, 0);
    b->hessian = (struct mn_hessian){.ctx = run->ctx,
                                     .model = run->model,
                                     .dims = &run->dims,
                                     .batch = &b->batch,
                                     .pass = &b->pass,
                                     .epsilon = b->io->epsilon};
    return mn_hessian_room(&b->hessian);
}

/* One half, of which `u` is the update. */
static int update_adjoint(struct back *b, int architecture, const struct update *u) {
    struct mn_adjoint *io = b->io;
    const struct mn_rates *rates = &b->run.rates;
    mn_real *d = architecture ? io->d.a : io->d.w;
    const mn_real *d_u;
    if (mn_rates_shaped(rates, architecture)) {
        propose_again(u, rates->u);
    }
    const int status = mn_rates_back(rates, architecture, u->half->n, u->x, d, &d_u);
    if (status != MN_OK) {
        return status;
    }
    rates_adjoint(u, d_u, architecture ? io->d_rates.a : io->d_rates.w);
    if ((io->flags & MN_ADJOINT_FIRST_ORDER) == 0) {
        half_adjoint(u, d_u, d, io->d_state, architecture ? b->d_g.a : b->d_g.w);
    }
    return MN_OK;
}

/* The updates of these halves, all from the gradient at `at`. */
static int updates_adjoint(struct back *b, const struct mn_point *at, int of_w, int of_a) {
    struct run *run = &b->run;
    struct mn_adjoint *io = b->io;
    struct mn_outcome out;
    const struct mn_point v = {of_w ? b->d_g.w : NULL, of_a ? b->d_g.a : NULL};
    const struct update w =
        update_of(&run->w, b->step->state, run->d_w, at->w, run->rates.factors.w);
    const struct update a =
        update_of(&run->a, b->step->state, run->d_a, at->a, run->rates.factors.a);
    int status = run_gradient(run, at, &b->batch, b->step->step,
                              (of_w ? MN_PASS_GRAD_W : 0u) | (of_a ? MN_PASS_GRAD_A : 0u), &out);
    if (status == MN_OK && of_w) {
        status = update_adjoint(b, 0, &w);
    }
    if (status == MN_OK && of_a) {
        status = update_adjoint(b, 1, &a);
    }
    if (status != MN_OK || (io->flags & MN_ADJOINT_FIRST_ORDER) != 0) {
        return status;
    }
    b->hessian.at = at;
    status = mn_hessian_times(&b->hessian, &v, &b->second);
    if (status == MN_OK) {
        mn_vec_axpy(run->dims.n_w, 1, b->second.w, io->d.w);
        mn_vec_axpy(run->dims.n_a, 1, b->second.a, io->d.a);
    }
    return status;
}

/* The weights were updated last, at the new logits. */
static int alternating_adjoint(struct back *b) {
    const struct mn_point between = {b->step->before.w, b->step->after.a};
    const int status = updates_adjoint(b, &between, 1, 0);
    return status != MN_OK ? status : updates_adjoint(b, &b->step->before, 0, 1);
}

int learner_adjoint(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                    const struct mn_task *task, const struct mn_step *step,
                    struct mn_adjoint *adjoint) {
    struct back b = {
        .run = {.self = self, .ctx = ctx, .model = model}, .step = step, .io = adjoint};
    const int status = back_begin(&b, task);
    if (status != MN_OK) {
        return status;
    }
    const int adapts_a = run_adapts_a(&b.run, step->step);
    if (adjoint->d_rates.a != NULL && !adapts_a) {
        mn_vec_fill(b.run.dims.n_a, 0, adjoint->d_rates.a);
    }
    return adapts_a && b.run.self->order == ALTERNATING
               ? alternating_adjoint(&b)
               : updates_adjoint(&b, &step->before, 1, adapts_a);
}
