/* SPDX-License-Identifier: MIT */
#ifndef METANAS_REPORT_TABLE_H
#define METANAS_REPORT_TABLE_H

/* Files of lines, read back: CSV with a head line, and JSON a line. */

#include "base/cx.h"

#include <jansson.h>

struct table {
    int n_columns;
    int64_t n_rows;
    const char **names; /* [n_columns] */
    const char **cells; /* [n_rows][n_columns] */
};

/* Read a CSV file (RFC 4180) into arena. MN_IO with the line where a line has another number of
 * fields than the head. */
int table_read(struct mn_cx *cx, struct mn__arena *arena, const char *path, struct table *out);
/* Column of that name, -1 = none. */
int table_column(const struct table *table, const char *name);
const char *table_cell(const struct table *table, int64_t row, int column);
/* The cell as a number; NAN where it is none or the column is -1. */
double table_number(const struct table *table, int64_t row, int column);

/* Where a table has a mean with its interval: X or X_mean with X_ci95 (half width), or with X_low
 * and X_high. Columns, -1 = none. */
struct table_interval {
    int mean, half, low, high;
};

/* The interval of X = `name`; 0 = there is none. */
int table_find_interval(const struct table *table, const char *name, struct table_interval *out);
/* Its ends in a row; NAN where they are not given. */
void table_bounds(const struct table *table, int64_t row, const struct table_interval *at,
                  double ends[2]);

/* The objects of a file of JSON lines. For lines_fini, also after a failure. */
struct lines {
    size_t n, room;
    json_t **at;
};
int lines_read(struct mn_cx *cx, const char *path, struct lines *out);
void lines_fini(struct lines *lines);

/* Numbers `key` of the lines of a kind, in order: what[n] into arena; NAN where a line lacks it. */
int lines_series(struct mn_cx *cx, struct mn__arena *arena, const struct lines *lines,
                 const char *kind, const char *key, double **what, int *n);

#endif
