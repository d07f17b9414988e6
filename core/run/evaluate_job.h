/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_EVALUATE_JOB_H
#define MN__RUN_EVALUATE_JOB_H

/* The tasks of an evaluation as a job: Algorithm 3 on each. job->what is the plan. */

#include "run/evaluate.h"

extern const struct mn__job_kind mn__evaluate_job;

/* What a task leaves in its slot. */
struct mn__evaluate_result {
    struct mn__task_result *result; /* without the genotype */
    struct mn__task_result *looks;  /* [plan.n_steps] */
    uint8_t *keep;                  /* [n_choices]: what pruning left */
    char *message;                  /* [MN__MESSAGE] why it is left out; NULL where none is */
};
struct mn__evaluate_result mn__evaluate_result(const struct mn__job *job, int64_t i);

#endif
