/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_META_PRUNE_H
#define MN__RUN_META_PRUNE_H

/* run.prune_meta: candidates whose weight at the final temperature is under run.meta_threshold
 * leave the meta-architecture; the largest of a mixture never does. */

#include "run/metatrain.h"

/* What follows a validation at state->meta_epoch. Nothing is cut where pruning is off or the
 * architecture does not adapt yet. */
int mn__meta_prune(const struct mn__experiment *experiment, struct mn_cx *cx,
                   struct mn__state *state);

#endif
