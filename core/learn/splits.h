/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_SPLITS_H
#define NAS_LEARN_SPLITS_H

/* What the splits of a data set have in common: nothing, it should be. */

#include "learn/experiment.h"

/* Write a warning for each two splits of the opened data that share classes, by their names. A data
 * set that names no classes is left alone. MN_NOMEM. */
int nas_splits_compare(const struct nas_experiment *experiment, struct mn_ctx *ctx);

#endif
