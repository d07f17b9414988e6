/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_DARTS_ONE_SHOT_H
#define PLUGINS_DARTS_ONE_SHOT_H

/* The one-shot network that the search spaces darts and pc_darts share: every node takes every
 * earlier state, every edge mixes all candidates. */

#include "network.h"

struct one_shot {
    struct network_options network; /* first: NETWORK_OPTIONS */
    int64_t nodes;
    struct mn_texts ops;
};

/* Their table, for an instance whose first field is a struct one_shot. */
#define ONE_SHOT_OPTIONS                                                                           \
    NETWORK_OPTIONS(0), MN_INT(struct one_shot, nodes, 3, 1, 32, "intermediate nodes of a cell"),  \
        MN_TEXTS(struct one_shot, ops,                                                             \
                 "max_pool_3x3,avg_pool_3x3,skip_connect,conv_1x5_5x1,conv_3x3,sep_conv_3x3,"      \
                 "dil_conv_3x3",                                                                   \
                 "candidate operations of every edge")

/* As check. */
int one_shot_check(const void *self, struct mn_ctx *ctx);

/* Describe the network; partial as in struct mn_node_spec. */
int one_shot_build(const struct one_shot *s, struct mn_ctx *ctx, struct mn_builder *builder,
                   int32_t partial);

#endif
