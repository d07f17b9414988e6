/* SPDX-License-Identifier: MIT */
#include "test_read.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The columns that are read. */
enum { TASK, EPISODE, ACCURACY, BEFORE, LOSS, PARAMETERS, COLUMNS };
static const char *const names[COLUMNS] = {"task", "episode",   "accuracy", "accuracy_before_prune",
                                           "loss", "parameters"};
static const char *const expected[COLUMNS] = {"its place, from 0 on",
                                              "16 hexadecimal digits",
                                              "a number from 0 to 1",
                                              "a number from 0 to 1",
                                              "a number",
                                              "a whole number"};

static int take(const char *cell, int column, int64_t row, struct nas_task_result *out) {
    int64_t number;
    switch (column) {
    case TASK:
        return nas_text_int(cell, &number) && number == row;
    case EPISODE:
        out->episode = strtoull(cell, NULL, 16);
        return strlen(cell) == 16 && strspn(cell, "0123456789abcdef") == 16;
    case ACCURACY:
        return nas_text_real(cell, &out->score.accuracy) && out->score.accuracy >= 0 &&
               out->score.accuracy <= 1;
    case BEFORE:
        return nas_text_real(cell, &out->score.accuracy_before_prune) &&
               out->score.accuracy_before_prune >= 0 && out->score.accuracy_before_prune <= 1;
    case LOSS: /* an empty cell stands for what was not finite */
        out->score.loss = (double)NAN;
        return cell[0] == '\0' || nas_text_real(cell, &out->score.loss);
    default:
        return nas_text_int(cell, &out->parameters) && out->parameters >= 0;
    }
}

int test_read_tasks(struct mn_ctx *ctx, struct nas_arena *arena, const char *path,
                    const struct nas_csv *table, const struct nas_record *record,
                    const char *advice, struct nas_task_result **out) {
    const int64_t n = table->n_rows;
    struct nas_task_result *results = nas_arena_zeroed(arena, (size_t)n * sizeof *results);
    double sum = 0;
    if (results == NULL) {
        return no_memory(ctx);
    }
    for (int c = 0; c < COLUMNS; c++) {
        const int column = nas_csv_column(table, names[c]);
        if (column < 0) {
            return mn_fail(ctx, MN_IO, "%s:1: no column '%s'; expected a table of 'metanas test'",
                           path, names[c]);
        }
        for (int64_t i = 0; i < n; i++) {
            const char *cell = nas_csv_cell(table, i, column);
            if (!take(cell, c, i, &results[i])) {
                return mn_fail(ctx, MN_IO, "%s:%" PRId64 ": %s is '%.40s'; expected %s", path,
                               i + 2, names[c], cell, expected[c]);
            }
        }
    }
    for (int64_t i = 0; i < n; i++) {
        sum += results[i].score.accuracy / (double)n;
    }
    *out = results;
    return n >= 1 && n == record->tasks && fabs(sum - record->accuracy_mean) <= 1e-9
               ? MN_OK
               : mn_fail(ctx, MN_IO,
                         "%s: does not fit the JSON file of the test beside it: %" PRId64
                         " tasks against %" PRId64 ", accuracy %.6f against %.6f; %s",
                         path, n, record->tasks, sum, record->accuracy_mean, advice);
}
