/* SPDX-License-Identifier: MIT */
#ifndef KIT_TASK_LEARNER_H
#define KIT_TASK_LEARNER_H

/* A task of the model of toy.h under a task learner. */

#include "fixture.h"
#include "toy.h"

enum { TASK_STEPS = 3 };

/* The parameters and optimiser state of one task. */
struct task_run {
    struct mn_point params;
    mn_real *state;
    int64_t n_state;
};

/* Random parameters, zero state. */
struct task_run task_run_new(struct kit_fixture *fixture, uint64_t seed);
int task_adapt(struct kit_fixture *fixture, struct task_run *run);

/* cases_adjoint.c: a way back through a task, where the learner has one. Returns a status. */
int task_exercise_adjoint(struct kit_fixture *fixture, uint64_t seed, uint64_t *digest);
void task_case_rates(const struct kit *kit);
void task_case_shape(const struct kit *kit);
void task_case_adjoint(const struct kit *kit);
void task_case_first_order(const struct kit *kit);

#endif
