/* SPDX-License-Identifier: MIT */
/* REPTILE with a step for each parameter (RMSProp on its directions): d = meta - adapted, mean over
 * the tasks; v = decay v + (1 - decay) d^2; x -= lr d / (sqrt(v) + eps). */
#include <metanas/plugin.h>

struct learner {
    double lr_w, lr_a, decay, eps;
    int64_t n_w, n_a;   /* set by start */
    mn_real *v_w, *v_a; /* in the host's named state, so that they are in checkpoints */
};

static int start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    struct learner *s = self;
    s->n_w = dims->n_w;
    s->n_a = dims->n_a;
    s->v_w = mn_state(ctx, "v_w", s->n_w);
    if (s->v_w == NULL) {
        return MN_NOMEM;
    }
    if (s->n_a > 0) {
        s->v_a = mn_state(ctx, "v_a", s->n_a);
    }
    return s->n_a > 0 && s->v_a == NULL ? MN_NOMEM : MN_OK;
}

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct learner *s = self;
    mn_vec_sub(s->n_w, meta->w, adapted->w, out->w);
    mn_vec_sub(s->n_a, meta->a, adapted->a, out->a);
    return MN_OK;
}

static void descend(const struct learner *s, double lr, int64_t n, const mn_real *d, mn_real *v,
                    mn_real *x) {
    const mn_real keep = (mn_real)s->decay, take = (mn_real)(1 - s->decay);
    for (int64_t i = 0; i < n; i++) {
        v[i] = keep * v[i] + take * d[i] * d[i];
        x[i] -= (mn_real)lr * d[i] / (mn_real_sqrt(v[i]) + (mn_real)s->eps);
    }
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    const struct learner *s = self;
    descend(s, s->lr_w, s->n_w, mean_delta->w, s->v_w, meta->w);
    descend(s, s->lr_a, s->n_a, mean_delta->a, s->v_a, meta->a);
    return MN_OK;
}

static const struct mn_meta_learner table = {
    .size = sizeof table, .start = start, .delta = delta, .update = update};

static const struct mn_opt options[] = {
    MN_REAL(struct learner, lr_w, 0.01, 0, 1e12, "meta learning rate of the weights"),
    MN_REAL(struct learner, lr_a, 0.01, 0, 1e12, "meta learning rate of the architecture"),
    MN_REAL_OPEN(struct learner, decay, 0.9, 0, 1, MN_OPT_OPEN_MAX, "decay of the mean square"),
    MN_REAL_OPEN(struct learner, eps, 1e-4, 0, 1, MN_OPT_OPEN_MIN, "added to the root"),
};

MN_PLUGIN("@NAME@", "0.1.0",
          MN_UNIT(MN_META_LEARNER, "@NAME@", "REPTILE with a step for each parameter",
                  struct learner, options, &table))
