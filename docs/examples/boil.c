/* SPDX-License-Identifier: MIT */
/* BOIL (Oh et al., ICLR 2021): in a task the body of the network learns, and the head stays as it
 * was meta-learned. With meta learner maml the meta-gradient is exact; with fomaml it is the
 * first-order one of the paper's experiments. */
#include <metanas/extra/sgd.h>

struct boil {
    struct mn_sgd sgd; /* first: MN_SGD_OPTIONS */
    const char *head;
};

static int check(const void *self, struct mn_ctx *ctx) {
    return mn_sgd_needs_body(ctx);
}

static int body(const void *self, struct mn_ctx *ctx, const struct mn_model *model, mn_real *mask) {
    const struct boil *s = self;
    struct mn_dims dims;
    const int32_t n = mn_sgd_mark(ctx, model, s->head, "", mask);
    if (n < 0 || mn_model_dims(ctx, model, &dims) != MN_OK) {
        return MN_INTERNAL;
    }
    if (n == 0 || n == dims.n_w_segments) {
        return mn_fail(ctx, MN_CONFIG, "head: %s tensor of the network begins with '%s'",
                       n == 0 ? "no" : "every", s->head);
    }
    for (int64_t i = 0; i < dims.n_w; i++) {
        mask[i] = 1 - mask[i];
    }
    return MN_OK;
}

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    return mn_sgd_adapt(self, body, ctx, model, task, params, state);
}

static int adjoint(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                   const struct mn_task *task, const struct mn_step *step, struct mn_adjoint *io) {
    return mn_sgd_adjoint(self, body, ctx, model, task, step, io);
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
    MN_TEXT(struct boil, head, "head.", "what stays: tensors whose name begins like this"),
};

MN_PLUGIN("boil", "1.0.0",
          MN_UNIT(MN_TASK_LEARNER, "boil", "gradient descent on the body, the head stays",
                  struct boil, options, &table))
