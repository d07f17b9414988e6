/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_TRAIN_JOB_H
#define MN__RUN_TRAIN_JOB_H

/* The tasks of a meta-batch as a job: Algorithm 2, lines 5-12, on each, from the meta point of the
 * state. job->what is an int: whether a task whose numbers are not finite is left out; NULL = as
 * run.on_nan says. */

#include "run/executor.h"
#include "run/metatrain.h"

extern const struct mn__job_kind mn__train_job;

struct mn__task_step {
    double loss, accuracy;
};

/* What a task of meta-training tells. */
struct mn__task_outcome {
    int64_t n_steps;           /* that it did */
    struct mn__task_step last; /* of these */
    double skip_share;         /* of the last one */
    int64_t failed;            /* its numbers were not finite; `message` says which */
    char message[MN__MESSAGE];
};

/* The slot of a task. */
struct mn__task_slot {
    struct mn__task_outcome *outcome;
    int64_t n_steps;             /* that are kept, the first ones */
    struct mn__task_step *steps; /* [n_steps] */
    struct mn__direction direction;
    mn_real *learner; /* [n_state] optimiser state after it */
};
struct mn__task_slot mn__task_slot(const struct mn__job *job, int64_t i);

#endif
