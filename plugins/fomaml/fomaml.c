/* SPDX-License-Identifier: MIT */
/* First-order MAML: descends the gradient of the query loss at the adapted points. */
#include <metanas/extra/outer.h>

struct fomaml {
    struct mn_outer outer; /* first: MN_OUTER_OPTIONS */
};

static int start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    struct fomaml *s = self;
    return mn_outer_start(&s->outer, ctx, dims);
}

/* What the task did not adapt has no direction. */
static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct mn_outer *s = &((const struct fomaml *)self)->outer;
    const int with_w = (ctx->where.adapts & MN_ADAPTS_W) != 0;
    const int with_a = (ctx->where.adapts & MN_ADAPTS_A) != 0 && s->n_a > 0;
    const int status = mn_outer_query_gradient(ctx, model, task, adapted, with_w ? out->w : NULL,
                                               with_a ? out->a : NULL);
    if (status != MN_OK) {
        return status;
    }
    mn_vec_fill(with_w ? 0 : s->n_w, 0, out->w);
    mn_vec_fill(with_a ? 0 : s->n_a, 0, out->a);
    return MN_OK;
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    struct fomaml *s = self;
    return mn_outer_update(&s->outer, ctx, meta, mean_delta);
}

static const struct mn_meta_learner learner = {
    .size = sizeof learner,
    .start = start,
    .delta = delta,
    .update = update,
};

static const struct mn_opt options[] = {MN_OUTER_OPTIONS};

MN_PLUGIN("fomaml", "0.1.0",
          MN_UNIT(MN_META_LEARNER, "fomaml",
                  "first-order MAML: descends the query gradient at the adapted points",
                  struct fomaml, options, &learner))
