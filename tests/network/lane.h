/* SPDX-License-Identifier: MIT */
#ifndef TESTS_NETWORK_LANE_H
#define TESTS_NETWORK_LANE_H

/* A look into the memory of the backend `cpu`. */

#include "backend/backend.h"

/* Fill what its tensors share with numbers that are none, as if a pass of another kind had left
 * them. */
void lane_spoil(struct nas_workspace *workspace);
/* From the next pass on, spoil each tensor of the model after the operation that uses it last. */
void lane_guard(const struct mn_model *model);
/* Bytes of a workspace's activations that lie in memory: pages that were read or written. -1 where
 * the system does not tell. */
int64_t lane_touched_bytes(const struct nas_workspace *workspace);

#endif
