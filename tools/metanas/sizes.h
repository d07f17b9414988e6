/* SPDX-License-Identifier: MIT */
#ifndef METANAS_SIZES_H
#define METANAS_SIZES_H

/* How large the networks are that pruning can leave. */

#include "model/model.h"

/* Parameters of the smallest and the largest network in which the mixers are decided: one operation
 * on every edge and, where inputs have logits, one combination on every node. Found by changing one
 * decision after the other until nothing changes. */
int sizes_of_pruned(struct mn_cx *cx, const struct mn_model *model, int64_t *smallest,
                    int64_t *largest);

#endif
