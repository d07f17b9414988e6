/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_DARTS_NETWORK_H
#define PLUGINS_DARTS_NETWORK_H

/* The cell network that the search spaces darts and pc_darts share: stem, a row of cells, head. */

#include "../common/budget.h"

/* One input of a node: 0 and 1 are the cell's inputs (0 the older), 2, 3, .. the nodes before. */
struct network_edge {
    int32_t input;
    int32_t n_ops;
    const char *const *ops;
};

struct network_node {
    int32_t n_edges;
    const struct network_edge *edges;
};

struct network_cell {
    int32_t n_nodes;
    const struct network_node *nodes;
};

/* What both search spaces have as options. */
struct network_options {
    struct budget size; /* first: BUDGET_OPTIONS */
    int64_t cells, stem_multiplier;
    struct mn_ints reduction_cells;
    double drop_path;
    bool drop_path_ramp, affine;
};

struct network {
    struct network_options options;
    struct network_cell normal, reduction;
    int32_t partial; /* of every node, as in struct mn_node_spec */
};

/* Their table, for an instance whose first field is a struct network_options. */
#define NETWORK_OPTIONS(affine_)                                                                   \
    BUDGET_OPTIONS("channels C of every cell, even; 0 = as parameters asks"),                      \
        MN_INT(struct network_options, cells, 4, 1, 64, "cells in a row"),                         \
        MN_INT(struct network_options, stem_multiplier, 3, 1, 64,                                  \
               "channels of the stem as a multiple of C"),                                         \
        MN_INTS(struct network_options, reduction_cells, "", -1, 63,                               \
                "cells that halve the image, from 0; empty = every odd cell, -1 = none"),          \
        MN_REAL_OPEN(struct network_options, drop_path, 0, 0, 1, MN_OPT_OPEN_MAX,                  \
                     "probability to drop a candidate's output in meta-training"),                 \
        MN_BOOL(struct network_options, drop_path_ramp, 0,                                         \
                "raise drop_path linearly over meta-training"),                                    \
        MN_BOOL(struct network_options, affine, affine_,                                           \
                "scale and shift in the batch norms of the cells")

/* Rules across these options; names the option that breaks one. */
int network_check(struct mn_ctx *ctx, const struct network_options *options);

/* As budget and resize of a search space, for an instance as above. */
int network_budget(const void *self, struct mn_ctx *ctx, struct mn_budget *out);

/* Whether cell i is a reduction cell. */
int network_is_reduction(const struct network_options *options, int64_t i);

/* Describe the network to the host. */
int network_build(struct mn_ctx *ctx, struct mn_builder *builder, const struct network *network);

#endif
