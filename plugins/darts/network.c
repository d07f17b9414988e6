/* SPDX-License-Identifier: MIT */
#include "network.h"

#include <inttypes.h>
#include <stdio.h>

enum { NAME = 64 };

int network_is_reduction(const struct network_options *options, int64_t i) {
    const struct mn_ints *listed = &options->reduction_cells;
    if (listed->n == 0) {
        return i % 2 == 1;
    }
    for (int64_t j = 0; j < listed->n; j++) {
        if (listed->at[j] == i) {
            return 1;
        }
    }
    return 0;
}

/* Channels a layer may have. */
static const int64_t most_channels = 65536;

int network_budget(const void *self, struct mn_ctx *ctx, struct mn_budget *out) {
    const struct network_options *options = self;
    const int64_t most = most_channels / options->stem_multiplier;
    *out = (struct mn_budget){.size = sizeof *out,
                              .least = 2,
                              .most = most < BUDGET_MOST_CHANNELS ? most : BUDGET_MOST_CHANNELS,
                              .step = 2,
                              .key = BUDGET_KEY};
    return budget_weights(ctx, &options->size, &out->weights);
}

int network_check(struct mn_ctx *ctx, const struct network_options *options) {
    const int64_t channels = options->size.channels;
    const int status = budget_check(ctx, &options->size);
    if (status != MN_OK) {
        return status;
    }
    if (channels % 2 != 0) {
        return mn_bad_option(ctx, "channels",
                             "%" PRId64 " is odd; a factorized reduce needs two halves", channels);
    }
    if (channels * options->stem_multiplier > most_channels) {
        return mn_bad_option(ctx, "stem_multiplier",
                             "a stem of %" PRId64 " channels; at most %" PRId64 " are possible",
                             channels * options->stem_multiplier, most_channels);
    }
    const struct mn_ints *listed = &options->reduction_cells;
    for (int64_t i = 0; i < listed->n; i++) {
        if (listed->at[i] >= options->cells) {
            return mn_bad_option(ctx, "reduction_cells",
                                 "cell %" PRId64 " does not exist; the last of %" PRId64
                                 " cells is %" PRId64,
                                 listed->at[i], options->cells, options->cells - 1);
        }
        if (listed->at[i] < 0 && listed->n > 1) {
            return mn_bad_option(ctx, "reduction_cells", "-1 means none and must stand alone");
        }
    }
    return MN_OK;
}

/* ---- building ----------------------------------------------------------------------------- */

/* A cell under construction. */
struct site {
    struct mn_ctx *ctx;
    struct mn_builder *builder;
    const struct network *network;
    int64_t index;
    int reduction;
    int32_t *states; /* of the cell: two inputs, then its nodes */
};

static uint32_t affine(const struct network *network) {
    return network->options.affine ? MN_BUILD_AFFINE : 0;
}

static int stem(struct mn_ctx *ctx, struct mn_builder *builder, const struct network *network,
                int32_t *state) {
    const struct network_options *o = &network->options;
    const struct mn_conv_spec spec = {.size = sizeof spec,
                                      .from = 0,
                                      .name = "stem",
                                      .channels = (int32_t)(o->size.channels * o->stem_multiplier),
                                      .kernel = 3,
                                      .stride = 1,
                                      .flags = MN_BUILD_AFFINE};
    return mn_build_conv(ctx, builder, &spec, state);
}

/* Bring an input to C channels; and to half the size where the cell before was a reduction cell and
 * the input is the one that it had, too. */
static int preprocess(const struct site *site, int32_t input, int32_t from, int halve) {
    const struct network *network = site->network;
    const int32_t channels = (int32_t)network->options.size.channels;
    char name[NAME];
    snprintf(name, sizeof name, "cells.%" PRId64 ".preproc%" PRId32, site->index, input);
    if (halve) {
        return mn_build_reduce(site->ctx, site->builder, name, from, channels, affine(network),
                               &site->states[input]);
    }
    const struct mn_conv_spec spec = {.size = sizeof spec,
                                      .from = from,
                                      .name = name,
                                      .channels = channels,
                                      .kernel = 1,
                                      .stride = 1,
                                      .flags = MN_BUILD_RELU_BEFORE | affine(network)};
    return mn_build_conv(site->ctx, site->builder, &spec, &site->states[input]);
}

static int build_node(const struct site *site, const struct network_node *node, int32_t j) {
    const struct network *network = site->network;
    char name[NAME], group[NAME];
    struct mn_edge_spec *edges = mn_scratch(site->ctx, (size_t)node->n_edges * sizeof *edges);
    if (edges == NULL) {
        return MN_NOMEM;
    }
    for (int32_t e = 0; e < node->n_edges; e++) {
        const struct network_edge *edge = &node->edges[e];
        edges[e] = (struct mn_edge_spec){.size = sizeof edges[e],
                                         .from = site->states[edge->input],
                                         .stride = site->reduction && edge->input < 2 ? 2 : 1,
                                         .n_ops = edge->n_ops,
                                         .ops = edge->ops};
    }
    snprintf(name, sizeof name, "cells.%" PRId64 ".nodes.%" PRId32, site->index, j);
    snprintf(group, sizeof group, "%s.%" PRId32, site->reduction ? "reduction" : "normal", j);
    const struct mn_node_spec spec = {.size = sizeof spec,
                                      .n_edges = node->n_edges,
                                      .name = name,
                                      .group = group,
                                      .edges = edges,
                                      .edge_stride = sizeof *edges,
                                      .channels = (int32_t)network->options.size.channels,
                                      .flags = affine(network),
                                      .partial = network->partial};
    return mn_build_node(site->ctx, site->builder, &spec, &site->states[2 + j]);
}

/* inputs[2], the older first, becomes the inputs of the next cell. */
static int build_cell(struct site *site, int halve, int32_t inputs[2]) {
    const struct network *network = site->network;
    const struct network_cell *cell = site->reduction ? &network->reduction : &network->normal;
    site->states = mn_scratch(site->ctx, (size_t)(2 + cell->n_nodes) * sizeof *site->states);
    if (site->states == NULL) {
        return MN_NOMEM;
    }
    int status = preprocess(site, 0, inputs[0], halve);
    if (status == MN_OK) {
        status = preprocess(site, 1, inputs[1], 0);
    }
    for (int32_t j = 0; status == MN_OK && j < cell->n_nodes; j++) {
        status = build_node(site, &cell->nodes[j], j);
    }
    if (status != MN_OK) {
        return status;
    }
    char name[NAME];
    snprintf(name, sizeof name, "cells.%" PRId64, site->index);
    inputs[0] = inputs[1];
    return mn_build_concat(site->ctx, site->builder, name, cell->n_nodes, site->states + 2,
                           &inputs[1]);
}

int network_build(struct mn_ctx *ctx, struct mn_builder *builder, const struct network *network) {
    const struct network_options *o = &network->options;
    struct site site = {.ctx = ctx, .builder = builder, .network = network};
    int32_t inputs[2];
    int status = mn_build_drop_path(ctx, builder, o->drop_path, o->drop_path_ramp);
    if (status == MN_OK) {
        status = stem(ctx, builder, network, &inputs[1]);
    }
    if (status != MN_OK) {
        return status;
    }
    inputs[0] = inputs[1];
    for (int64_t i = 0; status == MN_OK && i < o->cells; i++) {
        const int halve = site.reduction;
        site.index = i;
        site.reduction = network_is_reduction(o, i);
        status = build_cell(&site, halve, inputs);
    }
    const struct mn_head_spec head = {
        .size = sizeof head, .from = inputs[1], .name = "head", .kind = MN_HEAD_AVERAGE};
    return status != MN_OK ? status : mn_build_head(ctx, builder, &head);
}
