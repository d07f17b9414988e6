/* SPDX-License-Identifier: MIT */
/* A table (CSV) of a run or sweep directory. */
#include "fuzz.h"

#include "../../tools/metanas/report/interval.h"
#include "store/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check(const struct nas_csv *table) {
    static const char *const names[] = {"accuracy", "prune_gap", "difference", "a"};
    fuzz_must(table->n_columns >= 1 && table->n_rows >= 0);
    for (int c = 0; c < table->n_columns; c++) {
        const int found = nas_csv_column(table, table->names[c]);
        fuzz_must(found >= 0 && found <= c && strcmp(table->names[found], table->names[c]) == 0);
        for (int64_t r = 0; r < table->n_rows; r++) {
            const double x = nas_csv_number(table, r, c);
            fuzz_must(!isnan(x) || nas_csv_cell(table, r, c) != NULL);
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct interval at;
        double ends[2];
        if (interval_of(table, names[i], &at) && table->n_rows > 0) {
            interval_ends(table, table->n_rows - 1, &at, ends);
        }
    }
}

FUZZ_TARGET(table) {
    static struct nas_arena arena;
    struct nas_ctx context;
    struct nas_csv table;
    struct mn_ctx *ctx = fuzz_begin(&context);
    char *text = fuzz_copy(data, size);
    const int status = nas_csv_parse(ctx, &arena, "t.csv", text, size, &table);
    fuzz_must_explain(ctx, status);
    if (status == MN_OK) {
        fuzz_accepted++;
        check(&table);
    }
    free(text);
    nas_arena_release(&arena, 0);
    fuzz_end(&context);
    return 0;
}
