/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_DARTS_RUN_H
#define PLUGINS_DARTS_RUN_H

/* One task of the learner. */

#include "learner.h"
#include <metanas/extra/hessian.h>
#include <metanas/extra/rates.h>

/* The weights or the logits, and their Adam. */
struct half {
    int64_t n;
    struct mn_adam adam;
    int64_t m, v, t; /* in the optimiser state: moments and steps done; m < 0 where beta1 is 0 */
};

/* Room of order unrolled. */
struct ahead {
    struct mn_point point;   /* after a step of the weights alone */
    mn_real *d_w, *second_a; /* gradient there; second-order term */
    struct mn_hessian hessian;
};

struct run {
    const struct learner *self;
    struct mn_ctx *ctx;
    const struct mn_model *model;
    const struct mn_task *task;
    struct mn_dims dims;
    int64_t steps, arch_steps;
    int64_t batches; /* mini-batches that the task has */
    int warm_up;
    struct half w, a;
    struct mn_rates rates;
    struct mn_cost cost;
    mn_real *d_w, *d_a;
    struct ahead ahead;
};

/* Sizes, rates and room for gradients. */
int run_begin(struct run *run, const struct mn_task *task);
int run_adapts_a(const struct run *run, int64_t step);
/* The mini-batch of a step. */
int run_batch(const struct run *run, int64_t step, struct mn_set *out);
/* The settings of the passes of a step. */
struct mn_pass run_pass(const struct run *run, int64_t step, uint32_t gradients);
/* A pass at `at`; gradients go to run->d_w and run->d_a. */
int run_gradient(const struct run *run, const struct mn_point *at, const struct mn_set *batch,
                 int64_t step, uint32_t gradients, struct mn_outcome *out);

/* run->d_a = the gradient of the architecture through one step of the weights (DARTS, Eq. 7, 8).
 * `batch` is that of the step; it is drawn again, as another is needed in between. */
int unrolled_begin(struct run *run);
int unrolled_gradient(struct run *run, const struct mn_point *at, int64_t step,
                      struct mn_set *batch);

/* task_learner.adjoint */
int learner_adjoint(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                    const struct mn_task *task, const struct mn_step *step,
                    struct mn_adjoint *adjoint);

#endif
