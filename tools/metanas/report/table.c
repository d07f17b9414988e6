/* SPDX-License-Identifier: MIT */
#include "table.h"

#include "../command.h"

#include "base/text.h"
#include "run/file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 256 << 20 };

/* ---- CSV ---------------------------------------------------------------------------------- */

struct reader {
    char *at; /* fields are ended with a zero in place */
    int64_t line;
    int end_of_line; /* the field before was the last of its line */
};

/* The next field, unquoted in place. NULL = a quote is not closed. */
static char *next_field(struct reader *r) {
    char *begin = r->at, *to = begin;
    const int quoted = *r->at == '"';
    r->at += quoted;
    for (;; r->at++) {
        if (*r->at == '\0' && quoted) {
            return NULL;
        }
        if (quoted && r->at[0] == '"') {
            if (r->at[1] != '"') {
                r->at++;
                break;
            }
            r->at++;
        } else if (!quoted && strchr(",\r\n", *r->at) != NULL) {
            break; /* the end, too */
        }
        *to++ = *r->at;
    }
    const char stop = *r->at;
    r->at += stop == '\r' && r->at[1] == '\n' ? 2 : stop != '\0';
    r->end_of_line = stop != ',';
    *to = '\0';
    return begin;
}

static size_t count_of(const char *text, char c) {
    size_t n = 0;
    for (; *text != '\0'; text++) {
        n += *text == c;
    }
    return n;
}

static int read_rows(struct mn_cx *cx, const char *path, struct reader *r, const char **fields,
                     struct table *out) {
    int64_t n = 0;
    int width = 0;
    while (*r->at != '\0') {
        fields[n] = next_field(r);
        if (fields[n++] == NULL) {
            return mn_fail(cx, MN_IO, "%s:%" PRId64 ": a quote is not closed", path, r->line);
        }
        width++;
        if (!r->end_of_line) {
            if (*r->at == '\0') { /* the comma was the last character */
                fields[n++] = "";
                width++;
            } else {
                continue;
            }
        }
        out->n_columns = r->line == 1 ? width : out->n_columns;
        if (width != out->n_columns) {
            return mn_fail(cx, MN_IO, "%s:%" PRId64 ": %d fields; the head has %d", path, r->line,
                           width, out->n_columns);
        }
        width = 0;
        r->line++;
    }
    out->n_rows = r->line - 2;
    return out->n_columns > 0 ? MN_OK : mn_fail(cx, MN_IO, "%s: the file is empty", path);
}

int table_read(struct mn_cx *cx, struct mn__arena *arena, const char *path, struct table *out) {
    uint8_t *bytes;
    size_t length;
    int status = mn__file_read(cx, path, MOST_BYTES, &bytes, &length);
    if (status != MN_OK) {
        return status;
    }
    char *text = mn__arena_text(arena, (const char *)bytes);
    free(bytes);
    if (text == NULL) {
        return no_memory(cx);
    }
    const size_t most = count_of(text, ',') + count_of(text, '\n') + count_of(text, '\r') + 2;
    const char **fields = mn__arena_array(arena, most, sizeof *fields);
    struct reader reader = {.at = text, .line = 1};
    *out = (struct table){0};
    status = fields != NULL ? read_rows(cx, path, &reader, fields, out) : no_memory(cx);
    if (status == MN_OK) {
        out->names = fields;
        out->cells = fields + out->n_columns;
    }
    return status;
}

int table_column(const struct table *table, const char *name) {
    for (int i = 0; i < table->n_columns; i++) {
        if (strcmp(table->names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

const char *table_cell(const struct table *table, int64_t row, int column) {
    return table->cells[row * table->n_columns + column];
}

double table_number(const struct table *table, int64_t row, int column) {
    double x;
    return column >= 0 && mn__text_real(table_cell(table, row, column), &x) ? x : NAN;
}

static int column_with(const struct table *table, const char *name, const char *ending) {
    const size_t n = strlen(name);
    for (int i = 0; i < table->n_columns; i++) {
        if (strncmp(table->names[i], name, n) == 0 && strcmp(table->names[i] + n, ending) == 0) {
            return i;
        }
    }
    return -1;
}

int table_find_interval(const struct table *table, const char *name, struct table_interval *out) {
    const int plain = table_column(table, name);
    *out = (struct table_interval){
        plain >= 0 ? plain : column_with(table, name, "_mean"), column_with(table, name, "_ci95"),
        column_with(table, name, "_low"), column_with(table, name, "_high")};
    return out->mean >= 0 && (out->half >= 0 || (out->low >= 0 && out->high >= 0));
}

void table_bounds(const struct table *table, int64_t row, const struct table_interval *at,
                  double ends[2]) {
    const double mean = table_number(table, row, at->mean);
    const double half = table_number(table, row, at->half);
    ends[0] = at->half >= 0 ? mean - half : table_number(table, row, at->low);
    ends[1] = at->half >= 0 ? mean + half : table_number(table, row, at->high);
}

/* ---- JSON lines --------------------------------------------------------------------------- */

static int add_line(struct lines *lines, json_t *object) {
    if (lines->n == lines->room) {
        const size_t room = lines->room > 0 ? 2 * lines->room : 64;
        json_t **at = realloc(lines->at, room * sizeof *at);
        if (at == NULL) {
            json_decref(object);
            return 0;
        }
        lines->at = at;
        lines->room = room;
    }
    lines->at[lines->n++] = object;
    return 1;
}

int lines_read(struct mn_cx *cx, const char *path, struct lines *out) {
    char *line = NULL;
    size_t size = 0;
    int status = MN_OK;
    *out = (struct lines){0};
    FILE *in = fopen(path, "r");
    if (in == NULL) {
        return mn_fail(cx, MN_IO, "%s: cannot read: %s", path, strerror(errno));
    }
    while (status == MN_OK && getline(&line, &size, in) > 0) {
        json_error_t error;
        json_t *object = json_loads(line, 0, &error);
        if (object == NULL) {
            status = mn_fail(cx, MN_IO, "%s:%zu:%d: not valid JSON: %s", path, out->n + 1,
                             error.column, error.text);
        } else if (!add_line(out, object)) {
            status = no_memory(cx);
        }
    }
    free(line);
    fclose(in);
    return status;
}

void lines_fini(struct lines *lines) {
    for (size_t i = 0; i < lines->n; i++) {
        json_decref(lines->at[i]);
    }
    free(lines->at);
    *lines = (struct lines){0};
}

int lines_series(struct mn_cx *cx, struct mn__arena *arena, const struct lines *lines,
                 const char *kind, const char *key, double **what, int *n) {
    *what = mn__arena_array(arena, lines->n, sizeof **what);
    *n = 0;
    if (*what == NULL) {
        return no_memory(cx);
    }
    for (size_t i = 0; i < lines->n; i++) {
        const char *is = json_string_value(json_object_get(lines->at[i], "kind"));
        const json_t *value = json_object_get(lines->at[i], key);
        if (is != NULL && strcmp(is, kind) == 0) {
            (*what)[(*n)++] = json_is_number(value) ? json_number_value(value) : (double)NAN;
        }
    }
    return MN_OK;
}
