/* SPDX-License-Identifier: MIT */
/* REPTILE with momentum. */
#define WAYS                                                                                       \
    FINE, DRIFTS, WRONG_SIGN, BOTH_SIGNS, HIDDEN_STATE, HIDES_NUMERIC, UNWRITTEN, LATE_STATE,      \
        STATE_TWICE, CHANGES_META, NEEDS_ARCHITECTURE, BAD_METRIC, PULLS_FEATURES,                 \
        NO_GRADIENT_OF_FEATURES, UNTOLD_BATCH, HUGE_BATCH
#include "wrong.h"

struct learner {
    double lr, momentum;
    int64_t n_w, n_a;
    mn_real *velocity;
    int64_t updates;
};

static int start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    struct learner *s = self;
    s->n_w = dims->n_w;
    s->n_a = wrong == NEEDS_ARCHITECTURE ? 3 : dims->n_a;
    s->velocity = mn_state(ctx, "velocity", s->n_w);
    if (s->velocity != NULL && wrong == STATE_TWICE) {
        s->velocity = mn_state(ctx, "velocity", s->n_w);
    }
    return s->velocity == NULL ? MN_NOMEM : MN_OK;
}

static int query_pass(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_task *task,
                      const struct mn_point *at) {
    const struct mn_pass pass = {.size = sizeof pass, .progress = 1};
    struct mn_outcome out = {.size = sizeof out};
    return mn_model_pass(ctx, model, at, &task->query, &pass, &out);
}

/* Adds to the direction of the weights a hundredth of the gradient of half the squared length of
 * the support set's features. */
static int pull_features(struct mn_ctx *ctx, const struct mn_model *model,
                         const struct mn_task *task, const struct mn_point *at, int64_t n_w,
                         mn_real *direction) {
    struct mn_dims dims;
    int status = mn_model_dims(ctx, model, &dims);
    struct mn_pass pass = {.size = sizeof pass, .flags = MN_PASS_FEATURES, .progress = 1};
    struct mn_outcome out = {.size = sizeof out};
    out.features = mn_scratch(ctx, (size_t)(task->support.n * dims.n_features) * sizeof(mn_real));
    mn_real *d_w = out.features == NULL ? NULL : mn_scratch(ctx, (size_t)dims.n_w * sizeof *d_w);
    if (d_w == NULL) {
        return MN_NOMEM;
    }
    if (status == MN_OK) {
        status = mn_model_pass(ctx, model, at, &task->support, &pass, &out);
    }
    if (status == MN_OK) {
        pass.flags |= MN_PASS_GRAD_W;
        pass.d_features = wrong == NO_GRADIENT_OF_FEATURES ? NULL : out.features;
        out = (struct mn_outcome){.size = sizeof out, .d_w = d_w};
        status = mn_model_pass(ctx, model, at, &task->support, &pass, &out);
    }
    if (status == MN_OK) {
        mn_vec_axpy(n_w, (mn_real)0.01, d_w, direction);
    }
    return status;
}

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct learner *s = self;
    const int other = wrong == BOTH_SIGNS;
    const int status = query_pass(ctx, model, task, adapted);
    if (status != MN_OK && wrong != HIDES_NUMERIC) {
        return status;
    }
    mn_vec_sub(s->n_w, other ? adapted->w : meta->w, other ? meta->w : adapted->w, out->w);
    mn_vec_sub(wrong == UNWRITTEN ? 0 : s->n_a, other ? adapted->a : meta->a,
               other ? meta->a : adapted->a, out->a);
    if (wrong == CHANGES_META) {
        meta->w[0] += 1;
    }
    return wrong == PULLS_FEATURES || wrong == NO_GRADIENT_OF_FEATURES || wrong == UNTOLD_BATCH
               ? pull_features(ctx, model, task, adapted, s->n_w, out->w)
               : MN_OK;
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    struct learner *s = self;
    const double sign = wrong == WRONG_SIGN ? -1 : 1;
    if (wrong == LATE_STATE && mn_state(ctx, "late", 1) == NULL) {
        return MN_NOMEM;
    }
    if (wrong == BAD_METRIC && mn_metric(ctx, "rate of w", s->lr) != MN_OK) {
        return MN_INTERNAL;
    }
    s->updates++;
    const double rate = wrong == HIDDEN_STATE ? s->lr / (double)s->updates : s->lr;
    for (int64_t i = 0; i < s->n_w; i++) {
        s->velocity[i] =
            (mn_real)(s->momentum * (double)s->velocity[i] + sign * (double)mean_delta->w[i]);
    }
    mn_vec_sgd(s->n_w, rate, s->velocity, meta->w);
    mn_vec_sgd(s->n_a, sign * rate, mean_delta->a, meta->a);
    if (wrong == DRIFTS) {
        meta->w[0] *= (mn_real)0.999;
    }
    return MN_OK;
}

/* The support set, where features of it are asked for. */
static int32_t max_batch(const void *self) {
    return wrong == UNTOLD_BATCH ? 1 : wrong == HUGE_BATCH ? INT32_MAX : 0;
}

static const struct mn_meta_learner table = {
    .size = sizeof table, .start = start, .delta = delta, .update = update, .max_batch = max_batch};

static const struct mn_opt options[] = {
    MN_REAL(struct learner, lr, 0.5, 0, 2, "meta learning rate"),
    MN_REAL(struct learner, momentum, 0.5, 0, 0.99, "momentum of the weights"),
};

MN_PLUGIN("broken_meta_learner", "1.0.0",
          MN_UNIT(MN_META_LEARNER, "learner", "REPTILE with momentum", struct learner, options,
                  &table))

__attribute__((constructor)) static void loaded(void) {
    choose_way();
}
