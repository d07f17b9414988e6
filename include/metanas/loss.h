/* SPDX-License-Identifier: MIT */
#ifndef METANAS_LOSS_H
#define METANAS_LOSS_H

/* loss: what the logits of a batch are worth. The same loss serves the steps of a task, the query
 * images that a meta learner descends, and what is reported. */

#include "ctx.h"
#include "model.h"
#include "operation.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whose predictions the steps of a task have for targets. */
enum mn_teacher {
    MN_TEACHER_NONE = 0, /* only where the caller of a pass brings targets */
    MN_TEACHER_START = 1 /* and where not, those of the network as the task started */
};

enum { MN_LOSS_WEIGHTS = 8 /* most arrays of weights of one loss */ };

/* The logits of one batch. */
struct mn_loss_call {
    uint32_t size;
    uint32_t flags; /* enum mn_pass_flag of the pass: MN_PASS_TRAINING = a step of a task */
    int32_t n, ways;
    const mn_real *logits;  /* [n][ways] */
    const int32_t *labels;  /* [n], 0..ways-1 */
    const mn_real *targets; /* [n][ways] probabilities: mn_pass.targets, or those of the teacher;
                               NULL = the labels alone */
    mn_real *d_logits;      /* [n][ways] receives the gradient of the loss, written whole */
    const mn_real *w;       /* the arrays of weights one after the other, or NULL */
    mn_real *d_w;           /* as w: the gradient with regard to them, written whole; NULL = not
                               wanted */
};

struct mn_loss {
    uint32_t size;
    uint32_t reserved;

    /* Optional. Rules across options; use mn_bad_option. [setup] */
    int (*check)(const void *self, struct mn_ctx *ctx);
    /* The loss of the batch, a mean over its images, in *loss, and its gradient in call->d_logits.
     * A pure function of self and call. Once a pass, with and without gradients. The host refuses a
     * loss that is not finite (MN_NUMERIC). [worker] */
    int (*value)(const void *self, struct mn_ctx *ctx, const struct mn_loss_call *call,
                 double *loss);
    /* Optional. enum mn_teacher; NULL = none. [setup] */
    int (*teacher)(const void *self);
    /* Optional. Arrays of weights, 0 to MN_LOSS_WEIGHTS; NULL = 0. They are part of w, as
     * loss.NAME, but tasks do not adapt them: they learn by what they do to the steps of a task,
     * from a meta learner with `traces`. [setup] Source: MeTAL (Baik et al. 2021), Algorithm 1. */
    int32_t (*n_weights)(const void *self, int32_t ways);
    /* Array `index` of the weights. Needed where n_weights is not 0. [setup] */
    int (*weight)(const void *self, struct mn_ctx *ctx, int32_t ways, int32_t index,
                  struct mn_op_weight *out);
};

#ifdef __cplusplus
}
#endif

#endif
