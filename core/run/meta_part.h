/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_META_PART_H
#define MN__RUN_META_PART_H

/* The meta learners of an experiment: one for weights and logits, or one for each. */

#include "run/experiment.h"

/* Whether section meta_learner gives one for each. */
int mn__meta_is_apart(const struct mn__yaml *section);

/* Add a fault for every key of a section that is_apart which does not belong there. */
void mn__meta_check_apart(const struct mn__yaml *section, struct mn__faults *faults);

/* Fill experiment->meta once the units are bound, and refuse a task learner that a meta learner
 * cannot work with. MN_CONFIG, MN_UNSUPPORTED. */
int mn__meta_parts_join(struct mn__experiment *experiment, struct mn_cx *cx);

/* Fill in what depends on the model. MN_INTERNAL where a plugin's answer is impossible. */
int mn__meta_parts_size(struct mn__experiment *experiment, struct mn_cx *cx);

#endif
