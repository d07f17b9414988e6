/* SPDX-License-Identifier: MIT */
#include "learn/latencies.h"

#include "base/buffer.h"
#include "base/file.h"
#include "store/csv.h"

#include <inttypes.h>
#include <math.h>

enum { OPERATION, STRIDE, CHANNELS, HEIGHT, WIDTH, NS, COLUMNS };
static const char *const names[COLUMNS] = {"operation", "stride", "channels",
                                           "height",    "width",  "ns"};

static int read_row(struct mn_ctx *ctx, const char *path, const struct nas_csv *table, int64_t row,
                    const int *column, struct nas_latencies *out) {
    struct nas_latency *x = &out->at[row];
    double value[COLUMNS];
    for (int of = STRIDE; of < COLUMNS; of++) { /* whole from 1 on, but for times */
        const double v = value[of] = nas_csv_number(table, row, column[of]);
        const double least = of == NS ? 0 : 1;
        if (!(v >= least && v <= 1e15 && (of == NS || floor(v) == v))) {
            return mn_fail(ctx, MN_CONFIG,
                           "%s: row %" PRId64 ": %s is '%s', which is no %s from %g on", path,
                           row + 1, names[of], nas_csv_cell(table, row, column[of]),
                           of == NS ? "time in nanoseconds" : "whole number", least);
        }
    }
    *x = (struct nas_latency){.operation = nas_csv_cell(table, row, column[OPERATION]),
                              .stride = (int32_t)fmin(value[STRIDE], INT32_MAX),
                              .channels = (int32_t)fmin(value[CHANNELS], INT32_MAX),
                              .height = (int32_t)fmin(value[HEIGHT], INT32_MAX),
                              .width = (int32_t)fmin(value[WIDTH], INT32_MAX),
                              .ns = value[NS]};
    for (int64_t i = 0; i < row; i++) {
        if (nas_latency_same(&out->at[i], x)) {
            return mn_fail(ctx, MN_CONFIG,
                           "%s: row %" PRId64 " is about the same operation as row %" PRId64, path,
                           row + 1, i + 1);
        }
    }
    return MN_OK;
}

int nas_latencies_read(struct mn_ctx *ctx, struct nas_arena *arena, const char *path,
                       struct nas_latencies *out) {
    struct nas_csv table;
    int column[COLUMNS];
    TRY(nas_csv_read(ctx, arena, path, &table));
    for (int i = 0; i < COLUMNS; i++) {
        column[i] = nas_csv_column(&table, names[i]);
        if (column[i] < 0) {
            return mn_fail(ctx, MN_CONFIG,
                           "%s: there is no column %s: is it a table of 'metanas bench-ops'?", path,
                           names[i]);
        }
    }
    *out = (struct nas_latencies){
        .file = nas_arena_text(arena, path),
        .n = table.n_rows,
        .at = nas_arena_array(arena, (size_t)table.n_rows + 1, sizeof *out->at)};
    if (arena->failed) {
        return mn_fail(ctx, MN_NOMEM, "no memory for %s", path);
    }
    for (int64_t row = 0; row < table.n_rows; row++) {
        TRY(read_row(ctx, path, &table, row, column, out));
    }
    return MN_OK;
}

int nas_latencies_write(struct mn_ctx *ctx, const char *path, const struct nas_latencies *all) {
    CLEANUP(nas_buffer_free) struct nas_buffer text = {0};
    TRY(nas_buffer_open(&text, ctx));
    struct nas_csv_line line = {.out = text.out};
    for (int i = 0; i < COLUMNS; i++) {
        nas_csv_text(&line, names[i]);
    }
    nas_csv_end(&line);
    for (int64_t i = 0; i < all->n; i++) {
        const struct nas_latency *x = &all->at[i];
        nas_csv_text(&line, x->operation);
        nas_csv_int(&line, x->stride);
        nas_csv_int(&line, x->channels);
        nas_csv_int(&line, x->height);
        nas_csv_int(&line, x->width);
        nas_csv_real(&line, x->ns);
        nas_csv_end(&line);
    }
    TRY(nas_buffer_close(&text, ctx));
    return nas_file_replace(ctx, path, text.text, text.length);
}
