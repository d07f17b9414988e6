/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_PASS_H
#define NAS_BACKEND_CPU_PASS_H

#include "network/graph.h"

/* mn_model_pass, on the workspace of ctx. */
int nas_model_pass(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_point *at,
                   const struct mn_set *batch, const struct mn_pass *pass, struct mn_outcome *out);

/* head.c: features, logits, loss of the batch; and their gradients down to the head's state. */
void nas_head_forward(struct nas_run *run, const int32_t *labels, double *loss, int32_t *hits);
void nas_head_backward(struct nas_run *run);

#endif
