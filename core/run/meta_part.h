/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_META_PART_H
#define MN__RUN_META_PART_H

/* The meta learners of an experiment: one for weights and logits, or one for each. */

#include "run/experiment.h"

/* Whether the section (NULL = none) has a meta learner for each part. */
int mn__meta_parts_apart(const struct mn__yaml *section);

/* Decide from section meta_learner (NULL = none) how many there are, and begin experiment->meta. A
 * key beside `weights` and `architecture`, or one of them alone, is a fault. */
void mn__meta_parts_begin(struct mn__experiment *experiment, const struct mn__yaml *section,
                          struct mn__faults *faults);

/* "weights" for part 0, "architecture" for part 1. */
const char *mn__meta_part_key(int part);

/* Once the units are bound: refuse a task learner that a meta learner cannot work with. MN_CONFIG,
 * MN_UNSUPPORTED. */
int mn__meta_parts_join(struct mn__experiment *experiment, struct mn_cx *cx);

/* Fill in what depends on the model. MN_INTERNAL where a plugin's answer is impossible. */
int mn__meta_parts_size(struct mn__experiment *experiment, struct mn_cx *cx);

#endif
