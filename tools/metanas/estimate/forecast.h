/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_FORECAST_H
#define NAS_LEARN_FORECAST_H

/* What meta-training will take: time, found by a rehearsal on this machine, and memory. */

#include "learn/experiment.h"

/* Bytes. */
struct memory_forecast {
    int workers;
    int64_t resident;   /* program and what of the data set is open, now; 0 = not known */
    int64_t workspaces; /* activations of all workers */
    int64_t tasks;      /* weights, gradients, optimiser state and images of the tasks */
    int64_t peak;       /* the sum */
};

struct time_forecast {
    int64_t steps;   /* that were timed */
    int64_t warm_up; /* first meta-epoch in which the architecture adapts; 0 = there is no warm-up,
                        or it never adapts */
    double step[2];  /* seconds a task step, of all workers together, during and after it */
    double meta_epoch[2]; /* seconds a meta-epoch; equal where there is no warm-up */
    double validation;    /* seconds a validation of evaluation.validation_tasks; 0 = not known */
    double run;           /* seconds of all meta-epochs and validations */
};

/* Peak resident memory of meta-training with this configuration. The data set counts as far as it
 * is open. */
void forecast_memory(const struct nas_experiment *experiment, struct memory_forecast *out);

/* Spend about `seconds` on task steps. Later in a run candidates fall under the threshold and are
 * skipped, so times after the warm-up are upper bounds. All zero where the task learner does not
 * say how many steps a task has. Failures are those of a first meta-epoch: MN_NUMERIC, MN_NOMEM,
 * MN_CANCELLED and what plugins give back. */
int forecast_time(const struct nas_experiment *experiment, struct mn_ctx *ctx, double seconds,
                  struct time_forecast *out);

#endif
