/* SPDX-License-Identifier: MIT */
/* A schedule over the meta-epochs for any meta learner. Its update takes the meta point from x to
 * y; here it goes to x + factor (y - x). Where the update is a rate times something that does not
 * hang on the rate, as in all shipped meta learners, that is the update with factor times the rate,
 * and what the optimiser remembers is as it would be. */
#include "../common/around.h"
#include <metanas/extra/schedule.h>

struct scheduled {
    struct around wraps; /* first */
    double warm_up;
    int32_t schedule;
    double decay;
    struct mn_reals steps;
};

enum { STEP = MN_SCHEDULE_COSINE + 1 }; /* after those of schedule.h */

static int check(const void *self, struct mn_ctx *ctx) {
    const struct scheduled *s = self;
    if (s->schedule != STEP && s->steps.n > 0) {
        return mn_bad_option(ctx, "steps", "only schedule: step looks at it");
    }
    if (s->schedule == STEP && s->steps.n == 0) {
        return mn_bad_option(ctx, "steps",
                             "schedule: step never falls without it; give fractions of the run, "
                             "such as [0.5, 0.75]");
    }
    return MN_OK;
}

/* The course begins to fall with the first meta-epoch, whatever the warm-up. */
static double factor_of(const struct scheduled *s, const struct mn_where *where) {
    if (where->meta_epochs <= 0) {
        return 1;
    }
    const double epoch = (double)where->meta_epoch, all = (double)where->meta_epochs;
    const double ramp = s->warm_up * all;
    double factor = s->schedule == STEP ? 1 : mn_schedule_factor(s->schedule, where);
    for (int64_t i = 0; s->schedule == STEP && i < s->steps.n; i++) {
        factor *= epoch >= s->steps.at[i] * all ? s->decay : 1;
    }
    return ramp > 0 && epoch + 1 < ramp ? factor * (epoch + 1) / ramp : factor;
}

/* x = before + factor (x - before) */
static void go_a_part(int64_t n, double factor, const mn_real *before, mn_real *x) {
    for (int64_t i = 0; i < n; i++) {
        x[i] = (mn_real)((double)before[i] + factor * ((double)x[i] - (double)before[i]));
    }
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    struct scheduled *s = self;
    const struct mn_meta_learner *inner = s->wraps.around.table;
    const double factor = factor_of(s, &ctx->where);
    mn_real *before = mn_scratch(ctx, (size_t)(s->wraps.n_w + s->wraps.n_a) * sizeof *before);
    if (before == NULL) {
        return MN_NOMEM;
    }
    mn_vec_copy(s->wraps.n_w, meta->w, before);
    mn_vec_copy(s->wraps.n_a, meta->a, before + s->wraps.n_w);
    const int status = MN_NESTED(ctx, &s->wraps.around,
                                 inner->update(s->wraps.around.self, ctx, meta, mean_delta));
    if (status != MN_OK) {
        return status;
    }
    if (factor != 1) { /* else to the bit what the meta learner alone does */
        go_a_part(s->wraps.n_w, factor, before, meta->w);
        go_a_part(s->wraps.n_a, factor, before + s->wraps.n_w, meta->a);
    }
    return mn_metric(ctx, "factor", factor);
}

static const struct mn_meta_learner learner = {
    .size = sizeof learner, .check = check, .start = around_start, .update = update};

static const char *const schedules[] = {"constant", "linear", "cosine", "step", NULL};

static const struct mn_opt options[] = {
    MN_AROUND(struct around, around, "the meta learner whose updates are scaled"),
    MN_REAL(
        struct scheduled, warm_up, 0, 0, 1,
        "fraction of the meta-epochs, from the first, in which the factor rises to 1, linearly"),
    MN_CHOICE(struct scheduled, schedule, MN_SCHEDULE_COSINE, schedules,
              "course of the factor; linear and cosine fall to 0, step by the factor decay at each "
              "of steps"),
    MN_REALS(struct scheduled, steps, "", 0, 1,
             "schedule step: fractions of the meta-epochs at which it falls"),
    MN_REAL(struct scheduled, decay, 0.1, 0, 1, "schedule step: by what it is multiplied"),
};

MN_PLUGIN("scheduled", "0.1.0",
          MN_UNIT(MN_META_LEARNER, "scheduled",
                  "another meta learner, its updates scaled by a schedule over the meta-epochs",
                  struct scheduled, options, &learner))
