/* SPDX-License-Identifier: MIT */
#include "results.h"

#include "../command.h"

#include "base/stats.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

struct sweep_mean sweep_mean_of(int64_t n, const double *x) {
    struct sweep_mean out = {.n = n};
    for (int64_t i = 0; n <= SWEEP_FEW && i < n; i++) {
        out.few[i] = x[i];
    }
    out.ci95 = nas_ci95(n, x, &out.mean);
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

static int damaged(struct mn_ctx *ctx, const char *path) {
    return mn_fail(ctx, MN_IO,
                   "%s: does not fit test.json beside it; remove test.json, so that the run is "
                   "tested again",
                   path);
}

/* The shares of a column; 0 where a cell has none. */
static int column(const struct nas_csv *table, const char *name, double *out) {
    const int at = nas_csv_column(table, name);
    for (int64_t i = 0; i < table->n_rows; i++) {
        out[i] = nas_csv_number(table, i, at);
        if (!(out[i] >= 0 && out[i] <= 1)) {
            return 0;
        }
    }
    return 1;
}

/* Rows are numbered from 0: none is missing. */
static int is_numbered(const struct nas_csv *table) {
    const int at = nas_csv_column(table, "task");
    for (int64_t i = 0; i < table->n_rows; i++) {
        int64_t task;
        if (at < 0 || !nas_text_int(nas_csv_cell(table, i, at), &task) || task != i) {
            return 0;
        }
    }
    return 1;
}

static void copy_text(const json_t *object, const char *key, char out[32]) {
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(out, 32, "%s", text != NULL ? text : "");
}

static int64_t whole(const json_t *object, const char *key) {
    return (int64_t)json_integer_value(json_object_get(object, key));
}

static void copy_test(const json_t *test, struct sweep_result *out) {
    out->tasks = whole(test, "tasks");
    out->ways = whole(test, "ways");
    out->shots = whole(test, "shots");
    out->queries = whole(test, "queries");
    out->parameters = json_number_value(json_object_get(test, "parameters_mean"));
    out->parameters_min = whole(test, "parameters_min");
    out->parameters_max = whole(test, "parameters_max");
    copy_text(test, "episodes", out->episodes);
    copy_text(test, "batch_norm", out->batch_norm);
}

int sweep_take_test(struct mn_ctx *ctx, struct nas_arena *arena, const json_t *test,
                    const char *path, const struct nas_csv *tasks, struct sweep_result *out) {
    copy_test(test, out);
    if (tasks->n_rows < 1 || tasks->n_rows != out->tasks || !is_numbered(tasks)) {
        return damaged(ctx, path);
    }
    out->accuracy = nas_arena_array(arena, (size_t)out->tasks, sizeof *out->accuracy);
    out->before = nas_arena_array(arena, (size_t)out->tasks, sizeof *out->before);
    if (out->accuracy == NULL || out->before == NULL) {
        return no_memory(ctx);
    }
    if (!column(tasks, "accuracy", out->accuracy) ||
        !column(tasks, "accuracy_before_prune", out->before)) {
        return damaged(ctx, path);
    }
    out->accuracy_mean = sweep_mean_of(out->tasks, out->accuracy);
    out->before_mean = sweep_mean_of(out->tasks, out->before);
    const double mean = json_number_value(json_object_get(test, "accuracy_mean"));
    return fabs(out->accuracy_mean.mean - mean) <= 1e-9
               ? sweep_mean_of_difference(ctx, out->tasks, out->accuracy, out->before, &out->gap)
               : damaged(ctx, path);
}
