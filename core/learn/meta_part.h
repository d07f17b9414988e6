/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_META_PART_H
#define NAS_LEARN_META_PART_H

/* The meta learners of an experiment: one for weights and logits, or one for each. */

#include "learn/experiment.h"

/* Whether the section (NULL = none) has a meta learner for each part. */
int nas_meta_parts_apart(const struct nas_yaml *section);

/* Decide from section meta_learner (NULL = none) how many there are, and begin experiment->meta. A
 * key beside `weights` and `architecture`, or one of them alone, is a fault. */
void nas_meta_parts_begin(struct nas_experiment *experiment, const struct nas_yaml *section,
                          struct nas_faults *faults);

/* "weights" for part 0, "architecture" for part 1. */
const char *nas_meta_part_key(int part);

/* Once the units are bound: refuse a task learner that a meta learner cannot work with. MN_CONFIG,
 * MN_UNSUPPORTED. */
int nas_meta_parts_join(struct nas_experiment *experiment, struct mn_ctx *ctx);

/* Fill in what depends on the model. MN_INTERNAL where a plugin's answer is impossible. */
int nas_meta_parts_size(struct nas_experiment *experiment, struct mn_ctx *ctx);

#endif
