/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_TABLE_H
#define MN__RUN_TABLE_H

/* Tables of a run or sweep directory: CSV (RFC 4180) with a head line. */

#include "base/cx.h"

#include <stdint.h>

struct mn__table {
    int n_columns;
    int64_t n_rows;
    const char **names; /* [n_columns] */
    const char **cells; /* [n_rows][n_columns] */
    int *by_name;       /* [n_columns] columns in the order of their names */
};

/* Read a file into arena. MN_IO with file and line where it is no such table: a line has another
 * number of fields than the head, a quote is not closed or text follows it, a zero byte. */
int mn__table_read(struct mn_cx *cx, struct mn__arena *arena, const char *path,
                   struct mn__table *out);
/* The same of `length` bytes in memory, which are followed by a zero; `name` is that of messages.
 */
int mn__table_parse(struct mn_cx *cx, struct mn__arena *arena, const char *name, const char *text,
                    size_t length, struct mn__table *out);

/* The first column of that name, -1 = none. */
int mn__table_column(const struct mn__table *table, const char *name);
const char *mn__table_cell(const struct mn__table *table, int64_t row, int column);
/* The cell as a number; NAN where it is none or the column is -1. */
double mn__table_number(const struct mn__table *table, int64_t row, int column);

/* Where a table has a mean with its interval: X or X_mean with X_ci95 (half width), or with X_low
 * and X_high. Columns, -1 = none. */
struct mn__table_interval {
    int mean, half, low, high;
};

/* The interval of X = `name`; 0 = there is none. */
int mn__table_find_interval(const struct mn__table *table, const char *name,
                            struct mn__table_interval *out);
/* Its ends in a row; NAN where they are not given. */
void mn__table_bounds(const struct mn__table *table, int64_t row,
                      const struct mn__table_interval *at, double ends[2]);

/* Text as a cell: in quotes, and never the beginning of a formula: an apostrophe goes before those
 * characters that would begin one. */
void mn__table_put_text(FILE *out, const char *text);

#endif
