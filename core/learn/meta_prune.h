/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_META_PRUNE_H
#define NAS_LEARN_META_PRUNE_H

/* run.prune_meta: candidates whose weight at the final temperature is under run.meta_threshold
 * leave the meta-architecture; the largest of a mixture never does. */

#include "learn/state.h"

/* What follows a validation at state->meta_epoch. Nothing is cut where pruning is off or the
 * architecture does not adapt yet. */
int nas_meta_prune(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                   struct nas_state *state);

#endif
