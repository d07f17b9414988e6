/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_SCHEDULES_H
#define NAS_LEARN_SCHEDULES_H

/* Options that go by the length of the run: a rate that falls over it, a part of it that is a
 * warm-up. */

#include "learn/experiment.h"

/* Warn of those that are others from `meta_epoch` on because the run had `before` meta-epochs when
 * its checkpoint was made. */
void nas_schedules_tell(const struct nas_experiment *experiment, struct mn_ctx *ctx, int64_t before,
                        int64_t meta_epoch);

#endif
