/* SPDX-License-Identifier: MIT */
/* Plain gradient descent on the weights; the architecture stays as it is. */
#include <metanas/extra/sgd.h>

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    return mn_sgd_adapt(self, NULL, ctx, model, task, params, state);
}

static int adjoint(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                   const struct mn_task *task, const struct mn_step *step, struct mn_adjoint *io) {
    return mn_sgd_adjoint(self, NULL, ctx, model, task, step, io);
}

static const struct mn_task_learner learner = {
    .size = sizeof learner,
    .n_state = mn_sgd_n_state,
    .moments = mn_sgd_moments,
    .max_batch = mn_sgd_max_batch,
    .adapts = mn_sgd_adapts,
    .steps = mn_sgd_steps,
    .adapt = adapt,
    .adjoint = adjoint,
};

static const struct mn_opt options[] = {MN_SGD_OPTIONS};

MN_PLUGIN("sgd", "0.1.0",
          MN_UNIT(MN_TASK_LEARNER, "sgd", "gradient descent on the weights, architecture fixed",
                  struct mn_sgd, options, &learner))
