/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_GENOTYPE_PARSE_H
#define PLUGINS_GENOTYPE_PARSE_H

#include "../darts/network.h"

/* A cell from its nodes, each a text of pairs: "conv_1x5_5x1 0, conv_3x3 1". The result is in ctx's
 * scratch. A fault names the option `key`, the node and its text. */
int genotype_parse(struct mn_ctx *ctx, const char *key, const struct mn_texts *texts,
                   struct network_cell *out);

#endif
