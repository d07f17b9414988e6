/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_RECORDS_H
#define NAS_STORE_RECORDS_H

/* Records whose columns are data: one table says what of a struct goes into which JSON object, CSV
 * line or table. */

#include "base/arena.h"
#include "store/csv.h"

#include <jansson.h>

enum nas_column_type { NAS_COLUMN_INT, NAS_COLUMN_REAL, NAS_COLUMN_TEXT, NAS_COLUMN_HASH };
enum nas_column_unit { NAS_UNIT_PLAIN, NAS_UNIT_SHARE, NAS_UNIT_POINTS, NAS_UNIT_HALF };

/* Outputs of the record of an evaluation. */
enum {
    NAS_IN_TEST = 1,
    NAS_IN_NORMS = 2,
    NAS_IN_STEPS = 4,
    NAS_IN_RUNS = 8,
    NAS_IN_ARMS = 16,
    NAS_IN_ALL = 0x7FFFFFFF
};

struct nas_column {
    const char *name;
    enum nas_column_type type; /* int64_t, double, const char *, uint64_t */
    enum nas_column_unit unit;
    unsigned outputs;
    const char *title; /* for people, or NULL */
    size_t offset;     /* in the record */
};

struct nas_columns {
    int n;
    const struct nas_column *at;
};

/* The result of an evaluation. */
#define NAS_FIELD_INT int64_t
#define NAS_FIELD_REAL double
#define NAS_FIELD_TEXT const char *
#define NAS_FIELD_HASH uint64_t
struct nas_record {
#define COLUMN(type, name, unit, outputs, title) NAS_FIELD_##type name;
#include "store/records.def"
#undef COLUMN
};
extern const struct nas_columns nas_record_columns;

/* The next column of an output after `last` (NULL = from the first); NULL = no more. */
const struct nas_column *nas_column_next(const struct nas_columns *columns, unsigned outputs,
                                         const struct nas_column *last);
/* The column of the half width of a mean, or NULL. */
const struct nas_column *nas_column_half(const struct nas_columns *columns, unsigned outputs,
                                         const struct nas_column *mean);
/* The value as a number; NAN where it is none. */
double nas_column_real(const struct nas_column *column, const void *record);
const char *nas_column_text(const struct nas_column *column, const void *record);
/* Set one of type real. */
void nas_column_set_real(const struct nas_column *column, void *record, double value);
/* "91.23% +- 0.45%" of a share or a difference of shares, with that of its half width where it is
 * known; "12" of others. `between` stands for " +- ". Returns `out`. */
const char *nas_column_show(const struct nas_columns *columns, unsigned outputs,
                            const struct nas_column *column, const void *record,
                            const char *between, char *out, size_t size);

/* A record as an object; numbers that are not finite are null, texts that are NULL left out. NULL =
 * no memory, or a text is not UTF-8. */
json_t *nas_columns_json(const struct nas_columns *columns, unsigned outputs, const void *record);
/* The other way round; texts in arena. What is missing is 0, NAN or NULL. 0 = no memory. */
int nas_columns_read(const struct nas_columns *columns, unsigned outputs, const json_t *object,
                     struct nas_arena *arena, void *record);

/* The names as cells; a record as cells, empty ones where it is NULL. */
void nas_columns_csv_names(const struct nas_columns *columns, unsigned outputs,
                           struct nas_csv_line *line);
void nas_columns_csv(const struct nas_columns *columns, unsigned outputs, const void *record,
                     struct nas_csv_line *line);

#endif
