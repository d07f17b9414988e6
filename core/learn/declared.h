/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_DECLARED_H
#define NAS_LEARN_DECLARED_H

/* What units declare of themselves and the host plans by: asked for and checked before it does.
 * MN_INTERNAL with the unit's name. */

#include "learn/experiment.h"

/* Images a pass may hold. */
enum { NAS_MOST_BATCH = 1 << 20 };

/* The learners' batches, moments and steps, the loss's teacher, the mixers' thresholds. */
int nas_declared_units(struct nas_experiment *experiment, struct mn_ctx *ctx);
/* The task learner's state, once the network is known. */
int nas_declared_state(struct nas_experiment *experiment, struct mn_ctx *ctx);

#endif
