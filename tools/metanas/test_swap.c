/* SPDX-License-Identifier: MIT */
#include "progress.h"
#include "test_run.h"

#include "base/stats.h"
#include "base/text.h"
#include "store/csv.h"

#include <inttypes.h>
#include <string.h>

static const char *const names[SWAPS] = {"own", "other", "frequent"};
static const char *const titles[SWAPS] = {"own cell", "another task's", "most frequent"};

void test_swap_fini(struct test_swap *swap) {
    for (int k = 0; k < SWAPS; k++) {
        nas_evaluation_fini(&swap->by[k]);
    }
}

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

static int compare(struct mn_ctx *ctx, const struct nas_evaluation *own,
                   const struct nas_evaluation *other, struct swap_difference *out) {
    CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx);
    double *x = mn_scratch(ctx, ((size_t)own->tasks + 1) * sizeof *x);
    if (x == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; i < own->tasks; i++) {
        x[i] = own->results[i].score.accuracy - other->results[i].score.accuracy;
    }
    out->ci95 = nas_ci95(own->tasks, x, &out->mean);
    out->p = nas_t_test(own->tasks, x);
    return MN_OK;
}

int test_swap(struct mn_ctx *ctx, struct test_report *report, struct nas_executor *executor,
              const struct nas_state *state, const struct nas_evaluation_plan *what) {
    const struct nas_evaluation *v = &report->evaluation;
    const size_t n = v->n_choices;
    if (report->genotypes.n == 0) {
        return mn_fail(ctx, MN_CONFIG,
                       "test: --swap: %s searches no architecture, so there is none to swap",
                       report->experiment->search_space.label);
    }
    for (int k = 0; k < SWAPS; k++) {
        CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
        struct nas_evaluation_plan fixed = *what;
        uint8_t *keeps = nas_arena_array(&arena, (size_t)v->tasks * n, 1);
        if (keeps == NULL) {
            return no_memory(ctx);
        }
        for (int64_t i = 0; i < v->tasks; i++) {
            memcpy(keeps + (size_t)i * n, v->keeps + (size_t)donor(report, (enum swap)k, i) * n, n);
        }
        fixed.keeps = keeps;
        fixed.n_steps = 0;
        fixed.both_norms = 0;
        progress_begin(what->finished_data, titles[k], 0, what->tasks,
                       nas_ctx_of(ctx)->log_level < MN_LOG_INFO);
        const int evaluated = nas_evaluate_plan(report->experiment, executor, ctx, state, &fixed,
                                                &report->swap.by[k]);
        progress_end(what->finished_data);
        TRY(evaluated);
        TRY(compare(ctx, &report->swap.by[SWAP_OWN], &report->swap.by[k], &report->swap.minus[k]));
    }
    report->swap.done = 1;
    return MN_OK;
}

/* ---- what it says ------------------------------------------------------------------------- */

static json_t *real(double x) {
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *test_swap_json(const struct test_swap *swap) {
    json_t *root = json_object();
    for (int k = 0; k < SWAPS; k++) {
        const struct nas_record *r = &swap->by[k].record;
        const struct swap_difference *d = &swap->minus[k];
        json_t *one =
            json_pack("{s:o, s:o, s:o}", "accuracy_mean", real(r->accuracy_mean), "accuracy_ci95",
                      real(r->accuracy_ci95), "parameters_mean", real(r->parameters_mean));
        if (k != SWAP_OWN) {
            json_object_update_new(one,
                                   json_pack("{s:o, s:o, s:o}", "own_minus", real(d->mean),
                                             "own_minus_ci95", real(d->ci95), "p", real(d->p)));
        }
        json_object_set_new(root, names[k], one);
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
            nas_csv_real(&line, report->swap.by[k].results[i].score.accuracy);
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
        const struct nas_record *r = &swap->by[k].record;
        const struct swap_difference *d = &swap->minus[k];
        char half[32], difference[32];
        printf("    %-15s %.2f%%%s", titles[k], 100 * r->accuracy_mean,
               nas_text_interval(100 * r->accuracy_ci95, 2, "%", half, sizeof half));
        if (k != SWAP_OWN) {
            printf(", own %+.2f%s points (in pairs, p = %.2g)", 100 * d->mean,
                   nas_text_interval(100 * d->ci95, 2, "", difference, sizeof difference), d->p);
        }
        putchar('\n');
    }
}
