/* SPDX-License-Identifier: MIT */
/* The search space of DARTS as METANAS uses it: every node takes every earlier state, every edge
 * mixes all candidates. The task learner of the same name is in learner.c. */
#include "learner.h"
#include "network.h"

#include <inttypes.h>

struct darts {
    struct network_options network; /* first: NETWORK_OPTIONS */
    int64_t nodes;
    struct mn_texts ops;
};

enum { MOST_OPS = 64 };

static int check_ops(const struct darts *s, struct mn_cx *cx) {
    if (s->ops.n < 1 || s->ops.n > MOST_OPS) {
        return mn_bad_option(cx, "ops", "%" PRId64 " candidates; 1 to %d are possible", s->ops.n,
                             MOST_OPS);
    }
    for (int64_t i = 0; i < s->ops.n; i++) {
        for (int64_t j = 0; j < i; j++) {
            if (strcmp(s->ops.at[i], s->ops.at[j]) == 0) {
                return mn_bad_option(cx, "ops", "candidate '%s' is listed twice", s->ops.at[i]);
            }
        }
    }
    return MN_OK;
}

static int check(const void *self, struct mn_cx *cx) {
    const struct darts *s = self;
    const int status = network_check(cx, &s->network);
    return status != MN_OK ? status : check_ops(s, cx);
}

/* Node j takes the 2 + j states before it. */
static int all_edges(const struct darts *s, struct mn_cx *cx, int32_t j,
                     struct network_node *node) {
    struct network_edge *edges = mn_scratch(cx, (size_t)(2 + j) * sizeof *edges);
    if (edges == NULL) {
        return MN_NOMEM;
    }
    for (int32_t e = 0; e < 2 + j; e++) {
        edges[e] = (struct network_edge){e, (int32_t)s->ops.n, s->ops.at};
    }
    *node = (struct network_node){2 + j, edges};
    return MN_OK;
}

static int build(const void *self, struct mn_cx *cx, const struct mn_dims *dims,
                 struct mn_builder *builder) {
    const struct darts *s = self;
    struct network_node *nodes = mn_scratch(cx, (size_t)s->nodes * sizeof *nodes);
    int status = nodes == NULL ? MN_NOMEM : MN_OK;
    for (int32_t j = 0; status == MN_OK && j < s->nodes; j++) {
        status = all_edges(s, cx, j, &nodes[j]);
    }
    if (status != MN_OK) {
        return status;
    }
    const struct network_cell cell = {(int32_t)s->nodes, nodes};
    const struct network network = {
        .options = s->network, .normal = cell, .reduction = cell, .searched = 1};
    return network_build(cx, builder, &network);
}

static const struct mn_search_space space = {
    .size = sizeof space,
    .check = check,
    .build = build,
    .budget = network_budget,
    .resize = budget_resize,
};

static const struct mn_opt options[] = {
    NETWORK_OPTIONS(0),
    MN_INT(struct darts, nodes, 3, 1, 32, "intermediate nodes of a cell"),
    MN_TEXTS(struct darts, ops,
             "max_pool_3x3,avg_pool_3x3,skip_connect,conv_1x5_5x1,conv_3x3,sep_conv_3x3,"
             "dil_conv_3x3",
             "candidate operations of every edge"),
};

MN_PLUGIN("darts", "0.1.0",
          MN_UNIT(MN_SEARCH_SPACE, "darts", "cells of mixed operations (the one-shot network)",
                  struct darts, options, &space),
          LEARNER_UNIT)
