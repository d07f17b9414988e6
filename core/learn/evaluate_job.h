/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_EVALUATE_JOB_H
#define NAS_LEARN_EVALUATE_JOB_H

/* The tasks of an evaluation as a job: Algorithm 3 on each. job->what is the plan. */

#include "learn/evaluate.h"

extern const struct nas_job_kind nas_evaluate_job;

/* What a task leaves in its slot. */
struct nas_evaluate_result {
    struct nas_task_result *result;       /* without the genotype */
    struct nas_task_result *intermediate; /* [plan.n_steps] */
    uint8_t *keep;                        /* [n_choices]: what pruning left */
    char *message;                        /* [NAS_MESSAGE] why it is left out; NULL where none is */
};
struct nas_evaluate_result nas_evaluate_result(const struct nas_job *job, int64_t i);

#endif
