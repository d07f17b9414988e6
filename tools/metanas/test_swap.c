/* SPDX-License-Identifier: MIT */
#include "progress.h"
#include "test_run.h"

#include "base/stats.h"
#include "base/text.h"
#include "store/csv.h"
#include "store/records.h"

#include <inttypes.h>
#include <string.h>

static const char *const names[SWAPS] = {"own", "other", "frequent"};
static const char *const titles[SWAPS] = {"own cell", "another task's", "most frequent"};

/* The task whose network task i gets: its own, that of the next one with another cell, or of the
 * first one with the most frequent cell. */
static int64_t donor(const struct test_report *report, enum swap which, int64_t i) {
    const struct nas_evaluation *v = &report->evaluation;
    const char *frequent = report->genotypes.at[0].text;
    for (int64_t k = which == SWAP_OTHER; which != SWAP_OWN && k < v->tasks; k++) {
        const int64_t j = which == SWAP_OTHER ? (i + k) % v->tasks : k;
        if (which == SWAP_OTHER ? strcmp(v->results[j].genotype, v->results[i].genotype) != 0
                                : strcmp(v->results[j].genotype, frequent) == 0) {
            return j;
        }
    }
    return i;
}

/* Every task with the network that its donor found. */
static int evaluate(struct mn_ctx *ctx, struct test_report *report, struct nas_executor *executor,
                    const struct nas_state *state, const struct nas_evaluation_plan *what,
                    const uint8_t *keeps, enum swap which) {
    CLEANUP(nas_evaluation_fini) struct nas_evaluation v = {0};
    struct nas_evaluation_plan fixed = *what;
    fixed.keeps = keeps;
    fixed.n_steps = 0;
    fixed.both_norms = 0;
    progress_begin(what->finished_data, titles[which], 0, what->tasks,
                   nas_ctx_of(ctx)->log_level < MN_LOG_INFO);
    const int evaluated = nas_evaluate_plan(report->experiment, executor, ctx, state, &fixed, &v);
    progress_end(what->finished_data);
    TRY(evaluated);
    double *accuracy = nas_arena_array(&report->swap.arena, (size_t)v.tasks, sizeof *accuracy);
    if (accuracy == NULL) {
        return no_memory(ctx);
    }
    for (int64_t i = 0; i < v.tasks; i++) {
        accuracy[i] = v.results[i].score.accuracy;
    }
    report->swap.with[which] = (struct swap_result){.accuracy_mean = v.record.accuracy_mean,
                                                    .accuracy_ci95 = v.record.accuracy_ci95,
                                                    .parameters_mean = v.record.parameters_mean,
                                                    .accuracy = accuracy};
    return MN_OK;
}

int test_swap(struct mn_ctx *ctx, struct test_report *report, struct nas_executor *executor,
              const struct nas_state *state, const struct nas_evaluation_plan *what) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    const struct nas_evaluation *v = &report->evaluation;
    struct swap_result *with = report->swap.with;
    const size_t n = v->n_choices, bytes = (size_t)v->tasks * n;
    if (report->genotypes.n == 0) {
        return mn_fail(ctx, MN_CONFIG,
                       "test: --swap: %s searches no architecture, so there is none to swap",
                       report->experiment->search_space.label);
    }
    uint8_t *keeps = nas_arena_array(&arena, bytes, 1);
    double *own_minus = nas_arena_array(&arena, (size_t)v->tasks, sizeof *own_minus);
    if (keeps == NULL || own_minus == NULL) {
        return no_memory(ctx);
    }
    for (int k = 0; k < SWAPS; k++) {
        for (int64_t i = 0; i < v->tasks; i++) {
            memcpy(keeps + (size_t)i * n, v->keeps + (size_t)donor(report, (enum swap)k, i) * n, n);
        }
        /* Where every task has its own network again, so it has its accuracy. */
        if (k != SWAP_OWN && memcmp(keeps, v->keeps, bytes) == 0) {
            with[k] = with[SWAP_OWN];
        } else {
            TRY(evaluate(ctx, report, executor, state, what, keeps, (enum swap)k));
        }
        for (int64_t i = 0; i < v->tasks; i++) {
            own_minus[i] = with[SWAP_OWN].accuracy[i] - with[k].accuracy[i];
        }
        with[k].own_minus_ci95 = nas_ci95(v->tasks, own_minus, &with[k].own_minus);
        with[k].p = nas_t_test(v->tasks, own_minus);
    }
    report->swap.done = 1;
    return MN_OK;
}

/* ---- what it says ------------------------------------------------------------------------- */

enum { OF_EACH = 1, OF_OTHERS = 2 };

#define COLUMN(name, outputs)                                                                      \
    { #name, NAS_COLUMN_REAL, NAS_UNIT_PLAIN, outputs, NULL, offsetof(struct swap_result, name) }
static const struct nas_column columns_of_result[] = {
    COLUMN(accuracy_mean, OF_EACH),    COLUMN(accuracy_ci95, OF_EACH),
    COLUMN(parameters_mean, OF_EACH),  COLUMN(own_minus, OF_OTHERS),
    COLUMN(own_minus_ci95, OF_OTHERS), COLUMN(p, OF_OTHERS)};
#undef COLUMN
static const struct nas_columns result_columns = {
    sizeof columns_of_result / sizeof columns_of_result[0], columns_of_result};

json_t *test_swap_json(const struct test_swap *swap) {
    json_t *root = json_object();
    for (int k = 0; k < SWAPS; k++) {
        const unsigned outputs = k == SWAP_OWN ? OF_EACH : OF_EACH | OF_OTHERS;
        if (json_object_set_new(root, names[k],
                                nas_columns_json(&result_columns, outputs, &swap->with[k])) != 0) {
            json_decref(root);
            return NULL;
        }
    }
    return root;
}

void test_swap_put(FILE *out, const struct test_report *report) {
    struct nas_csv_line line = {.out = out};
    nas_csv_text(&line, "task");
    for (int k = 0; k < SWAPS; k++) {
        nas_csv_text(&line, names[k]);
    }
    nas_csv_end(&line);
    for (int64_t i = 0; i < report->evaluation.tasks; i++) {
        nas_csv_int(&line, i);
        for (int k = 0; k < SWAPS; k++) {
            nas_csv_real(&line, report->swap.with[k].accuracy[i]);
        }
        nas_csv_end(&line);
    }
}

void test_swap_print(const struct test_report *report) {
    const struct test_swap *swap = &report->swap;
    if (report->genotypes.n == 1) {
        printf("  swap         all tasks have one cell: there is nothing to swap\n");
        return;
    }
    printf("  swap         every task with a cell that is fixed before its first step:\n");
    for (int k = 0; k < SWAPS; k++) {
        const struct swap_result *r = &swap->with[k];
        char half[32], difference[32];
        printf("    %-15s %.2f%%%s", titles[k], 100 * r->accuracy_mean,
               nas_text_interval(100 * r->accuracy_ci95, 2, "%", half, sizeof half));
        if (k != SWAP_OWN) {
            printf(", own %+.2f%s points (in pairs, p = %.2g)", 100 * r->own_minus,
                   nas_text_interval(100 * r->own_minus_ci95, 2, "", difference, sizeof difference),
                   r->p);
        }
        putchar('\n');
    }
}
