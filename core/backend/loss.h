/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_LOSS_H
#define NAS_BACKEND_LOSS_H

/* The loss of a batch, for every backend. */

#include "metanas/ctx.h"

/* Mean cross entropy of logits[n][ways], its gradient with respect to them, and how many images
 * have their largest logit at their label (the first of equals). MN_NUMERIC where the loss is not
 * finite. */
int nas_loss_cross_entropy(struct mn_ctx *ctx, int n, int ways, const mn_real *logits,
                           const int32_t *labels, mn_real *d_logits, double *loss, int32_t *hits);

#endif
