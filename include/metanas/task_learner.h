/* SPDX-License-Identifier: MIT */
#ifndef METANAS_TASK_LEARNER_H
#define METANAS_TASK_LEARNER_H

/* task_learner: adapts one task (Eq. 3; Algorithm 2, lines 8-11; Algorithm 3, lines 4-7). */

#include "ctx.h"
#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of the optimiser state after a task of meta-training. */
enum mn_moments {
    MN_MOMENTS_AVERAGE = 0, /* every task starts from a copy; the copies are averaged */
    MN_MOMENTS_RESET = 1,   /* zero for every task */
    MN_MOMENTS_CARRY = 2    /* from task to task, in order: one worker */
};

struct mn_task_learner {
    uint32_t size;
    uint32_t reserved;

    /* Optional. Rules across options; use mn_bad_option. [setup] */
    int (*check)(const void *self, struct mn_ctx *ctx);
    /* Optional. Reals of optimiser state that outlive a task, 0 to 2^32; NULL = 0. [setup] */
    int64_t (*n_state)(const void *self, const struct mn_dims *dims);
    /* Optional. enum mn_moments; NULL = average. [setup] */
    int (*moments)(const void *self);
    /* Optional. Largest mini-batch of a pass, for planning memory, up to 2^20; 0 = the whole
     * support set, -n = that or n images, whichever is more. NULL = 0. [setup] */
    int32_t (*max_batch)(const void *self);
    /* Optional. enum mn_adapts: what a task at `where` changes; NULL = both. The host zeroes the
     * meta-gradient of the rest. [worker] */
    uint32_t (*adapts)(const void *self, const struct mn_where *where);
    /* Optional. Steps of a task at `where`, 0 to 10^9, for progress and planning; NULL = unknown.
     * [setup] */
    int64_t (*steps)(const void *self, const struct mn_where *where);
    /* Run the task steps in place on `params`, a copy of the meta-parameters; `state` is this
     * task's copy of the optimiser state (zero at the start of a run). Every step: mn_task_batch,
     * mn_model_pass, update, mn_step_done. The passes have MN_PASS_TRAINING, and pass.progress goes
     * from 0 in the first step that changes the architecture to 1 in the last and after it (0 while
     * none does yet): mixtures anneal with it. [worker] MN_NUMERIC, MN_CANCELLED. */
    int (*adapt)(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state);
    /* Optional. Whether `adjoint` works with these options; mn_bad_option says why not. NULL = it
     * does. [setup] */
    int (*check_adjoint)(const void *self, struct mn_ctx *ctx);
    /* Optional. The transposed Jacobian of one step of `adapt` applied to the gradients in
     * `adjoint` (reverse-mode differentiation); NULL = meta learners that differentiate through the
     * steps are refused. A learner with `adjoint` also has `steps`, and applies mn_step_rates and
     * mn_shape in `adapt`. [worker] MN_NUMERIC, MN_NOMEM, MN_CANCELLED. Source: MAML (Finn et al.
     * 2017), Algorithm 1. */
    int (*adjoint)(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                   const struct mn_task *task, const struct mn_step *step,
                   struct mn_adjoint *adjoint);
    /* Optional. The hard pruning of an evaluation task in place of that of the mixers:
     * keep[n_choices] = 1 for what stays, at least one choice of each mixture, written whole. `at`
     * is the adapted point; the query set is not to be looked at. mn_model_prune is what the mixers
     * would choose. Of passes, those without gradients and MN_PASS_TRAINING. [worker] MN_NUMERIC,
     * MN_NOMEM, MN_CANCELLED. Source: Algorithm 3, line 8; DARTS-PT (Wang et al. 2021),
     * Algorithm 1. */
    int (*prune)(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *at, uint8_t *keep);
};

#ifdef __cplusplus
}
#endif

#endif
