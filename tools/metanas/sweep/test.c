/* SPDX-License-Identifier: MIT */
#include "results.h"

#include "../test_read.h"

#include "base/stats.h"

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

int sweep_take_tasks(struct mn_ctx *ctx, struct nas_arena *arena, const char *path,
                     const struct nas_csv *tasks, struct sweep_result *out) {
    const int64_t n = tasks->n_rows;
    struct nas_task_result *results;
    TRY(test_read_tasks(ctx, arena, path, tasks, &out->now.test,
                        "remove test.json, so that the run is tested again", &results));
    for (int m = 0; m < SWEEP_DIFFERENCE; m++) {
        out->values[m] = nas_arena_array(arena, (size_t)n, sizeof *out->values[m]);
        if (out->values[m] == NULL) {
            return no_memory(ctx);
        }
    }
    for (int64_t i = 0; i < n; i++) {
        const struct nas_score *score = &results[i].score;
        out->values[SWEEP_ACCURACY][i] = score->accuracy;
        out->values[SWEEP_BEFORE][i] = score->accuracy_before_prune;
        out->values[SWEEP_GAP][i] = score->accuracy_before_prune - score->accuracy;
    }
    for (int m = 0; m < SWEEP_DIFFERENCE; m++) {
        out->means[m] = sweep_mean_of(n, out->values[m]);
    }
    return MN_OK;
}
