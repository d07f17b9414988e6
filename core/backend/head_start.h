/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_HEAD_START_H
#define NAS_BACKEND_HEAD_START_H

/* Heads that make the weights a task starts from (mn_head.starts); others are left alone. The
 * features are those of one pass over the support set at the meta point, with its own statistics,
 * at progress 0 and without noise. */

#include "network/model.h"

/* Write the head's part of w[n_w]. */
int nas_head_start(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_point *meta,
                   const struct mn_set *support, mn_real *w);

/* A gradient with regard to the point a task starts from becomes the one with regard to the meta
 * point. `with_a`: its logits, too. */
int nas_head_start_back(struct mn_ctx *ctx, const struct mn_model *model,
                        const struct mn_point *meta, const struct mn_set *support, int with_a,
                        struct mn_point *direction);

#endif
