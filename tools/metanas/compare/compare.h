/* SPDX-License-Identifier: MIT */
#ifndef METANAS_COMPARE_H
#define METANAS_COMPARE_H

/* metanas compare: the tests of several runs, task by task (docs/guide.md). */

#include "../command.h"

#include "learn/config_diff.h"
#include "learn/evaluate.h"

#include <jansson.h>

/* A run with the result of a test. */
struct tested_run {
    const char *name;               /* as it is called on the command line */
    const char *folder;             /* of the run */
    const char *result, *tasks_at;  /* test.json and test-tasks.csv, or those of another test */
    const char *config_at, *config; /* its resolved configuration, path and text; NULL = unknown */
    const char *sets;               /* the --set of the test, with spaces between them */
    int64_t seed;                   /* of meta-training */
    struct nas_record test;
    struct nas_task_result *tasks; /* [test.tasks], in the order of their fingerprints */
    int arm;
};

/* Runs that differ in the seed alone, in the order of it. */
struct tested_arm {
    const char *name;
    int n;
    const struct tested_run **runs; /* [n] */
};

/* Two runs on the tasks that both were tested on. Differences are first less second. */
struct run_pair {
    const struct tested_run *first, *second;
    int64_t tasks, alone; /* pairs; tasks of either without partner */
    double *differences;  /* [tasks] */
    double difference, ci95, p;
    double parameters;
    int64_t won, tied, lost; /* tasks */
};

/* So few values are shown themselves, in place of an interval that they cannot tell. */
enum { COMPARE_FEW = 3 };

/* Two arms, over the seeds of their pairs; over the tasks where there is one pair only. */
struct comparison {
    const struct tested_arm *first, *second;
    const char *run, *against; /* their names */
    const char *over;          /* "tasks", "seeds" */
    int64_t n_pairs, tasks;    /* of all pairs together */
    struct run_pair *pairs;
    double difference, ci95; /* NAN where they cannot be told, as p */
    double p, p_holm;
    int64_t won, tied, lost;
    double sign_p, sign_holm; /* over tasks only */
    double parameters;
    int64_t tasks_alone, seeds_alone;
    const char *verdict;                /* "better", "worse", "undecided", "few seeds" */
    struct nas_config_diff config_diff; /* the first one, .there of `first`; key "" = none known */
};

struct compared {
    struct nas_arena arena;
    const struct texts *operands; /* of the command line */
    int n_runs, n_arms, n;
    struct tested_run *runs;  /* [n_runs], as given */
    struct tested_arm *arms;  /* [n_arms], in the order of their first runs */
    struct comparison *items; /* [n] */
    int tested;               /* by this command */
    int seeds_apart;          /* every run is an arm, although some differ in the seed alone */
};

/* gather.c: read the result of a run, a folder or a file that 'metanas test --out' wrote; in a
 * folder the one called `file`. MN_IO where there is none, with the command that makes it. All is
 * in all->arena. */
int compare_read(struct mn_ctx *ctx, struct compared *all, const char *operand, const char *file,
                 struct tested_run *out);
/* Sort the runs into arms; into arms of one run each where `apart`, or where there is only one. */
int compare_make_arms(struct mn_ctx *ctx, struct compared *all, int apart);
/* Fill in the difference of the configurations. */
int compare_config(struct mn_ctx *ctx, struct compared *all, struct comparison *comparison);

/* pairs.c: compare arm a with arm b, and correct the p-values of all. MN_CONFIG with advice where
 * two runs have no task in common. */
int compare_arms(struct mn_ctx *ctx, struct compared *all, const struct tested_arm *a,
                 const struct tested_arm *b, struct comparison *out);
int compare_finish(struct mn_ctx *ctx, struct compared *all);

/* advice.c: what to do where a run has no result, or two have none of the same tasks; both fail. */
int compare_missing(struct mn_ctx *ctx, const struct compared *all, const struct tested_run *run,
                    const char *path);
int compare_mismatch(struct mn_ctx *ctx, const struct compared *all, const struct tested_run *a,
                     const struct tested_run *b);

/* print.c: for people. */
int compare_print(struct mn_ctx *ctx, struct compared *all);
/* write.c: for machines. The figure's SVG stands in figure.c. */
json_t *compare_json(const struct compared *all);
void compare_csv(const struct compared *all, FILE *out);
int compare_figure(struct mn_ctx *ctx, struct compared *all, FILE *out);

#endif
