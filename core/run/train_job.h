/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_TRAIN_JOB_H
#define MN__RUN_TRAIN_JOB_H

/* The tasks of a meta-batch as a job: Algorithm 2 on each, from the meta point of the state. */

#include "run/executor.h"
#include "run/metatrain.h"

extern const struct mn__job_kind mn__train_job;

/* What a task of meta-training leaves in its slot. */
struct mn__train_result {
    double *last; /* [3] loss, accuracy and skip share of its last step */
    struct mn__direction direction;
    mn_real *learner; /* [n_state] optimiser state after the task */
};
struct mn__train_result mn__train_result(const struct mn__job *job, int64_t i);

#endif
