/* SPDX-License-Identifier: MIT */
#ifndef METANAS_EXTRA_OUTER_H
#define METANAS_EXTRA_OUTER_H

/* How a meta learner descends a mean gradient: plain or by Adam, with a schedule. struct mn_outer
 * stands first in the instance. */

#include "schedule.h"

enum { MN_OUTER_SGD, MN_OUTER_ADAM };

/* Adam's memory for one vector. */
struct mn_outer_moments {
    mn_real *m, *v;
    mn_real *t; /* steps done */
};

struct mn_outer {
    double lr_w, lr_a;
    int32_t schedule, optimizer;
    double beta1, beta2, eps;
    int64_t n_w, n_a; /* set by mn_outer_start, as the rest */
    struct mn_outer_moments w, a;
};

static const char *const mn_outer_optimizers[] = {"sgd", "adam", NULL};

#define MN_OUTER_OPTIONS                                                                           \
    MN_REAL(struct mn_outer, lr_w, 0.1, 0, 1e12, "meta learning rate of the weights"),             \
        MN_REAL(struct mn_outer, lr_a, 0.1, 0, 1e12, "meta learning rate of the architecture"),    \
        MN_SCHEDULE_OPTION(struct mn_outer),                                                       \
        MN_CHOICE(struct mn_outer, optimizer, MN_OUTER_SGD, mn_outer_optimizers,                   \
                  "how the mean gradient is applied"),                                             \
        MN_REAL_OPEN(struct mn_outer, beta1, 0.9, 0, 1, MN_OPT_OPEN_MAX,                           \
                     "Adam: decay of the mean"),                                                   \
        MN_REAL_OPEN(struct mn_outer, beta2, 0.999, 0, 1, MN_OPT_OPEN_MAX,                         \
                     "Adam: decay of the square"),                                                 \
        MN_REAL_OPEN(struct mn_outer, eps, 1e-8, 0, 1, MN_OPT_OPEN_MIN, "Adam: added to the root")

/* Claim Adam's memory for a vector of n under these names; nothing where there is nothing to do. */
static inline int mn_outer_claim(const struct mn_outer *s, struct mn_ctx *ctx,
                                 const char *const names[3], int64_t n,
                                 struct mn_outer_moments *out) {
    if (s->optimizer != MN_OUTER_ADAM || n == 0) {
        return MN_OK;
    }
    out->m = mn_state(ctx, names[0], n);
    out->v = out->m == NULL ? NULL : mn_state(ctx, names[1], n);
    out->t = out->v == NULL ? NULL : mn_state(ctx, names[2], 1);
    return out->t == NULL ? MN_NOMEM : MN_OK;
}

static inline int mn_outer_start(struct mn_outer *s, struct mn_ctx *ctx,
                                 const struct mn_dims *dims) {
    static const char *const names_w[] = {"m_w", "v_w", "t_w"};
    static const char *const names_a[] = {"m_a", "v_a", "t_a"};
    s->n_w = dims->n_w;
    s->n_a = dims->n_a;
    const int status = mn_outer_claim(s, ctx, names_w, s->n_w, &s->w);
    return status != MN_OK ? status : mn_outer_claim(s, ctx, names_a, s->n_a, &s->a);
}

static inline int mn_outer_all_zero(int64_t n, const mn_real *x) {
    for (int64_t i = 0; i < n; i++) {
        if (x[i] != 0) {
            return 0;
        }
    }
    return 1;
}

static inline void mn_outer_descend(const struct mn_outer *s, double lr, int64_t n,
                                    const mn_real *direction, struct mn_outer_moments *moments,
                                    mn_real *at) {
    if (s->optimizer == MN_OUTER_SGD) {
        mn_vec_sgd(n, lr, direction, at);
        return;
    }
    if (mn_outer_all_zero(n, direction)) {
        return; /* nobody adapted it (warm-up): that must not age the moments */
    }
    const struct mn_adam adam = {.lr = lr, .beta1 = s->beta1, .beta2 = s->beta2, .eps = s->eps};
    *moments->t += 1;
    mn_vec_adam(n, &adam, (double)*moments->t, direction, moments->m, moments->v, at);
}

/* Weights and logits. */
static inline int mn_outer_update(struct mn_outer *s, struct mn_ctx *ctx, struct mn_point *meta,
                                  const struct mn_point *mean) {
    const double factor = mn_schedule_factor(s->schedule, &ctx->where);
    mn_outer_descend(s, s->lr_w * factor, s->n_w, mean->w, &s->w, meta->w);
    mn_outer_descend(s, s->lr_a * factor, s->n_a, mean->a, &s->a, meta->a);
    return mn_schedule_report(ctx, s->lr_w * factor, s->n_w, s->lr_a * factor, s->n_a);
}

/* Gradient of the query loss at `at`, at progress 1, with the mixtures that a task ends with. NULL
 * = not wanted. */
static inline int mn_outer_query_gradient(struct mn_ctx *ctx, const struct mn_model *model,
                                          const struct mn_task *task, const struct mn_point *at,
                                          mn_real *d_w, mn_real *d_a) {
    struct mn_outcome outcome = {.size = sizeof outcome, .d_w = d_w, .d_a = d_a};
    const struct mn_pass pass = {.size = sizeof pass,
                                 .flags = (d_w != NULL ? MN_PASS_GRAD_W : 0u) |
                                          (d_a != NULL ? MN_PASS_GRAD_A : 0u),
                                 .progress = 1,
                                 .support = &task->support};
    return mn_model_pass(ctx, model, at, &task->query, &pass, &outcome);
}

#endif
