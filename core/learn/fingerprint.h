/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_FINGERPRINT_H
#define NAS_LEARN_FINGERPRINT_H

/* Whether two runs had the same data. */

#include "learn/experiment.h"

#define NAS_DATA_KEY "data" /* in the metadata of a checkpoint */

/* Note what the data set holds in experiment->fingerprint: shape, classes and images of each split,
 * and a hash of the classes' names, their order and sizes and of the pixels of a few images, so
 * that it costs next to nothing. MN_NOMEM. */
int nas_fingerprint_note(struct nas_experiment *experiment, struct mn_ctx *ctx);

/* Before a state is used with data: `then` is what was noted when it was made (NULL = in a program
 * that did not note it, which is told). MN_CONFIG where the data are others; with accept = 1 a
 * warning. `path` is named in messages. */
int nas_fingerprint_check(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                          const char *path, const char *then, int accept);

#endif
