/* SPDX-License-Identifier: MIT */
/* A fixed network from a genotype: the stem, cells and head of search space darts, but every node
 * has the given operations on the given inputs, and nothing is searched. */
#include "parse.h"

struct genotype {
    struct network_options network; /* first: NETWORK_OPTIONS */
    const char *file;
    struct mn_texts normal, reduction;
};

static int uses(const struct genotype *s, int reduction) {
    for (int64_t i = 0; i < s->network.cells; i++) {
        if (network_is_reduction(&s->network, i) == reduction) {
            return 1;
        }
    }
    return 0;
}

/* A type that no cell has may be left out. */
static int parse(const struct genotype *s, struct mn_ctx *ctx, struct network *network) {
    int status = MN_OK;
    if (uses(s, 0) || s->normal.n > 0) {
        status = genotype_parse(ctx, "normal", &s->normal, &network->normal);
    }
    if (status == MN_OK && (uses(s, 1) || s->reduction.n > 0)) {
        status = genotype_parse(ctx, "reduction", &s->reduction, &network->reduction);
    }
    return status;
}

static int check(const void *self, struct mn_ctx *ctx) {
    const struct genotype *s = self;
    struct network network;
    const int status = network_check(ctx, &s->network);
    return status != MN_OK ? status : parse(s, ctx, &network);
}

static int build(const void *self, struct mn_ctx *ctx, const struct mn_dims *dims,
                 struct mn_builder *builder) {
    const struct genotype *s = self;
    struct network network = {.options = s->network};
    const int status = parse(s, ctx, &network);
    return status != MN_OK ? status : network_build(ctx, builder, &network);
}

static const struct mn_search_space space = {
    .size = sizeof space,
    .check = check,
    .build = build,
    .budget = network_budget,
    .resize = budget_resize,
};

static const struct mn_opt options[] = {
    MN_PATH(struct genotype, file, "", MN_OPT_MERGE,
            "file with the keys normal and reduction, such as those in configs/genotypes"),
    MN_TEXTS(struct genotype, normal, "",
             "nodes of a normal cell, each a text of pairs of operation and input: "
             "'conv_1x5_5x1 0, conv_3x3 1'; a third word is the weight of the pair in the sum, "
             "'skip_connect 1 0.25', else 1"),
    MN_TEXTS(struct genotype, reduction, "", "nodes of a reduction cell, in the same form"),
    NETWORK_OPTIONS(1),
};

MN_PLUGIN("genotype", "0.1.0",
          MN_UNIT(MN_SEARCH_SPACE, "genotype", "cells with a fixed architecture", struct genotype,
                  options, &space))
