/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_CSV_H
#define NAS_STORE_CSV_H

/* Tables of a run or sweep directory: CSV (RFC 4180) with a head line. */

#include "base/ctx.h"

#include <stdint.h>
#include <stdio.h>

struct nas_csv {
    int n_columns;
    int64_t n_rows;
    const char **names; /* [n_columns] */
    const char **cells; /* [n_rows][n_columns] */
    int *by_name;       /* [n_columns] columns in the order of their names */
};

/* Read a file into arena. MN_IO with file and line where it is no such table: a line has another
 * number of fields than the head, a quote is not closed or text follows it, a zero byte. */
int nas_csv_read(struct mn_ctx *ctx, struct nas_arena *arena, const char *path,
                 struct nas_csv *out);
/* The same of `length` bytes in memory, which are followed by a zero; `name` is that of messages.
 */
int nas_csv_parse(struct mn_ctx *ctx, struct nas_arena *arena, const char *name, const char *text,
                  size_t length, struct nas_csv *out);

/* The first column of that name, -1 = none. */
int nas_csv_column(const struct nas_csv *table, const char *name);
const char *nas_csv_cell(const struct nas_csv *table, int64_t row, int column);
/* The cell as a number; NAN where it is none or the column is -1. */
double nas_csv_number(const struct nas_csv *table, int64_t row, int column);

/* A line that is written: cells, then its end. Text is quoted where it has to be; a number that is
 * not finite leaves its cell empty. */
struct nas_csv_line {
    FILE *out;
    int cells; /* so far */
};
void nas_csv_text(struct nas_csv_line *line, const char *text);
void nas_csv_int(struct nas_csv_line *line, int64_t value);
void nas_csv_real(struct nas_csv_line *line, double value);
void nas_csv_end(struct nas_csv_line *line);

/* Text as a cell: in quotes, and never the beginning of a formula: an apostrophe goes before those
 * characters that would begin one. */
void nas_csv_put_text(FILE *out, const char *text);

#endif
