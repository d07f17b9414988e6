/* SPDX-License-Identifier: MIT */
/* iMAML (Rajeswaran et al., NeurIPS 2019): tasks minimise the loss of their support set and
 * lambda / 2 |w - meta|^2, and the meta-gradient depends on where they end alone: it is v of
 * (1 + H / lambda) v = gradient of the query loss, H being the Hessian of the support loss there,
 * solved by conjugate gradients. Two units: the task learner `proximal`, the meta learner `imaml`.
 */
#include <metanas/extra/hessian.h>
#include <metanas/extra/outer.h>

#include <stdlib.h>

/* ---- task learner: gradient descent towards the proximal point ------------------------------ */

struct proximal {
    int64_t steps, test_steps;
    double lr, lambda;
};

static int64_t steps(const void *self, const struct mn_where *where) {
    const struct proximal *s = self;
    return where->split == MN_TRAIN ? s->steps : s->test_steps;
}

static uint32_t adapts(const void *self, const struct mn_where *where) {
    return MN_ADAPTS_W;
}

static int do_step(const struct proximal *s, struct mn_ctx *ctx, const struct mn_model *model,
                   const struct mn_task *task, int64_t step, const mn_real *meta,
                   struct mn_point *params, int64_t n, mn_real *d) {
    const struct mn_pass pass = {.size = sizeof pass,
                                 .flags = MN_PASS_TRAINING | MN_PASS_GRAD_W,
                                 .progress = 1,
                                 .step = step};
    struct mn_outcome out = {.size = sizeof out, .d_w = d};
    struct mn_set batch;
    if (mn_cancelled(ctx)) {
        return mn_fail(ctx, MN_CANCELLED, "stopped before step %d", (int)step);
    }
    int status = mn_task_batch(ctx, task, step, 0, &batch); /* all of the support set */
    if (status == MN_OK) {
        status = mn_model_pass(ctx, model, params, &batch, &pass, &out);
    }
    if (status != MN_OK) {
        return status;
    }
    for (int64_t i = 0; i < n; i++) {
        d[i] += (mn_real)(s->lambda * ((double)params->w[i] - (double)meta[i]));
    }
    mn_vec_sgd(n, s->lr, d, params->w);
    return mn_step_done(ctx, step, out.loss, (double)out.hits / batch.n, out.skip_share, params);
}

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    struct mn_dims dims;
    const int status = mn_model_dims(ctx, model, &dims);
    if (status != MN_OK) {
        return status;
    }
    mn_real *meta = mn_scratch(ctx, 2 * (size_t)dims.n_w * sizeof *meta);
    if (meta == NULL) {
        return MN_NOMEM;
    }
    mn_vec_copy(dims.n_w, params->w, meta);
    const int64_t n = mn_task_steps(ctx, task, steps(self, &ctx->where));
    for (int64_t step = 0; step < n; step++) {
        const int done =
            do_step(self, ctx, model, task, step, meta, params, dims.n_w, meta + dims.n_w);
        if (done != MN_OK) {
            return done;
        }
    }
    return MN_OK;
}

static const struct mn_task_learner proximal = {
    .size = sizeof proximal, .adapts = adapts, .steps = steps, .adapt = adapt};

static const struct mn_opt proximal_options[] = {
    MN_INT(struct proximal, steps, 16, 0, 1000000, "steps of a task of meta-training"),
    MN_INT_FLAGS(struct proximal, test_steps, 16, 0, 1000000, MN_OPT_EVALUATION,
                 "steps of a task of evaluation"),
    MN_REAL(struct proximal, lr, 0.1, 0, 1e12, "learning rate"),
    MN_REAL_OPEN(struct proximal, lambda, 2, 0, 1e12, MN_OPT_OPEN_MIN,
                 "pull towards the meta-learned weights"),
};

/* ---- meta learner --------------------------------------------------------------------------- */

struct imaml {
    struct mn_outer outer; /* first: MN_OUTER_OPTIONS */
    double lambda, epsilon;
    int64_t cg_steps;
};

static int check(const void *self, struct mn_ctx *ctx) {
    const struct imaml *s = self;
    const char *lambda = mn_configured(ctx, "task_learner.lambda");
    const int status = mn_need(ctx, "task_learner.use", "proximal",
                               "the implicit gradient is that of a proximal point, which no other "
                               "task learner goes to");
    return status != MN_OK || lambda == NULL || strtod(lambda, NULL) == s->lambda
               ? status
               : mn_bad_option(ctx, "lambda",
                               "it is %g, but task_learner.lambda is %s; both stand in one "
                               "equation, so give the same number",
                               s->lambda, lambda);
}

static int start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    struct imaml *s = self;
    return dims->n_w > 0 ? mn_outer_start(&s->outer, ctx, dims)
                         : mn_fail(ctx, MN_CONFIG,
                                   "it learns weights alone; take another meta learner for the "
                                   "architecture");
}

/* The whole support set, in one pass. */
static int32_t max_batch(const void *self) {
    return 0;
}

/* Conjugate gradients: x of (1 + H / lambda) x = b, which comes in r; room of 2 n reals. The loss
 * of a network may bend down by more than lambda pulls up; there is then no minimum to solve for,
 * and x grows without bound near it. So it ends where H takes away more than half of the pull, with
 * what there is, and in the first step with b, the first-order gradient (as Newton-CG does at
 * curvature 0: Nocedal and Wright 2006, Algorithm 7.1). metrics.jsonl tells the share of tasks that
 * ended so, of which a larger lambda leaves fewer, and the part of b that is left. */
static int solve(const struct imaml *s, struct mn_hessian *h, mn_real *r, mn_real *room,
                 mn_real *x) {
    const int64_t n = h->dims->n_w;
    mn_real *p = room, *q = room + n;
    const struct mn_point along = {p, NULL}, product = {q, NULL};
    double rr = mn_vec_dot(n, r, r);
    const double all = rr, enough = 1e-20 * rr;
    int truncated = 0;
    mn_vec_fill(n, 0, x);
    mn_vec_copy(n, r, p);
    for (int64_t step = 0; step < s->cg_steps && rr > enough && !truncated; step++) {
        if (mn_cancelled(h->ctx)) {
            return mn_fail(h->ctx, MN_CANCELLED, "stopped by the user");
        }
        const int status = mn_hessian_times(h, &along, &product);
        if (status != MN_OK) {
            return status;
        }
        for (int64_t i = 0; i < n; i++) {
            q[i] = (mn_real)((double)p[i] + (double)q[i] / s->lambda);
        }
        const double curvature = mn_vec_dot(n, p, q), before = rr;
        truncated = !(curvature >= 0.5 * mn_vec_dot(n, p, p));
        if (truncated && step > 0) {
            break;
        }
        const double alpha = truncated ? 1 : rr / curvature;
        mn_vec_axpy(n, (mn_real)alpha, p, x);
        mn_vec_axpy(n, (mn_real)-alpha, q, r);
        rr = mn_vec_dot(n, r, r);
        for (int64_t i = 0; i < n; i++) {
            p[i] = (mn_real)((double)r[i] + rr / before * (double)p[i]);
        }
    }
    const int status = mn_metric(h->ctx, "truncated", truncated);
    return status != MN_OK ? status : mn_metric(h->ctx, "residual", all > 0 ? sqrt(rr / all) : 0);
}

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct imaml *s = self;
    const struct mn_pass pass = {.size = sizeof pass, .progress = 1};
    struct mn_dims dims;
    struct mn_hessian h = {.ctx = ctx,
                           .model = model,
                           .dims = &dims,
                           .at = adapted,
                           .batch = &task->support,
                           .pass = &pass,
                           .epsilon = s->epsilon};
    int status = mn_model_dims(ctx, model, &dims);
    mn_real *room = status == MN_OK ? mn_scratch(ctx, 3 * (size_t)dims.n_w * sizeof *room) : NULL;
    if (room == NULL || mn_hessian_room(&h) != MN_OK) {
        return status != MN_OK ? status : MN_NOMEM;
    }
    mn_vec_fill(s->outer.n_a, 0, out->a);
    status = mn_outer_query_gradient(ctx, model, task, adapted, room, NULL);
    return status != MN_OK ? status : solve(s, &h, room, room + dims.n_w, out->w);
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    struct imaml *s = self;
    return mn_outer_update(&s->outer, ctx, meta, mean_delta);
}

static const struct mn_meta_learner imaml = {.size = sizeof imaml,
                                             .check = check,
                                             .start = start,
                                             .max_batch = max_batch,
                                             .delta = delta,
                                             .update = update};

static const struct mn_opt imaml_options[] = {
    MN_OUTER_OPTIONS,
    MN_REAL_OPEN(struct imaml, lambda, 2, 0, 1e12, MN_OPT_OPEN_MIN,
                 "that of the task learner, to be given here, too"),
    MN_INT(struct imaml, cg_steps, 5, 1, 10000, "steps of conjugate gradients at most"),
    MN_REAL_OPEN(struct imaml, epsilon, 0.01, 0, 1e6, MN_OPT_OPEN_MIN,
                 "length of the displacement in the finite differences of gradients"),
};

MN_PLUGIN("imaml", "1.0.0",
          MN_UNIT(MN_META_LEARNER, "imaml", "descends the implicit gradient of proximal tasks",
                  struct imaml, imaml_options, &imaml),
          MN_UNIT(MN_TASK_LEARNER, "proximal",
                  "gradient descent held near the meta-learned weights", struct proximal,
                  proximal_options, &proximal))
