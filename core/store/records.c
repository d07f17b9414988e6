/* SPDX-License-Identifier: MIT */
#include "store/records.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN NAS_UNIT_PLAIN
#define SHARE NAS_UNIT_SHARE
#define POINTS NAS_UNIT_POINTS
#define HALF NAS_UNIT_HALF
#define IN_TEST NAS_IN_TEST
#define IN_NORMS NAS_IN_NORMS
#define IN_STEPS NAS_IN_STEPS
#define IN_RUNS NAS_IN_RUNS
#define IN_ARMS NAS_IN_ARMS

static const struct nas_column columns_of_record[] = {
#define COLUMN(type, name, unit, outputs, title)                                                   \
    {#name, NAS_COLUMN_##type, unit, outputs, title, offsetof(struct nas_record, name)},
#include "store/records.def"
#undef COLUMN
};
const struct nas_columns nas_record_columns = {
    sizeof columns_of_record / sizeof columns_of_record[0], columns_of_record};

const struct nas_column *nas_column_next(const struct nas_columns *columns, unsigned outputs,
                                         const struct nas_column *last) {
    const struct nas_column *c = last != NULL ? last + 1 : columns->at;
    while (c < columns->at + columns->n && (c->outputs & outputs) == 0) {
        c++;
    }
    return c < columns->at + columns->n ? c : NULL;
}

const struct nas_column *nas_column_half(const struct nas_columns *columns, unsigned outputs,
                                         const struct nas_column *mean) {
    const struct nas_column *next = nas_column_next(columns, outputs, mean);
    return next == mean + 1 && next->unit == NAS_UNIT_HALF ? next : NULL;
}

static const void *at(const struct nas_column *c, const void *record) {
    return (const char *)record + c->offset;
}

double nas_column_real(const struct nas_column *c, const void *record) {
    return c->type == NAS_COLUMN_REAL  ? *(const double *)at(c, record)
           : c->type == NAS_COLUMN_INT ? (double)*(const int64_t *)at(c, record)
                                       : (double)NAN;
}

const char *nas_column_text(const struct nas_column *c, const void *record) {
    return c->type == NAS_COLUMN_TEXT ? *(const char *const *)at(c, record) : NULL;
}

void nas_column_set_real(const struct nas_column *c, void *record, double value) {
    *(double *)((char *)record + c->offset) = value;
}

const char *nas_column_show(const struct nas_columns *columns, unsigned outputs,
                            const struct nas_column *c, const void *record, const char *between,
                            char *out, size_t size) {
    const struct nas_column *half = nas_column_half(columns, outputs, c);
    const double x = nas_column_real(c, record);
    const double width = half != NULL ? nas_column_real(half, record) : (double)NAN;
    const char *text = nas_column_text(c, record);
    if (c->type == NAS_COLUMN_TEXT) {
        snprintf(out, size, "%s", text != NULL ? text : "unknown");
    } else if (c->unit == NAS_UNIT_PLAIN) {
        nas_text_from_real(x, out, size);
    } else {
        const int n =
            snprintf(out, size, c->unit == NAS_UNIT_POINTS ? "%+.2f%%" : "%.2f%%", 100 * x);
        if (isfinite(width) && n < (int)size) {
            snprintf(out + n, size - (size_t)n, "%s%.2f%%", between, 100 * width);
        }
    }
    return out;
}

/* ---- JSON --------------------------------------------------------------------------------- */

json_t *nas_columns_json(const struct nas_columns *columns, unsigned outputs, const void *record) {
    json_t *object = json_object();
    for (const struct nas_column *c = NULL; (c = nas_column_next(columns, outputs, c)) != NULL;) {
        json_t *value = NULL;
        char digits[20];
        if (c->type == NAS_COLUMN_TEXT && nas_column_text(c, record) == NULL) {
            continue;
        }
        switch (c->type) {
        case NAS_COLUMN_INT:
            value = json_integer(*(const int64_t *)at(c, record));
            break;
        case NAS_COLUMN_REAL: /* NaN and infinity are not valid JSON: write null */
            value = isfinite(nas_column_real(c, record)) ? json_real(nas_column_real(c, record))
                                                         : json_null();
            break;
        case NAS_COLUMN_TEXT:
            value = json_string(nas_column_text(c, record));
            break;
        case NAS_COLUMN_HASH:
            snprintf(digits, sizeof digits, "%016" PRIx64, *(const uint64_t *)at(c, record));
            value = json_string(digits);
            break;
        }
        if (json_object_set_new(object, c->name, value) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

int nas_columns_read(const struct nas_columns *columns, unsigned outputs, const json_t *object,
                     struct nas_arena *arena, void *record) {
    for (const struct nas_column *c = NULL; (c = nas_column_next(columns, outputs, c)) != NULL;) {
        const json_t *value = json_object_get(object, c->name);
        const char *text = json_string_value(value);
        void *to = (char *)record + c->offset;
        switch (c->type) {
        case NAS_COLUMN_INT:
            *(int64_t *)to = (int64_t)json_integer_value(value);
            break;
        case NAS_COLUMN_REAL:
            *(double *)to = json_is_number(value) ? json_number_value(value) : (double)NAN;
            break;
        case NAS_COLUMN_TEXT:
            *(const char **)to = text != NULL ? nas_arena_text(arena, text) : NULL;
            if (text != NULL && *(const char **)to == NULL) {
                return 0;
            }
            break;
        case NAS_COLUMN_HASH:
            *(uint64_t *)to = text != NULL ? strtoull(text, NULL, 16) : 0;
            break;
        }
    }
    return 1;
}

/* ---- CSV ---------------------------------------------------------------------------------- */

void nas_columns_csv_names(const struct nas_columns *columns, unsigned outputs,
                           struct nas_csv_line *line) {
    for (const struct nas_column *c = NULL; (c = nas_column_next(columns, outputs, c)) != NULL;) {
        nas_csv_text(line, c->name);
    }
}

void nas_columns_csv(const struct nas_columns *columns, unsigned outputs, const void *record,
                     struct nas_csv_line *line) {
    for (const struct nas_column *c = NULL; (c = nas_column_next(columns, outputs, c)) != NULL;) {
        char digits[20];
        if (record == NULL) {
            nas_csv_text(line, "");
        } else if (c->type == NAS_COLUMN_INT) {
            nas_csv_int(line, *(const int64_t *)at(c, record));
        } else if (c->type == NAS_COLUMN_REAL) {
            nas_csv_real(line, nas_column_real(c, record));
        } else if (c->type == NAS_COLUMN_TEXT) {
            const char *text = nas_column_text(c, record);
            nas_csv_text(line, text != NULL ? text : "");
        } else {
            snprintf(digits, sizeof digits, "%016" PRIx64, *(const uint64_t *)at(c, record));
            nas_csv_text(line, digits);
        }
    }
}
