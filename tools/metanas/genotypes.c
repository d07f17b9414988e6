/* SPDX-License-Identifier: MIT */
#include "genotypes.h"

#include "command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b) {
    return strcmp(((const struct genotype *)a)->text, ((const struct genotype *)b)->text);
}

static int by_count(const void *a, const void *b) {
    const struct genotype *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->text, y->text);
}

int genotypes_count(struct mn_ctx *ctx, const struct nas_evaluation *evaluation,
                    struct genotypes *out) {
    out->at = nas_arena_array(&out->arena, (size_t)evaluation->tasks, sizeof *out->at);
    out->n = 0;
    if (out->at == NULL) {
        return no_memory(ctx);
    }
    size_t n = 0;
    for (int64_t i = 0; i < evaluation->tasks; i++) {
        const char *text = evaluation->results[i].genotype;
        if (text != NULL && text[0] != '\0') {
            out->at[n++] = (struct genotype){text, 1};
        }
    }
    qsort(out->at, n, sizeof *out->at, by_text);
    for (size_t i = 0; i < n; i++) {
        if (out->n > 0 && strcmp(out->at[out->n - 1].text, out->at[i].text) == 0) {
            out->at[out->n - 1].count++;
        } else {
            out->at[out->n++] = out->at[i];
        }
    }
    qsort(out->at, out->n, sizeof *out->at, by_count);
    return MN_OK;
}

enum { MOST_TASKS = 1 << 30 };

int genotypes_read(struct mn_ctx *ctx, const char *path, const json_t *test,
                   struct genotypes *out) {
    const json_t *list = json_object_get(test, "genotypes");
    if (!json_is_array(list)) {
        return mn_fail(ctx, MN_IO, "%s: has no list \"genotypes\"", path);
    }
    out->n = json_array_size(list);
    out->at = nas_arena_array(&out->arena, out->n, sizeof *out->at);
    if (out->at == NULL) {
        return no_memory(ctx);
    }
    for (size_t i = 0; i < out->n; i++) {
        const json_t *item = json_array_get(list, i);
        const char *text = json_string_value(json_object_get(item, "genotype"));
        const json_int_t count = json_integer_value(json_object_get(item, "count"));
        if (text == NULL || count < 1 || count > MOST_TASKS) {
            return mn_fail(ctx, MN_IO, "%s: genotype %zu lacks its text or its count", path, i);
        }
        out->at[i] = (struct genotype){nas_arena_text(&out->arena, text), count};
        if (out->at[i].text == NULL) {
            return no_memory(ctx);
        }
    }
    return MN_OK;
}

enum { INDENT = 24, LONGEST = 52 };

/* One input of a node: "conv_3x3&none@0" as "conv_3x3, none from 0". */
static void print_input(const char *text, size_t length, FILE *out) {
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '@') {
            fputs(" from ", out);
        } else if (text[i] == '&') {
            fputs(", ", out);
        } else {
            fputc(text[i], out);
        }
    }
}

/* "conv_3x3@0+skip_connect@2": both inputs on a line where they fit, else one a line. */
static void print_node(const char *text, size_t length, FILE *out) {
    const char *end = text + length;
    for (const char *at = text; at < end;) {
        const char *plus = memchr(at, '+', (size_t)(end - at));
        const size_t n = plus != NULL ? (size_t)(plus - at) : (size_t)(end - at);
        if (at > text && length > LONGEST) {
            fprintf(out, "\n%*s+ ", INDENT, "");
        } else if (at > text) {
            fputs(" + ", out);
        }
        print_input(at, n, out);
        at += n + (plus != NULL);
    }
    fputc('\n', out);
}

/* One cell: "normal: 0:... 1:...". */
static void print_cell(const char *cell, size_t length, FILE *out) {
    const char *end = cell + length;
    const size_t title = strcspn(cell, "/:");
    const char *at = cell + strcspn(cell, ":");
    int first = 1;
    for (at += at < end; at < end;) {
        at += strspn(at, " ");
        if (at >= end) {
            break;
        }
        size_t n = strcspn(at, " ");
        n = n > (size_t)(end - at) ? (size_t)(end - at) : n;
        const size_t number = strcspn(at, ":");
        if (n > 0 && number < n) {
            fprintf(out, "    %-10.*s node %.*s:  ", first ? (int)title : 0, cell, (int)number, at);
            print_node(at + number + 1, n - number - 1, out);
            first = 0;
        }
        at += n;
    }
}

static void print_cells(const char *text, FILE *out) {
    while (*text != '\0') {
        const char *bar = strstr(text, " | ");
        const size_t length = bar != NULL ? (size_t)(bar - text) : strlen(text);
        print_cell(text, length, out);
        text += length + (bar != NULL ? 3 : 0);
    }
}

void genotypes_print(const struct genotypes *genotypes, size_t most, int64_t tasks, FILE *out) {
    if (genotypes->n == 0) {
        return;
    }
    const char *slash = strpbrk(genotypes->at[0].text, "/:");
    const int one = slash != NULL && strncmp(slash, "/1:", 3) == 0;
    fprintf(out, "  cells        %zu different; %s\n", genotypes->n,
            one ? "input 0 is the cell's, 1 on its nodes"
                : "inputs 0 and 1 are the cell's, 2 on its nodes");
    for (size_t i = 0; i < most && i < genotypes->n; i++) {
        fprintf(out, "  %zu. in %" PRId64 " of %" PRId64 " tasks\n", i + 1, genotypes->at[i].count,
                tasks);
        print_cells(genotypes->at[i].text, out);
    }
}
