/* SPDX-License-Identifier: MIT */
#include "store/csv.h"

#include "base/file.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 256 << 20, MOST_COLUMNS = 1 << 20 };

struct reader {
    struct mn_ctx *ctx;
    const char *name;
    char *at; /* fields are ended with a zero in place */
    int64_t line;
    int end_of_line; /* the field before was the last of its line */
};

static int bad(const struct reader *r, const char *what) {
    return mn_fail(r->ctx, MN_IO, "%s:%" PRId64 ": %s", r->name, r->line, what);
}

static int ends_field(char c) {
    return c == ',' || c == '\r' || c == '\n' || c == '\0';
}

/* The next field, unquoted in place. */
static int next_field(struct reader *r, const char **out) {
    char *to = r->at;
    const int quoted = *r->at == '"';
    *out = r->at;
    r->at += quoted;
    for (;; r->at++) {
        if (quoted && *r->at == '\0') {
            return bad(r, "a quote is not closed");
        }
        if (quoted && *r->at == '"' && *++r->at != '"') {
            break;
        }
        if (!quoted && ends_field(*r->at)) {
            break;
        }
        *to++ = *r->at;
    }
    const char stop = *r->at;
    if (!ends_field(stop)) {
        return bad(r, "text follows the quote that ends a field");
    }
    r->at += stop == '\r' && r->at[1] == '\n' ? 2 : stop != '\0';
    r->end_of_line = stop != ',';
    *to = '\0';
    return MN_OK;
}

/* Columns of the same name stay in their order. */
static int by_name(const void *a, const void *b, void *names) {
    const int x = *(const int *)a, y = *(const int *)b;
    const int order = strcmp(((const char **)names)[x], ((const char **)names)[y]);
    return order != 0 ? order : (x > y) - (x < y);
}

int nas_csv_parse(struct mn_ctx *ctx, struct nas_arena *arena, const char *name, const char *text,
                  size_t length, struct nas_csv *out) {
    *out = (struct nas_csv){0};
    if (strlen(text) != length) {
        return mn_fail(ctx, MN_IO, "%s: holds a zero byte: not a table", name);
    }
    text = nas_text_skip_bom(text);
    char *copy = nas_arena_text(arena, text);
    size_t most = 1; /* every field but the last is ended by one; inside quotes they end none */
    for (const char *at = text; *at != '\0'; at++) {
        most += (size_t)ends_field(*at);
    }
    const char **fields = nas_arena_array(arena, most, sizeof *fields);
    if (copy == NULL || fields == NULL) {
        return mn_fail(ctx, MN_NOMEM, "%s: no memory for the table", name);
    }
    struct reader r = {.ctx = ctx, .name = name, .at = copy, .line = 1, .end_of_line = 1};
    int width = 0; /* of this line so far */
    for (int64_t n = 0; *r.at != '\0' || !r.end_of_line; n++) {
        TRY(next_field(&r, &fields[n]));
        if (++width > MOST_COLUMNS) {
            return bad(&r, "more fields than a table of this program can have");
        }
        if (!r.end_of_line) {
            continue;
        }
        out->n_columns = r.line == 1 ? width : out->n_columns;
        if (width != out->n_columns) {
            return mn_fail(ctx, MN_IO, "%s:%" PRId64 ": %d field%s; the head has %d", name, r.line,
                           width, nas_text_s(width), out->n_columns);
        }
        width = 0;
        r.line++;
    }
    if (out->n_columns == 0) {
        return mn_fail(ctx, MN_IO, "%s: the file is empty", name);
    }
    out->n_rows = r.line - 2;
    out->names = fields;
    out->cells = fields + out->n_columns;
    out->by_name = nas_arena_array(arena, (size_t)out->n_columns, sizeof *out->by_name);
    if (out->by_name == NULL) {
        return mn_fail(ctx, MN_NOMEM, "%s: no memory for the names of its columns", name);
    }
    for (int i = 0; i < out->n_columns; i++) {
        out->by_name[i] = i;
    }
    qsort_r(out->by_name, (size_t)out->n_columns, sizeof *out->by_name, by_name, fields);
    return MN_OK;
}

int nas_csv_read(struct mn_ctx *ctx, struct nas_arena *arena, const char *path,
                 struct nas_csv *out) {
    CLEANUP(nas_free) uint8_t *bytes = NULL;
    size_t length;
    TRY(nas_file_read(ctx, path, MOST_BYTES, &bytes, &length));
    return nas_csv_parse(ctx, arena, path, (const char *)bytes, length, out);
}

/* ---- cells -------------------------------------------------------------------------------- */

int nas_csv_column(const struct nas_csv *table, const char *name) {
    int from = 0, to = table->n_columns;
    while (from < to) {
        const int middle = from + (to - from) / 2;
        if (strcmp(table->names[table->by_name[middle]], name) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    const int found = from < table->n_columns ? table->by_name[from] : -1;
    return found >= 0 && strcmp(table->names[found], name) == 0 ? found : -1;
}

const char *nas_csv_cell(const struct nas_csv *table, int64_t row, int column) {
    return table->cells[row * table->n_columns + column];
}

double nas_csv_number(const struct nas_csv *table, int64_t row, int column) {
    double x;
    return column >= 0 && nas_text_real(nas_csv_cell(table, row, column), &x) ? x : (double)NAN;
}

/* ---- writing ------------------------------------------------------------------------------ */

/* A cell that begins with one of these would be a formula for a spreadsheet. */
static const char formula_begins[] = "=+-@\t\r";

void nas_csv_put_text(FILE *out, const char *text) {
    fputs(text[0] != '\0' && strchr(formula_begins, text[0]) != NULL ? "\"'" : "\"", out);
    for (; *text != '\0'; text++) {
        fputs(*text == '"' ? "\"" : "", out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void begin_cell(struct nas_csv_line *line) {
    fputs(line->cells++ > 0 ? "," : "", line->out);
}

void nas_csv_text(struct nas_csv_line *line, const char *text) {
    begin_cell(line);
    if (text[0] != '\0' &&
        (strchr(formula_begins, text[0]) != NULL || strpbrk(text, ",\"\r\n") != NULL)) {
        nas_csv_put_text(line->out, text);
    } else {
        fputs(text, line->out);
    }
}

void nas_csv_int(struct nas_csv_line *line, int64_t value) {
    begin_cell(line);
    fprintf(line->out, "%" PRId64, value);
}

void nas_csv_real(struct nas_csv_line *line, double value) {
    char text[40];
    begin_cell(line);
    fputs(nas_text_finite(value, "", text, sizeof text), line->out);
}

void nas_csv_end(struct nas_csv_line *line) {
    fputc('\n', line->out);
    line->cells = 0;
}
