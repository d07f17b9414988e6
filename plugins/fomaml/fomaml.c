/* SPDX-License-Identifier: MIT */
/* First-order MAML: descends the gradient of the query loss at the adapted points. */
#include "../common/schedule.h"

enum { SGD, ADAM };

/* Adam's memory for one of w and a. */
struct moments {
    mn_real *m, *v;
    mn_real *t; /* steps done */
};

struct fomaml {
    double lr_w, lr_a;
    int32_t schedule, optimizer;
    double beta1, beta2, eps;
    int64_t n_w, n_a;    /* set by start, as the rest */
    struct moments w, a; /* ADAM only */
};

static int claim(struct mn_cx *cx, const char *const names[3], int64_t n, struct moments *out) {
    if (n == 0) {
        return MN_OK;
    }
    out->m = mn_state(cx, names[0], n);
    out->v = out->m == NULL ? NULL : mn_state(cx, names[1], n);
    out->t = out->v == NULL ? NULL : mn_state(cx, names[2], 1);
    return out->t == NULL ? MN_NOMEM : MN_OK;
}

static int start(void *self, struct mn_cx *cx, const struct mn_dims *dims) {
    static const char *const names_w[] = {"m_w", "v_w", "t_w"};
    static const char *const names_a[] = {"m_a", "v_a", "t_a"};
    struct fomaml *s = self;
    s->n_w = dims->n_w;
    s->n_a = dims->n_a;
    if (s->optimizer != ADAM) {
        return MN_OK;
    }
    const int status = claim(cx, names_w, s->n_w, &s->w);
    return status != MN_OK ? status : claim(cx, names_a, s->n_a, &s->a);
}

/* The query gradient at progress 1, with the mixtures that the task ends with. What the task did
 * not adapt has no direction. */
static int delta(const void *self, struct mn_cx *cx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct fomaml *s = self;
    const int with_w = (cx->where.adapts & MN_ADAPTS_W) != 0;
    const int with_a = (cx->where.adapts & MN_ADAPTS_A) != 0 && s->n_a > 0;
    struct mn_outcome outcome = {.size = sizeof outcome, .d_w = out->w, .d_a = out->a};
    const struct mn_pass pass = {.size = sizeof pass,
                                 .flags = (with_w ? MN_PASS_GRAD_W : 0u) |
                                          (with_a ? MN_PASS_GRAD_A : 0u),
                                 .progress = 1};
    const int status = mn_model_pass(cx, model, adapted, &task->query, &pass, &outcome);
    if (status != MN_OK) {
        return status;
    }
    if (!with_w) {
        mn_vec_fill(s->n_w, 0, out->w);
    }
    if (!with_a) {
        mn_vec_fill(s->n_a, 0, out->a);
    }
    return MN_OK;
}

static int all_zero(int64_t n, const mn_real *x) {
    for (int64_t i = 0; i < n; i++) {
        if (x[i] != 0) {
            return 0;
        }
    }
    return 1;
}

static void descend(const struct fomaml *s, double lr, int64_t n, const mn_real *direction,
                    struct moments *moments, mn_real *at) {
    if (s->optimizer == SGD) {
        mn_vec_sgd(n, lr, direction, at);
        return;
    }
    if (all_zero(n, direction)) {
        return; /* nobody adapted it (warm-up): that must not age the moments */
    }
    const struct mn_adam adam = {.lr = lr, .beta1 = s->beta1, .beta2 = s->beta2, .eps = s->eps};
    *moments->t += 1;
    mn_vec_adam(n, &adam, (double)*moments->t, direction, moments->m, moments->v, at);
}

static int update(void *self, struct mn_cx *cx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    struct fomaml *s = self;
    const double factor = schedule_factor(s->schedule, &cx->where);
    descend(s, s->lr_w * factor, s->n_w, mean_delta->w, &s->w, meta->w);
    descend(s, s->lr_a * factor, s->n_a, mean_delta->a, &s->a, meta->a);
    return MN_OK;
}

static const struct mn_meta_learner learner = {
    .size = sizeof learner,
    .start = start,
    .delta = delta,
    .update = update,
};

static const char *const optimizer_choices[] = {"sgd", "adam", NULL};

static const struct mn_opt options[] = {
    MN_REAL(struct fomaml, lr_w, 0.1, 0, 1e12, "meta learning rate of the weights"),
    MN_REAL(struct fomaml, lr_a, 0.1, 0, 1e12, "meta learning rate of the architecture"),
    SCHEDULE_OPTION(struct fomaml),
    MN_CHOICE(struct fomaml, optimizer, SGD, optimizer_choices, "how the mean gradient is applied"),
    MN_REAL_OPEN(struct fomaml, beta1, 0.9, 0, 1, MN_OPT_OPEN_MAX, "Adam: decay of the mean"),
    MN_REAL_OPEN(struct fomaml, beta2, 0.999, 0, 1, MN_OPT_OPEN_MAX, "Adam: decay of the square"),
    MN_REAL_OPEN(struct fomaml, eps, 1e-8, 0, 1, MN_OPT_OPEN_MIN, "Adam: added to the root"),
};

MN_PLUGIN("fomaml", "0.1.0",
          MN_UNIT(MN_META_LEARNER, "fomaml",
                  "first-order MAML: descends the query gradient at the adapted points",
                  struct fomaml, options, &learner))
