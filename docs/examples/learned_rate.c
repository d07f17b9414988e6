/* SPDX-License-Identifier: MIT */
/* REPTILE with a learned step size (hypergradient descent, Baydin et al., ICLR 2018, in its
 * multiplicative form): while successive directions agree the rate grows, while they disagree it
 * falls: log rate += kappa cos(d, d of the update before); w -= rate d, likewise for a. */
#include <metanas/plugin.h>

/* What is learned and remembered for one of w and a, in the host's named state. */
struct memory {
    mn_real *log_rate; /* of the rate over the one configured; a run starts at 0 */
    mn_real *before;   /* the direction of the update before */
};

struct learner {
    double lr_w, lr_a, kappa, limit;
    int64_t n_w, n_a; /* set by start, as the rest */
    struct memory w, a;
};

static int claim(struct mn_ctx *ctx, const char *rate, const char *before, int64_t n,
                 struct memory *out) {
    if (n == 0) {
        return MN_OK;
    }
    out->log_rate = mn_state(ctx, rate, 1);
    out->before = out->log_rate != NULL ? mn_state(ctx, before, n) : NULL;
    return out->before != NULL ? MN_OK : MN_NOMEM;
}

static int start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    struct learner *s = self;
    s->n_w = dims->n_w;
    s->n_a = dims->n_a;
    const int status = claim(ctx, "log_rate_w", "before_w", s->n_w, &s->w);
    return status != MN_OK ? status : claim(ctx, "log_rate_a", "before_a", s->n_a, &s->a);
}

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct learner *s = self;
    mn_vec_sub(s->n_w, meta->w, adapted->w, out->w);
    mn_vec_sub(s->n_a, meta->a, adapted->a, out->a);
    return MN_OK;
}

/* 0 where one of them is zero: in the first update, and where nothing was adapted. */
static double cosine(int64_t n, const mn_real *x, const mn_real *y) {
    const double norms = sqrt(mn_vec_dot(n, x, x)) * sqrt(mn_vec_dot(n, y, y));
    return norms > 0 ? mn_vec_dot(n, x, y) / norms : 0;
}

static double clamp(double x, double limit) {
    return x > limit ? limit : x < -limit ? -limit : x;
}

/* metrics.jsonl gets the rate as meta_learner.`name`. */
static int descend(const struct learner *s, struct mn_ctx *ctx, const char *name, double lr,
                   int64_t n, const mn_real *d, struct memory *memory, mn_real *at) {
    if (n == 0) {
        return MN_OK;
    }
    const double turn = s->kappa * cosine(n, d, memory->before);
    *memory->log_rate = (mn_real)clamp((double)*memory->log_rate + turn, log(s->limit));
    mn_vec_copy(n, d, memory->before);
    lr *= exp((double)*memory->log_rate);
    mn_vec_sgd(n, lr, d, at);
    return mn_metric(ctx, name, lr);
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    struct learner *s = self;
    const int status = descend(s, ctx, "lr_w", s->lr_w, s->n_w, mean_delta->w, &s->w, meta->w);
    return status != MN_OK
               ? status
               : descend(s, ctx, "lr_a", s->lr_a, s->n_a, mean_delta->a, &s->a, meta->a);
}

static const struct mn_meta_learner table = {
    .size = sizeof table, .start = start, .delta = delta, .update = update};

static const struct mn_opt options[] = {
    MN_REAL(struct learner, lr_w, 0.5, 0, 1e12, "first meta learning rate of the weights"),
    MN_REAL(struct learner, lr_a, 0.5, 0, 1e12, "first meta learning rate of the architecture"),
    MN_REAL(struct learner, kappa, 0.05, 0, 1, "how fast the rates are learned; 0 = not at all"),
    MN_REAL(struct learner, limit, 10, 1, 1e6, "largest factor, up or down, on the first rates"),
};

MN_PLUGIN("learned_rate", "0.1.0",
          MN_UNIT(MN_META_LEARNER, "learned_rate",
                  "REPTILE whose rates grow while successive directions agree", struct learner,
                  options, &table))
