/* SPDX-License-Identifier: MIT */
#include "results.h"

#include "../command.h"

#include "base/stats.h"
#include "base/text.h"

#include <math.h>

struct sweep_mean sweep_mean_of(int64_t n, const double *x) {
    struct sweep_mean out = {.n = n};
    for (int64_t i = 0; n <= SWEEP_FEW && i < n; i++) {
        out.few[i] = x[i];
    }
    out.ci95 = nas_ci95(n, x, &out.mean);
    out.mean = n > 0 ? out.mean : (double)NAN;
    return out;
}

int sweep_mean_of_difference(struct mn_ctx *ctx, int64_t n, const double *a, const double *b,
                             struct sweep_mean *out) {
    const size_t mark = nas_arena_mark(&nas_ctx_of(ctx)->scratch);
    double *x = mn_scratch(ctx, (size_t)n * sizeof *x);
    if (x == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; i < n; i++) {
        x[i] = b[i] - a[i];
    }
    *out = sweep_mean_of(n, x);
    nas_arena_release(&nas_ctx_of(ctx)->scratch, mark);
    return MN_OK;
}

/* Row i: it is numbered so, and has shares. */
static int take_row(const struct nas_csv *tasks, int64_t i, struct sweep_result *out) {
    const int number = nas_csv_column(tasks, "task");
    const double accuracy = nas_csv_number(tasks, i, nas_csv_column(tasks, "accuracy"));
    const double before = nas_csv_number(tasks, i, nas_csv_column(tasks, "accuracy_before_prune"));
    int64_t task;
    out->values[SWEEP_ACCURACY][i] = accuracy;
    out->values[SWEEP_BEFORE][i] = before;
    out->values[SWEEP_GAP][i] = before - accuracy;
    return number >= 0 && nas_text_int(nas_csv_cell(tasks, i, number), &task) && task == i &&
           accuracy >= 0 && accuracy <= 1 && before >= 0 && before <= 1;
}

int sweep_take_tasks(struct mn_ctx *ctx, struct nas_arena *arena, const char *path,
                     const struct nas_csv *tasks, struct sweep_result *out) {
    const int64_t n = tasks->n_rows;
    int fits = n >= 1 && n == out->now.test.tasks;
    for (int m = 0; fits && m < SWEEP_DIFFERENCE; m++) {
        out->values[m] = nas_arena_array(arena, (size_t)n, sizeof *out->values[m]);
        if (out->values[m] == NULL) {
            return no_memory(ctx);
        }
    }
    for (int64_t i = 0; fits && i < n; i++) {
        fits = take_row(tasks, i, out);
    }
    for (int m = 0; fits && m < SWEEP_DIFFERENCE; m++) {
        out->means[m] = sweep_mean_of(n, out->values[m]);
    }
    if (!fits || !(fabs(out->means[SWEEP_ACCURACY].mean - out->now.test.accuracy_mean) <= 1e-9)) {
        return mn_fail(ctx, MN_IO,
                       "%s: does not fit test.json beside it; remove test.json, so that the run is "
                       "tested again",
                       path);
    }
    return MN_OK;
}
