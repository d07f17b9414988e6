/* SPDX-License-Identifier: MIT */
#ifndef METANAS_META_LEARNER_H
#define METANAS_META_LEARNER_H

/* meta_learner: the outer update (Eq. 4; Algorithm 1, lines 8-9). A run has one of them for weights
 * and logits, or one for each. */

#include "ctx.h"
#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mn_meta_learner {
    uint32_t size;
    uint32_t reserved;

    /* Optional. Rules across options; use mn_bad_option. [setup] */
    int (*check)(const void *self, struct mn_ctx *ctx);
    /* Optional. Claim named state with mn_state: up to 32, each once, and fill it; of ctx->where
     * the seed and the number of meta-epochs are set. Where the run has another meta learner for
     * the weights or for the logits, dims->n_w or dims->n_a and their number of segments are 0; so
     * they are in n_own. mn_model_dims always gives the whole. [setup] */
    int (*start)(void *self, struct mn_ctx *ctx, const struct mn_dims *dims);
    /* This task's descent direction: out.w[n_w], out.a[n_a] of the dims given to start, to be
     * written whole; there is room for the whole model. `meta` is the point the task started from,
     * `adapted` where it ended. [worker] */
    int (*delta)(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out);
    /* Apply the mean of the directions, summed in task order, to `meta`. ctx->where tells the
     * meta-epoch. [main] */
    int (*update)(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta);
    /* Optional. Images of the largest pass of `delta`, where that is none over the query set alone,
     * for planning memory: 0 to 2^20; 0 = the whole support set, -n = that or n images, whichever
     * is more. NULL = there is no such pass. [setup] */
    int32_t (*max_batch)(const void *self);
    /* Optional. 1 = delta uses mn_trace_*: the host records every step of the task, (n_w + n_a +
     * n_state) reals each, and refuses task learners without `adjoint`. NULL = 0. [setup] */
    int (*traces)(const void *self);
    /* Optional. Reals beyond w and a that a task has a direction for, such as learned step sizes
     * (mn_own_delta), 0 to 2^32; NULL = 0. [setup] */
    int64_t (*n_own)(const void *self, const struct mn_dims *dims);
    /* Optional. Factors of the updates of task step `step`, also in evaluation: out.w[n_w],
     * out.a[n_a], filled with 1 before the call; set out->w or out->a to NULL for 1 everywhere.
     * NULL = the same. Needs a task learner with `adjoint`. [worker] */
    int (*rates)(const void *self, struct mn_ctx *ctx, const struct mn_model *model, int64_t step,
                 struct mn_point *out);
    /* Optional. Where a step goes, after[n], written whole; without it that is x + u. Also in
     * evaluation. Called in each step, once for the weights and once for the logits if the step
     * changes them, and for the parts in the dims given to start alone. The result depends on
     * nothing but the instance and `update`. Needs a task learner with `adjoint`. [worker] Source:
     * ALFA (Baik et al. 2020), where after = decay * x + rate * u and a network gives both. */
    int (*shape)(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_update *update, mn_real *after);
    /* With `shape`: its transposed Jacobian at `update`. Of d[n], the gradient with regard to
     * `after`, it writes d_x[n] and d_u[n] whole, and adds to own[n_own] what belongs to the reals
     * of n_own; own = NULL: not wanted. Called in mn_trace_back, once for each `shape` of the step,
     * also in that of the other meta learner (own is then NULL). [worker] */
    int (*shape_back)(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                      const struct mn_update *update, const mn_real *d, mn_real *d_x, mn_real *d_u,
                      mn_real *own);
};

#ifdef __cplusplus
}
#endif

#endif
