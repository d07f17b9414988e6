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
    bool accept_changes, json;
    bool mute; /* no flag: print nothing */
};

struct test_plan {
    const char *state;      /* file */
    const char *state_name; /* as the user named it: "last", "best" or the file */
    struct nas_evaluation_plan what;
    const char *out;          /* the file in place of test.json of the run directory, or NULL */
    const struct texts *sets; /* --set of the command line; NULL = none */
    int accept_changes;       /* test on other data than those of meta-training */
    int json;                 /* print test.json instead of a summary */
    int mute;                 /* print nothing */
};

/* A finished test. */
struct test_report {
    const struct nas_experiment *experiment;
    const struct test_plan *plan;
    struct nas_evaluation evaluation;
    struct genotypes genotypes;
};

/* Load the state, evaluate, write the files to the run directory `dir`, print: also where they
 * cannot be written, which stays the result. */
int test_run(struct mn_ctx *ctx, struct nas_experiment *experiment, const char *dir,
             const struct test_plan *plan);

/* test_files.c */
int test_write(struct mn_ctx *ctx, const struct test_report *report, const char *dir);
/* The summary for people, which says where it was written; and test.json. */
void test_print(const struct test_report *report, const char *dir, int written);
void test_print_json(struct mn_ctx *ctx, const struct test_report *report);

#endif
