/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_DATASET_H
#define NAS_LEARN_DATASET_H

/* The data set of an experiment. */

#include "learn/experiment.h"

/* Open it and fill in experiment->data, checked. Splits that share classes are warned of. */
int nas_dataset_open(struct nas_experiment *experiment, struct mn_ctx *ctx,
                     const struct nas_open *open);

/* Whether it has the classes and images that tasks take: MN_CONFIG. */
int nas_dataset_check(const struct nas_experiment *experiment, struct mn_ctx *ctx);

/* What it holds, as text in the experiment's arena: shape, classes and images of each split, and a
 * hash of the classes' names, their order and sizes and of the pixels of a few images, so that it
 * costs next to nothing. MN_NOMEM. */
int nas_dataset_fingerprint(struct nas_experiment *experiment, struct mn_ctx *ctx,
                            const char **out);

/* "training", "validation", "test", by enum mn_split. */
extern const char *const nas_split_adjectives[];

#endif
