/* SPDX-License-Identifier: MIT */
#ifndef NAS_NETWORK_PRUNE_H
#define NAS_NETWORK_PRUNE_H

/* Which choices stay, asked one mixture at a time. */

#include "network/graph.h"

/* Whether `keep` (NULL = all) leaves a choice of the mixture (-1 = none) that holds the item. */
int nas_prune_item_stays(const struct mn_model *model, int mixture, const uint8_t *keep, int item);

/* After the logits of one mixture have changed: bring weights[n_choices] and keep up to date, and
 * say which mixtures were looked at again in touched[n_mixtures]. */
int nas_prune_update(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_point *at,
                     int changed, mn_real *weights, uint8_t *keep, uint8_t *touched);
/* Whether an input mixture may go by the strength of this op mixture. */
int nas_prune_leads(const struct mn_model *model, int op);

#endif
