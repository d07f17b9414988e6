/* SPDX-License-Identifier: MIT */
#ifndef MN__MODEL_PASS_H
#define MN__MODEL_PASS_H

#include "model/graph.h"

/* mn_model_pass, on the workspace of cx. */
int mn__model_pass(struct mn_cx *cx, const struct mn_model *model, const struct mn_point *at,
                   const struct mn_set *batch, const struct mn_pass *pass, struct mn_outcome *out);

/* head.c: features, logits, loss of the batch; and their gradients down to the head's state. */
void mn__head_forward(struct mn__run *run, const int32_t *labels, double *loss, int32_t *hits);
void mn__head_backward(struct mn__run *run);

#endif
