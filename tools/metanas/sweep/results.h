/* SPDX-License-Identifier: MIT */
#ifndef METANAS_SWEEP_RESULTS_H
#define METANAS_SWEEP_RESULTS_H

/* What the finished runs of a sweep show. */

#include "sweep.h"

#include "store/records.h"

/* What runs and arms are compared by; the difference is that of the accuracy to the first arm's. */
enum { SWEEP_ACCURACY, SWEEP_BEFORE, SWEEP_GAP, SWEEP_DIFFERENCE, SWEEP_MEASURES };

/* So few values are shown themselves, in place of an interval that they cannot tell. */
enum { SWEEP_FEW = 3 };

/* A mean with the half width of its 95% interval. */
struct sweep_mean {
    int64_t n;             /* values it is a mean of */
    double mean, ci95;     /* NAN for n = 0, and ci95 for n = 1 */
    double few[SWEEP_FEW]; /* [n], the values, where n is so small */
};

/* A run: how far it is, and what its test has written where it is done. */
struct sweep_result {
    struct sweep_status now;                 /* with the record of the test */
    double *values[SWEEP_DIFFERENCE];        /* [tasks] each */
    struct sweep_mean means[SWEEP_MEASURES]; /* over tasks; of the difference to the run of the
                                                first arm with its seed, n = 0 where one of them is
                                                not finished or their tasks differ */
    double seconds;                          /* of training, NAN = not known */
};

/* An arm: the means over its finished seeds, over the tasks of the run where there is only one. */
struct sweep_arm {
    int64_t n_done, n_failed; /* seeds */
    struct sweep_mean means[SWEEP_MEASURES];
    const char *interval_over, *pairs_over; /* "seeds", "tasks"; "" = there are none */
    struct nas_record test;                 /* the columns NAS_IN_ARMS, as means */
    double seconds;
};

struct sweep_results {
    const struct sweep_job *job;
    struct sweep_result *runs; /* [job->n_runs] */
    struct sweep_arm *arms;    /* [sweep.n_arms] */
    struct nas_arena arena;
};

/* test.c: the mean of n values, and of the differences b - a. */
struct sweep_mean sweep_mean_of(int64_t n, const double *x);
int sweep_mean_of_difference(struct mn_ctx *ctx, int64_t n, const double *a, const double *b,
                             struct sweep_mean *out);
/* Fill in what test-tasks.csv, which lies at `path`, says of a run whose record is there; arrays in
 * arena. MN_IO where they do not fit each other. */
int sweep_take_tasks(struct mn_ctx *ctx, struct nas_arena *arena, const char *path,
                     const struct nas_csv *tasks, struct sweep_result *out);

/* gather.c: the means of all arms from the runs that were gathered. */
int sweep_summarise(struct mn_ctx *ctx, struct sweep_results *results);

#endif
