/* SPDX-License-Identifier: MIT */
#ifndef MN__MODEL_OP_H
#define MN__MODEL_OP_H

/* The built-in candidates; all of them: operations.h. And the rules of operations made of maps. */

#include "model/graph.h"

/* NULL = there is none of that name. */
const struct mn__op *mn__op_find(const char *name);
size_t mn__op_count(void);
const struct mn__op *mn__op_at(size_t i);

/* op_maps.c: which rule of struct mn_op_maps does not hold; NULL = all do. */
const char *mn__op_maps_fault(const struct mn_op_maps *maps, int stride);
/* Rows of zeros that the taps may reach beyond the image. */
int mn__op_maps_reach(const struct mn_op_maps *maps);

#endif
