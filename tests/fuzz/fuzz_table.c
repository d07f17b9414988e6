/* SPDX-License-Identifier: MIT */
/* A table (CSV) of a run or sweep directory. */
#include "fuzz.h"

#include "run/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check(const struct mn__table *table) {
    static const char *const names[] = {"accuracy", "prune_gap", "difference", "a"};
    fuzz_must(table->n_columns >= 1 && table->n_rows >= 0);
    for (int c = 0; c < table->n_columns; c++) {
        const int found = mn__table_column(table, table->names[c]);
        fuzz_must(found >= 0 && found <= c && strcmp(table->names[found], table->names[c]) == 0);
        for (int64_t r = 0; r < table->n_rows; r++) {
            const double x = mn__table_number(table, r, c);
            fuzz_must(!isnan(x) || mn__table_cell(table, r, c) != NULL);
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct mn__table_interval at;
        double ends[2];
        if (mn__table_find_interval(table, names[i], &at) && table->n_rows > 0) {
            mn__table_bounds(table, table->n_rows - 1, &at, ends);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct mn__arena arena;
    struct mn__cx context;
    struct mn__table table;
    struct mn_cx *cx = fuzz_begin(&context);
    char *text = fuzz_copy(data, size);
    const int status = mn__table_parse(cx, &arena, "t.csv", text, size, &table);
    fuzz_must_explain(cx, status);
    if (status == MN_OK) {
        fuzz_accepted++;
        check(&table);
    }
    free(text);
    mn__arena_release(&arena, 0);
    fuzz_end(&context);
    return 0;
}
