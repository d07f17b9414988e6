/* SPDX-License-Identifier: MIT */
/* A task learner around another one. */
#define WAYS FINE, STAYS, LEAVES_TWICE, KEEPS_SERVICES, FORGETS_FAILURE, STAYS_OUTSIDE
#include "wrong.h"

struct filter {
    struct mn_nested around;
};

static struct mn_host services;

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    const struct filter *s = self;
    const struct mn_task_learner *inner = s->around.table;
    if (wrong == KEEPS_SERVICES) {
        services = *ctx->host;
        ctx->host = &services;
    }
    if (wrong == STAYS_OUTSIDE) {
        return inner->adapt(s->around.self, ctx, model, task, params, state);
    }
    mn_enter(ctx, &s->around);
    int status = inner->adapt(s->around.self, ctx, model, task, params, state);
    status = wrong == STAYS ? status : mn_leave(ctx, &s->around, status);
    status = wrong == LEAVES_TWICE ? mn_leave(ctx, &s->around, status) : status;
    return wrong == FORGETS_FAILURE ? MN_OK : status;
}

static const struct mn_task_learner table = {.size = sizeof table, .adapt = adapt};

static const struct mn_opt options[] = {
    MN_AROUND(struct filter, around, "the task learner that it is around"),
};

MN_PLUGIN("broken_filter", "1.0.0",
          MN_UNIT(MN_TASK_LEARNER, "filter", "another task learner", struct filter, options,
                  &table))

__attribute__((constructor)) static void loaded(void) {
    choose_way();
}
