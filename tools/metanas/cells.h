/* SPDX-License-Identifier: MIT */
#ifndef METANAS_CELLS_H
#define METANAS_CELLS_H

/* An architecture taken apart, from the one line that nas_model_genotype writes. */

#include "base/ctx.h"
#include "network/model.h"

#include <stdio.h>

/* One input of a node and the operations that stayed on it. */
struct cell_input {
    int from; /* 0 to n_inputs - 1 are the cell's inputs (of two, 0 the older), then its nodes */
    int n_ops;
    const char **ops;
    double *weights; /* of the operations in the node's sum; NULL = 1 */
};

struct cell_node {
    int n_inputs;
    struct cell_input *inputs;
};

struct cell {
    const char *type; /* "normal", "reduction" */
    int n_inputs;
    int n_nodes;
    struct cell_node *nodes;
};

struct cells {
    int n;
    struct cell *at;
};

/* Parse into arena. `what` names the origin in messages. MN_IO where the line has another form:
 * names of operations and types are words of letters, digits and underscores, and a node reads only
 * what comes before it, so what follows needs no escaping. */
int cells_parse(struct mn_ctx *ctx, struct nas_arena *arena, const char *what, const char *text,
                struct cells *out);

/* Set the weights of the operations in the sums of their nodes, from the mixture weights of a pass
 * of the pruned `model`. In arena. */
int cells_weigh(struct mn_ctx *ctx, struct nas_arena *arena, const struct mn_model *model,
                const mn_real *mixture, struct cells *cells);

/* The pairs of a node, as section `genotype` reads them, with weights other than 1:
 * "conv_3x3 0, skip_connect 1 0.25". */
void cell_node_write(const struct cell_node *node, FILE *out);

/* The types of cells as section `genotype` reads them. Several operations of one
 * edge become one pair each. */
void cells_write_yaml(const struct cells *cells, FILE *out);

/* A Graphviz graph, one cluster a cell. `id` is a prefix for the ids in the drawing. */
void cells_write_dot(const struct cells *cells, const char *id, FILE *out);

#endif
