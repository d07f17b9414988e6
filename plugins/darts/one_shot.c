/* SPDX-License-Identifier: MIT */
#include "one_shot.h"

#include <inttypes.h>

enum { MOST_OPS = 64 };

static int check_ops(const struct one_shot *s, struct mn_ctx *ctx) {
    if (s->ops.n < 1 || s->ops.n > MOST_OPS) {
        return mn_bad_option(ctx, "ops", "%" PRId64 " candidates; 1 to %d are possible", s->ops.n,
                             MOST_OPS);
    }
    for (int64_t i = 0; i < s->ops.n; i++) {
        for (int64_t j = 0; j < i; j++) {
            if (strcmp(s->ops.at[i], s->ops.at[j]) == 0) {
                return mn_bad_option(ctx, "ops", "candidate '%s' is listed twice", s->ops.at[i]);
            }
        }
    }
    return MN_OK;
}

int one_shot_check(const void *self, struct mn_ctx *ctx) {
    const struct one_shot *s = self;
    const int status = network_check(ctx, &s->network);
    return status != MN_OK ? status : check_ops(s, ctx);
}

/* Node j takes the 2 + j states before it. */
static int all_edges(const struct one_shot *s, struct mn_ctx *ctx, int32_t j,
                     struct network_node *node) {
    struct network_edge *edges = mn_scratch(ctx, (size_t)(2 + j) * sizeof *edges);
    if (edges == NULL) {
        return MN_NOMEM;
    }
    for (int32_t e = 0; e < 2 + j; e++) {
        edges[e] = (struct network_edge){.input = e, .n_ops = (int32_t)s->ops.n, .ops = s->ops.at};
    }
    *node = (struct network_node){2 + j, edges};
    return MN_OK;
}

int one_shot_build(const struct one_shot *s, struct mn_ctx *ctx, struct mn_builder *builder,
                   int32_t partial) {
    struct network_node *nodes = mn_scratch(ctx, (size_t)s->nodes * sizeof *nodes);
    int status = nodes == NULL ? MN_NOMEM : MN_OK;
    for (int32_t j = 0; status == MN_OK && j < s->nodes; j++) {
        status = all_edges(s, ctx, j, &nodes[j]);
    }
    if (status != MN_OK) {
        return status;
    }
    const struct network_cell cell = {(int32_t)s->nodes, nodes};
    const struct network network = {
        .options = s->network, .normal = cell, .reduction = cell, .partial = partial};
    return network_build(ctx, builder, &network);
}
