/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_SENSE_H
#define MN__RUN_SENSE_H

/* Configurations without a fault whose parts make no sense together. */

#include "run/experiment.h"

/* Warn where nothing would adapt or learn what the network has: logits that the task learner never
 * changes, rates of 0, tasks without steps. Fails as the first task would where a meta learner
 * finds nothing to adapt. The experiment has a model. */
int mn__sense_check(struct mn__experiment *experiment, struct mn_cx *cx);

#endif
