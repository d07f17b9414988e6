/* SPDX-License-Identifier: MIT */
/* The search space of DARTS as METANAS uses it. The task learner of the same name is in learner.c.
 */
#include "learner.h"
#include "one_shot.h"

static int build(const void *self, struct mn_ctx *ctx, const struct mn_dims *dims,
                 struct mn_builder *builder) {
    return one_shot_build(self, ctx, builder, 1);
}

static const struct mn_search_space space = {
    .size = sizeof space,
    .check = one_shot_check,
    .build = build,
    .budget = network_budget,
    .resize = budget_resize,
};

static const struct mn_opt options[] = {
    ONE_SHOT_OPTIONS,
};

MN_PLUGIN("darts", "0.1.0",
          MN_UNIT(MN_SEARCH_SPACE, "darts", "cells of mixed operations (the one-shot network)",
                  struct one_shot, options, &space),
          LEARNER_UNIT)
