/* SPDX-License-Identifier: MIT */
/* REPTILE (Eq. 4): w += lr_w * mean_i(w_i - w), a += lr_a * mean_i(a_i - a). */
#include <metanas/extra/schedule.h>

struct reptile {
    double lr_w, lr_a;
    int32_t schedule;
    int64_t n_w, n_a; /* set by start */
};

static int start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    struct reptile *s = self;
    s->n_w = dims->n_w;
    s->n_a = dims->n_a;
    return MN_OK;
}

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct reptile *s = self;
    mn_vec_sub(s->n_w, meta->w, adapted->w, out->w);
    mn_vec_sub(s->n_a, meta->a, adapted->a, out->a);
    return MN_OK;
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    const struct reptile *s = self;
    const double factor = mn_schedule_factor(s->schedule, &ctx->where);
    mn_vec_sgd(s->n_w, s->lr_w * factor, mean_delta->w, meta->w);
    mn_vec_sgd(s->n_a, s->lr_a * factor, mean_delta->a, meta->a);
    return mn_schedule_report(ctx, s->lr_w * factor, s->n_w, s->lr_a * factor, s->n_a);
}

static const struct mn_meta_learner learner = {
    .size = sizeof learner,
    .start = start,
    .delta = delta,
    .update = update,
};

static const struct mn_opt options[] = {
    MN_REAL(struct reptile, lr_w, 1.0, 0, 1e12, "meta learning rate of the weights"),
    MN_REAL(struct reptile, lr_a, 0.6, 0, 1e12, "meta learning rate of the architecture"),
    MN_SCHEDULE_OPTION(struct reptile),
};

MN_PLUGIN("reptile", "0.1.0",
          MN_UNIT(MN_META_LEARNER, "reptile",
                  "moves towards the mean of the adapted points (Eq. 4)", struct reptile, options,
                  &learner))
