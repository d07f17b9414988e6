/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_FINGERPRINT_H
#define MN__RUN_FINGERPRINT_H

/* Whether two runs had the same data. */

#include "run/metatrain.h"

#define MN__DATA_KEY "data" /* in the metadata of a checkpoint */

/* Note what the data set holds in experiment->fingerprint: shape, classes and images of each split,
 * and a hash of the classes' names, their order and sizes and of the pixels of a few images, so
 * that it costs next to nothing. MN_NOMEM. */
int mn__fingerprint_note(struct mn__experiment *experiment, struct mn_cx *cx);

/* Before a state is used with data: `then` is what was noted when it was made (NULL = in a program
 * that did not note it, which is told). MN_CONFIG where the data are others; with accept = 1 a
 * warning. `path` is named in messages. */
int mn__fingerprint_check(const struct mn__experiment *experiment, struct mn_cx *cx,
                          const char *path, const char *then, int accept);

#endif
