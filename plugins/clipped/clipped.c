/* SPDX-License-Identifier: MIT */
/* Gradients whose norm is bounded (Pascanu et al. 2013): g is taken times min(1, max_norm / |g|),
 * the weights' and the logits' each by itself, since they differ in length and scale by orders of
 * magnitude. Around a meta learner g is the direction of a task or their mean; around a task
 * learner it is what each of its passes finds. */
#include "../common/around.h"

struct clipped {
    struct around wraps; /* first */
    double max_norm, max_norm_a;
    int32_t of; /* of a meta learner */
};

/* The factor of x[n]; 1 for a norm that is not finite, which the host sees. */
static double factor_of(double max_norm, int64_t n, const mn_real *x) {
    const double norm = max_norm > 0 ? sqrt(mn_vec_dot(n, x, x)) : 0;
    return norm > max_norm && isfinite(norm) ? max_norm / norm : 1;
}

static double clip(double max_norm, int64_t n, mn_real *x) {
    const double factor = factor_of(max_norm, n, x);
    for (int64_t i = 0; factor < 1 && i < n; i++) {
        x[i] = (mn_real)(factor * (double)x[i]);
    }
    return factor;
}

/* ---- meta learner ------------------------------------------------------------------------- */

enum { OF_MEAN, OF_TASK };

/* Clip what descends, and tell by which factors. */
static int clip_direction(const struct clipped *s, struct mn_ctx *ctx, struct mn_point *x) {
    const double w = clip(s->max_norm, s->wraps.n_w, x->w);
    const double a = clip(s->max_norm_a, s->wraps.n_a, x->a);
    int status = MN_OK;
    if (s->max_norm > 0 && s->wraps.n_w > 0) {
        status = mn_metric(ctx, "clip_w", w);
    }
    if (status == MN_OK && s->max_norm_a > 0 && s->wraps.n_a > 0) {
        status = mn_metric(ctx, "clip_a", a);
    }
    return status;
}

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct clipped *s = self;
    const struct mn_meta_learner *inner = s->wraps.around.table;
    const int status =
        MN_NESTED(ctx, &s->wraps.around,
                  inner->delta(s->wraps.around.self, ctx, model, task, meta, adapted, out));
    return status != MN_OK || s->of != OF_TASK ? status : clip_direction(s, ctx, out);
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    struct clipped *s = self;
    const struct mn_meta_learner *inner = s->wraps.around.table;
    struct mn_point mean = *mean_delta;
    if (s->of == OF_MEAN) {
        mean.w = mn_scratch(ctx, (size_t)(s->wraps.n_w + s->wraps.n_a) * sizeof *mean.w);
        if (mean.w == NULL) {
            return MN_NOMEM;
        }
        mean.a = s->wraps.n_a > 0 ? mean.w + s->wraps.n_w : NULL;
        mn_vec_copy(s->wraps.n_w, mean_delta->w, mean.w);
        mn_vec_copy(s->wraps.n_a, mean_delta->a, mean.a);
        const int status = clip_direction(s, ctx, &mean);
        if (status != MN_OK) {
            return status;
        }
    }
    return MN_NESTED(ctx, &s->wraps.around, inner->update(s->wraps.around.self, ctx, meta, &mean));
}

static const struct mn_meta_learner meta_learner = {
    .size = sizeof meta_learner, .start = around_start, .delta = delta, .update = update};

static const char *const of_choices[] = {"mean", "task", NULL};

static const struct mn_opt meta_options[] = {
    MN_AROUND(struct around, around, "the meta learner whose directions are clipped"),
    MN_REAL(struct clipped, max_norm, 1, 0, 1e12,
            "norm that the direction of the weights is scaled down to; 0 = any"),
    MN_REAL(struct clipped, max_norm_a, 0, 0, 1e12, "the same of the logits"),
    MN_CHOICE(struct clipped, of, OF_MEAN, of_choices,
              "what is clipped: the mean over the tasks, before the update; or the direction of "
              "each task, so that none outweighs the others"),
};

/* ---- task learner ------------------------------------------------------------------------- */

/* The services that the learner finds: a pass with its gradients clipped. */
struct services {
    struct mn_host host; /* first: ctx->host */
    const struct mn_host *before;
    const struct clipped *self;
};

static int clipped_pass(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_point *at,
                        const struct mn_set *batch, const struct mn_pass *pass,
                        struct mn_outcome *out) {
    const struct services *mine = (const struct services *)ctx->host;
    const struct clipped *s = mine->self;
    struct mn_dims dims;
    ctx->host = mine->before;
    int status = mn_model_pass(ctx, model, at, batch, pass, out);
    if (status == MN_OK) {
        status = mn_model_dims(ctx, model, &dims);
    }
    ctx->host = &mine->host;
    if (status == MN_OK && (pass->flags & MN_PASS_GRAD_W) != 0) {
        clip(s->max_norm, dims.n_w, out->d_w);
    }
    if (status == MN_OK && (pass->flags & MN_PASS_GRAD_A) != 0) {
        clip(s->max_norm_a, dims.n_a, out->d_a);
    }
    return status;
}

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    const struct clipped *s = self;
    const struct mn_task_learner *inner = s->wraps.around.table;
    struct services mine = {*ctx->host, ctx->host, s};
    mine.host.model_pass = clipped_pass;
    ctx->host = &mine.host;
    const int status = MN_NESTED(
        ctx, &s->wraps.around, inner->adapt(s->wraps.around.self, ctx, model, task, params, state));
    ctx->host = mine.before;
    return status;
}

static int check_adjoint(const void *self, struct mn_ctx *ctx) {
    return mn_bad_option(ctx, "around",
                         "the meta learner differentiates through the steps of a task, and clipped "
                         "steps have no derivative here; use a first-order meta learner, such as "
                         "reptile or fomaml, or a task learner that is not clipped");
}

static const struct mn_task_learner task_learner = {
    .size = sizeof task_learner, .adapt = adapt, .check_adjoint = check_adjoint};

static const struct mn_opt task_options[] = {
    MN_AROUND(struct around, around, "the task learner whose gradients are clipped"),
    MN_REAL(struct clipped, max_norm, 5, 0, 1e12,
            "norm that a gradient of the weights is scaled down to; 0 = any"),
    MN_REAL(struct clipped, max_norm_a, 0, 0, 1e12, "the same of the logits"),
};

MN_PLUGIN("clipped", "0.1.0",
          MN_UNIT(MN_META_LEARNER, "clipped",
                  "another meta learner, its direction scaled down to a largest norm",
                  struct clipped, meta_options, &meta_learner),
          MN_UNIT(MN_TASK_LEARNER, "clipped",
                  "another task learner, its gradients scaled down to a largest norm",
                  struct clipped, task_options, &task_learner))
