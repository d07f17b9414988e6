/* SPDX-License-Identifier: MIT */
/* The page of a report: pieces ended by zero bytes are the files that it is made from. */
#include "fuzz.h"

#include "../../tools/metanas/draw.h"
#include "../../tools/metanas/report/sections.h"

#include <stdlib.h>
#include <string.h>

/* Cells in words: Graphviz is another program. */
int draw_cells(struct mn_ctx *ctx, struct nas_arena *arena, const struct cells *cells,
               const char *id, const char **svg) {
    (void)arena;
    (void)cells;
    (void)id;
    (void)svg;
    return mn_fail(ctx, MN_UNSUPPORTED, "not drawn");
}

/* ---- a page that is counted --------------------------------------------------------------- */

/* Drawings and frames of a page, and what each byte of input may add to it. */
enum { PAGE = 1 << 20, EACH = 1 << 10 };

static size_t written, most;

static ssize_t count(void *cookie, const char *text, size_t size) {
    (void)cookie;
    (void)text;
    written += size;
    fuzz_must(written <= most);
    return (ssize_t)size;
}

static FILE *page_of(size_t input) {
    static FILE *page;
    if (page == NULL) {
        page = fopencookie(NULL, "w", (cookie_io_functions_t){.write = count});
        fuzz_must(page != NULL);
        setvbuf(page, NULL, _IOFBF, 1 << 16);
    }
    written = 0;
    most = PAGE + EACH * input;
    return page;
}

/* ---- the files ---------------------------------------------------------------------------- */

/* NULL = it is not there, or no table. */
static struct nas_csv *table_of(struct mn_ctx *ctx, struct nas_arena *arena, const char *text) {
    struct nas_csv *table = nas_arena_zeroed(arena, sizeof *table);
    fuzz_must(table != NULL);
    const int status = text != NULL && text[0] != '\0'
                           ? nas_csv_parse(ctx, arena, "t.csv", text, strlen(text), table)
                           : MN_IO;
    nas_ctx_clear(ctx);
    return status == MN_OK ? table : NULL;
}

static void lines_of(struct mn_ctx *ctx, const char *text, struct lines *out) {
    if (text != NULL) {
        nas_jsonl_parse(ctx, "m.jsonl", text, strlen(text), record_add_line, out);
        nas_ctx_clear(ctx);
    }
}

static void fill(struct mn_ctx *ctx, char *const piece[8], struct record *record) {
    struct nas_faults faults = {.arena = &record->arena};
    if (piece[0] != NULL) {
        record->config = piece[0];
        record->root = nas_yaml_parse(&record->arena, "config.resolved.yaml", piece[0],
                                      strlen(piece[0]), &faults);
    }
    lines_of(ctx, piece[1], &record->metrics);
    lines_of(ctx, piece[2], &record->timing);
    json_t *test = piece[3] != NULL ? json_loads(piece[3], JSON_REJECT_DUPLICATES, NULL) : NULL;
    fuzz_must(record_take_test(ctx, test, record) == MN_OK);
    record->architecture = table_of(ctx, &record->arena, piece[4]);
    record->steps = table_of(ctx, &record->arena, piece[5]);
    record->results = table_of(ctx, &record->arena, piece[6]);
    record->command = piece[7] != NULL ? json_loads(piece[7], JSON_REJECT_DUPLICATES, NULL) : NULL;
    record->summary = record->results != NULL ? piece[7] : NULL;
}

FUZZ_TARGET(report) {
    struct nas_ctx context;
    struct record record = {.dir = "run"};
    char *piece[8];
    struct mn_ctx *ctx = fuzz_begin(&context);
    FILE *page = page_of(size);
    for (size_t i = 0; i < sizeof piece / sizeof piece[0]; i++) {
        piece[i] = fuzz_text(&data, &size);
    }
    fill(ctx, piece, &record);
    const int status = report_page(ctx, &record, page);
    fuzz_must(fflush(page) == 0);
    fuzz_must_explain(ctx, status);
    fuzz_accepted += status == MN_OK;
    record_fini(&record);
    for (size_t i = 0; i < sizeof piece / sizeof piece[0]; i++) {
        free(piece[i]);
    }
    fuzz_end(&context);
    return 0;
}
