/* SPDX-License-Identifier: MIT */
#ifndef TESTS_MODEL_TOUCHED_H
#define TESTS_MODEL_TOUCHED_H

/* Apart from the tests, since the core's run and model headers each have a struct nas_state. */

#include "network/model.h"

/* Leave out the check of how the workspace is shared out, which builds that look for wrong uses of
 * memory make: it writes to all of it. */
void touched_alone(struct nas_workspace *ws);
/* Bytes of a workspace's activations that lie in memory: pages that were read or written. -1 where
 * the system does not tell. */
int64_t touched_bytes(const struct nas_workspace *ws);

#endif
