/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_SPLITS_H
#define MN__RUN_SPLITS_H

/* What the splits of a data set have in common: nothing, it should be. */

#include "run/experiment.h"

/* Write a warning for each two splits of the opened data that share classes, by their names. A data
 * set that names no classes is left alone. MN_NOMEM. */
int mn__splits_compare(const struct mn__experiment *experiment, struct mn_cx *cx);

#endif
