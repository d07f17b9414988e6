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
    /* Optional. Claim named state with mn_state: up to 32, each once. Where the run has another
     * meta learner for the weights or for the logits, dims->n_w or dims->n_a and their number of
     * segments are 0; so they are in n_own. mn_model_dims always gives the whole. [setup] */
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
};

#ifdef __cplusplus
}
#endif

#endif
