/* SPDX-License-Identifier: MIT */
#ifndef METANAS_REPORT_HEAT_H
#define METANAS_REPORT_HEAT_H

/* The weights of architecture.csv: operation by edge over meta-training. */

#include "page.h"

#include "store/csv.h"

/* One row of a heat map, a column of architecture.csv. */
struct heat_row {
    int column;
    const char *name; /* of the operation; "" for the input itself */
};

/* One edge: its candidates, and the weight of its input in the node. */
struct heat_edge {
    int node, from;
    int n;
    struct heat_row *rows; /* [n] */
    int input;             /* column, -1 = none */
};

struct heat {
    const char *type; /* of the cell */
    int n, most_rows;
    struct heat_edge *edges;
    struct heat *next;
};

/* The cells of the columns TYPE.NODE.op.EDGE.OPERATION and TYPE.NODE.in.EDGE, in arena. NULL in
 * *out where there are none; so many columns are more than can be drawn in *left_out. */
int heat_find(struct mn_ctx *ctx, struct nas_arena *arena, const struct nas_csv *table,
              struct heat **out, int *left_out);

/* A panel an edge: time to the right, a line an operation, the last one the input. */
void heat_draw(struct page *page, const struct heat *heat, const struct nas_csv *table);
/* The last row of the table as a table of numbers. */
void heat_table(struct page *page, const struct heat *heat, const struct nas_csv *table);

#endif
