/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_DECLARED_H
#define MN__RUN_DECLARED_H

/* What plugins declare of themselves and the host plans by, looked at once before it does.
 * MN_INTERNAL with the unit's name. */

#include "run/experiment.h"

/* Images a pass may hold. */
enum { MN__MOST_BATCH = 1 << 20 };

/* What `describe` of the data set wrote to e->data. */
int mn__declared_data(const struct mn__experiment *e, struct mn_cx *cx);
/* The task learner's mini-batch, moments and steps, the mixers' thresholds. */
int mn__declared_units(const struct mn__experiment *e, struct mn_cx *cx);
/* The task learner's state, once the network is known. */
int mn__declared_state(const struct mn__experiment *e, struct mn_cx *cx);

#endif
