/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_PLAUSIBLE_H
#define NAS_LEARN_PLAUSIBLE_H

/* Configurations without a fault whose parts make no sense together. */

#include "learn/experiment.h"

/* Warn where nothing would adapt or learn what the network has: logits that the task learner never
 * changes, rates of 0, tasks without steps. Fails as the first task would where a meta learner
 * finds nothing to adapt. The experiment has a model. */
int plausible_check(struct nas_experiment *experiment, struct mn_ctx *ctx);

#endif
