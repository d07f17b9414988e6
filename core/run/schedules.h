/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_SCHEDULES_H
#define MN__RUN_SCHEDULES_H

/* Options that go by the length of the run: a rate that falls over it, a part of it that is a
 * warm-up. */

#include "run/experiment.h"

/* Warn of those that are others from `meta_epoch` on because the run had `before` meta-epochs when
 * its checkpoint was made. */
void mn__schedules_tell(const struct mn__experiment *experiment, struct mn_cx *cx, int64_t before,
                        int64_t meta_epoch);

#endif
