/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_ARCHITECTURE_LOG_H
#define NAS_LEARN_ARCHITECTURE_LOG_H

/* architecture.csv of a run: the meta-architecture over meta-training (docs/guide.md). */

#include "network/model.h"
#include "store/append_log.h"

/* Write one line, before the first one the names of the columns: meta-epoch, the weight of every
 * candidate of every edge and of every input of every node at the final temperature, and the
 * genotype that pruning at evaluation would leave. Nothing where the model has no mixtures. */
int nas_architecture_log_write(struct nas_append_log *file, const struct mn_model *model,
                               struct mn_ctx *ctx, const struct mn_point *meta, int64_t meta_epoch);

#endif
