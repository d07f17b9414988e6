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

/* run.shrink, after the meta-epoch that was state->meta_epoch - 1: at the end of a part of
 * meta-training the candidates with the smallest weights of every edge leave. */
int nas_meta_shrink(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                    struct nas_state *state);
/* The meta-epoch after which part i ends. */
int64_t nas_meta_shrink_at(const struct nas_experiment *experiment, int64_t i);

#endif
