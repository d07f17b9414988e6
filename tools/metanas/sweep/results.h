/* SPDX-License-Identifier: MIT */
#ifndef METANAS_SWEEP_RESULTS_H
#define METANAS_SWEEP_RESULTS_H

/* What the finished runs of a sweep show. */

#include "sweep.h"

#include "store/csv.h"

#include <jansson.h>

/* So few values are shown themselves, in place of an interval that they cannot tell. */
enum { SWEEP_FEW = 3 };

/* A mean with the half width of its 95% interval; n = values it is a mean of, 0 = none. */
struct sweep_mean {
    int64_t n;
    double mean, ci95;     /* ci95 is NAN for n = 1 */
    double few[SWEEP_FEW]; /* [n], the values, where n is so small */
};

/* A run: how far it is, and what its test has written where it is done. */
struct sweep_result {
    enum sweep_progress progress;
    int64_t meta_epoch, meta_epochs, tasks, ways, shots, queries, parameters_min, parameters_max;
    double *accuracy, *before;                         /* [tasks] */
    struct sweep_mean accuracy_mean, before_mean, gap; /* over tasks */
    struct sweep_mean difference; /* to the run of the first arm with its seed, over tasks; n = 0
                                     where one of them is not finished or their tasks differ */
    double parameters;
    double seconds; /* of training, NAN = not known */
    char episodes[32], batch_norm[32];
};

/* An arm: the means over its finished seeds, over the tasks of the run where there is only one. */
struct sweep_arm {
    int n_done, n_failed; /* seeds */
    struct sweep_mean accuracy, before, gap;
    struct sweep_mean difference;     /* of the accuracy to that of the first arm, over pairs */
    int over_seeds, pairs_over_seeds; /* 0 = over tasks */
    double parameters, seconds;
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
/* What test.json and test-tasks.csv, which lies at `path`, say of a run; arrays in arena. MN_IO
 * where they do not fit each other. */
int sweep_take_test(struct mn_ctx *ctx, struct nas_arena *arena, const json_t *test,
                    const char *path, const struct nas_csv *tasks, struct sweep_result *out);

/* gather.c: the means of all arms from the runs that were gathered. */
int sweep_summarise(struct mn_ctx *ctx, struct sweep_results *results);

#endif
