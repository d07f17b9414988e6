/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_FINGERPRINT_H
#define NAS_LEARN_FINGERPRINT_H

/* Whether two runs had the same data. */

#include "learn/experiment.h"

/* What the data set holds, as text in the experiment's arena: shape, classes and images of each
 * split, and a hash of the classes' names, their order and sizes and of the pixels of a few images,
 * so that it costs next to nothing. MN_NOMEM. */
int nas_fingerprint(struct nas_experiment *experiment, struct mn_ctx *ctx, const char **out);

#endif
