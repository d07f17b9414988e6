/* SPDX-License-Identifier: MIT */
#ifndef METANAS_TEST_RUN_H
#define METANAS_TEST_RUN_H

/* Meta-testing a saved state, and the files that it leaves in the run directory: test.json,
 * test-tasks.csv and test-steps.csv (docs/guide.md). */

#include "command.h"
#include "genotypes.h"

#include "learn/evaluate.h"
#include "learn/state.h"

/* Of the command 'test', which others run as well. */
struct test_flags {
    int64_t tasks;      /* 0 = as configured */
    int32_t split;      /* enum mn_split, -1 = not given */
    int32_t batch_norm; /* enum nas_batch_norm, -1 = not given */
    const char *episodes, *state, *steps, *out;
    bool accept_changes, json, swap;
    bool mute; /* no flag: print nothing */
};

struct test_plan {
    const char *state;      /* file */
    const char *state_name; /* as the user named it: "last", "best" or the file */
    struct nas_evaluation_plan what;
    const char *out;          /* the file in place of test.json of the run directory, or NULL */
    const struct texts *sets; /* --set of the command line; NULL = none */
    int accept_changes;       /* test on other data than those of meta-training */
    int swap;                 /* the tasks with the cells of others, too */
    int json;                 /* print test.json instead of a summary */
    int mute;                 /* print nothing */
};

/* What an own architecture is worth: every task anew, with a network that is fixed before its first
 * step. */
enum swap { SWAP_OWN, SWAP_OTHER, SWAP_FREQUENT, SWAPS };
struct test_swap {
    int done; /* the rest is valid */
    struct swap_result {
        double accuracy_mean, accuracy_ci95, parameters_mean;
        double own_minus, own_minus_ci95, p; /* of own minus this one, in pairs */
        const double *accuracy;              /* [tasks] */
    } with[SWAPS]; /* the cell that the task found; that of the next task with another one; the most
                      frequent one */
    struct nas_arena arena;
};

/* A finished test. */
struct test_report {
    const struct nas_experiment *experiment;
    const struct test_plan *plan;
    struct nas_evaluation evaluation;
    struct genotypes genotypes;
    struct test_swap swap;
};

/* Load the state, evaluate, write the files to the run directory `dir`, print: also where they
 * cannot be written, which stays the result. */
int test_run(struct mn_ctx *ctx, struct nas_experiment *experiment, const char *dir,
             const struct test_plan *plan);

/* test_swap.c: run the tasks of a plan, whose finished_data is a struct progress, again on the
 * state that report->evaluation was made from. */
int test_swap(struct mn_ctx *ctx, struct test_report *report, struct nas_executor *executor,
              const struct nas_state *state, const struct nas_evaluation_plan *what);
/* As "swap" of test.json; NULL = no memory. A table of the tasks; the summary. */
json_t *test_swap_json(const struct test_swap *swap);
void test_swap_put(FILE *out, const struct test_report *report);
void test_swap_print(const struct test_report *report);

/* test_files.c */
int test_write(struct mn_ctx *ctx, const struct test_report *report, const char *dir);
/* The summary for people, which says where it was written; and test.json. */
void test_print(const struct test_report *report, const char *dir, int written);
void test_print_json(struct mn_ctx *ctx, const struct test_report *report);

#endif
