/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_TRAIN_JOB_H
#define NAS_LEARN_TRAIN_JOB_H

/* The tasks of a meta-batch as a job: Algorithm 2, lines 5-12, on each, from the meta point of the
 * state. job->what is an int: whether a task whose numbers are not finite is left out; NULL = as
 * run.on_nan says. */

#include "exec/executor.h"
#include "learn/adapt.h"
#include "learn/state.h"

extern const struct nas_job_kind nas_train_job;

/* Whether a line of metrics.jsonl ends with a meta-epoch: then its tasks also predict their query
 * sets once they are adapted, and what units report is kept. */
int nas_train_job_looks(const struct nas_experiment *experiment, int64_t meta_epoch);

struct nas_task_step {
    double loss, accuracy;
};

/* What a task of meta-training tells. */
struct nas_task_outcome {
    int64_t n_steps;            /* that it did */
    struct nas_task_step last;  /* of these */
    double skip_share;          /* of the last one */
    struct nas_task_step query; /* after them, where nas_train_job_looks */
    struct nas_metrics metrics; /* of the units, there too */
    int64_t failed;             /* its numbers were not finite; `message` says which */
    char message[NAS_MESSAGE];
};

/* The slot of a task. */
struct nas_task_slot {
    struct nas_task_outcome *outcome;
    int64_t n_steps;             /* that are kept, the first ones */
    struct nas_task_step *steps; /* [n_steps] */
    struct nas_direction direction;
    mn_real *learner; /* [n_state] optimiser state after it */
};
struct nas_task_slot nas_task_slot(const struct nas_job *job, int64_t i);

#endif
