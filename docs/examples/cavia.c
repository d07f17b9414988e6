/* SPDX-License-Identifier: MIT */
/* CAVIA (Zintgraf et al., ICML 2019): in a task a few context parameters learn, and what the
 * network knows otherwise is meta-learned alone. Here the context is a shift of each channel behind
 * the batch norms: the task adds it to the meta-learned bias of the norm, from 0 on, so it needs no
 * parameters beside them. With meta learner maml, as in the paper, the gradient goes through the
 * steps. */
#include <metanas/extra/sgd.h>

struct cavia {
    struct mn_sgd sgd; /* first: MN_SGD_OPTIONS */
    const char *context;
};

static int check(const void *self, struct mn_ctx *ctx) {
    return mn_sgd_needs_body(ctx);
}

static int context(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                   mn_real *mask) {
    const struct cavia *s = self;
    const int32_t n = mn_sgd_mark(ctx, model, "", s->context, mask);
    if (n == 0) {
        return mn_fail(ctx, MN_CONFIG,
                       "context: no tensor of the network ends with '%s'; 'metanas validate CONFIG "
                       "--tensors' lists them, and batch norms have biases where the search space "
                       "has affine: true",
                       s->context);
    }
    return n > 0 ? MN_OK : MN_INTERNAL;
}

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    return mn_sgd_adapt(self, context, ctx, model, task, params, state);
}

static int adjoint(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                   const struct mn_task *task, const struct mn_step *step, struct mn_adjoint *io) {
    return mn_sgd_adjoint(self, context, ctx, model, task, step, io);
}

static const struct mn_task_learner table = {.size = sizeof table,
                                             .check = check,
                                             .n_state = mn_sgd_n_state,
                                             .moments = mn_sgd_moments,
                                             .max_batch = mn_sgd_max_batch,
                                             .adapts = mn_sgd_adapts,
                                             .steps = mn_sgd_steps,
                                             .adapt = adapt,
                                             .adjoint = adjoint};

static const struct mn_opt options[] = {
    MN_SGD_OPTIONS,
    MN_TEXT(struct cavia, context, ".bn.bias", "what adapts: tensors whose name ends like this"),
};

MN_PLUGIN("cavia", "1.0.0",
          MN_UNIT(MN_TASK_LEARNER, "cavia", "gradient descent on context parameters alone",
                  struct cavia, options, &table))
