/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_DECLARED_H
#define NAS_LEARN_DECLARED_H

/* What plugins declare of themselves and the host plans by, looked at once before it does.
 * MN_INTERNAL with the unit's name. */

#include "learn/experiment.h"

/* Images a pass may hold. */
enum { NAS_MOST_BATCH = 1 << 20 };

/* What `describe` of the data set wrote to e->data. */
int nas_declared_data(const struct nas_experiment *e, struct mn_ctx *ctx);
/* The task learner's mini-batch, moments and steps, the mixers' thresholds. */
int nas_declared_units(const struct nas_experiment *e, struct mn_ctx *ctx);
/* The task learner's state, once the network is known. */
int nas_declared_state(const struct nas_experiment *e, struct mn_ctx *ctx);

#endif
