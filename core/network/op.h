/* SPDX-License-Identifier: MIT */
#ifndef NAS_NETWORK_OP_H
#define NAS_NETWORK_OP_H

/* The built-in candidates; all of them: operations.h. And the rules of operations made of maps. */

#include "network/graph.h"

/* NULL = there is none of that name. */
const struct nas_op *nas_op_find(const char *name);
size_t nas_op_count(void);
const struct nas_op *nas_op_at(size_t i);

/* Which rule of struct mn_op_maps does not hold; NULL = all do. */
const char *nas_op_maps_fault(const struct mn_op_maps *maps, int stride);
/* Whether one path computes it all; others are layers, chain.c. */
int nas_op_maps_fused(const struct mn_op_maps *maps);

#endif
