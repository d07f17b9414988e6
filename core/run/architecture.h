/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_ARCHITECTURE_H
#define MN__RUN_ARCHITECTURE_H

/* architecture.csv of a run: the meta-architecture over meta-training (docs/report.md). */

#include "run/experiment.h"
#include "run/metrics.h"

/* Write one line, before the first one the names of the columns: meta-epoch, the weight of every
 * candidate of every edge and of every input of every node at the final temperature, and the
 * genotype that pruning at evaluation would leave. Only where the model has mixtures. */
int mn__architecture_write(struct mn__metrics *file, const struct mn__experiment *experiment,
                           struct mn_cx *cx, const struct mn_point *meta, int64_t meta_epoch);

#endif
