/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNITS_LOOP_H
#define TESTS_UNITS_LOOP_H

/* A task learner and a meta learner of plugin files on the model of toy.h, with a host between them
 * that records the steps of the task. */

#include "toy.h"
#include "unit.h"

enum { LOOP_STEPS = 16, LOOP_STATE = 2 * (TOY_W + TOY_A) + 2, LOOP_OWN = 256 };

struct loop {
    struct mock mock;
    struct toy toy;
    struct unit inner, outer;
    const struct mn_task_learner *learner;
    const struct mn_meta_learner *meta_learner;
    mn_real w[TOY_W], a[TOY_A], state[LOOP_STATE]; /* where the task learner works */
    struct mn_point now;
    struct {
        mn_real w[TOY_W], a[TOY_A], state[LOOP_STATE];
    } trace[LOOP_STEPS + 1];
    int64_t steps; /* recorded */
    mn_real d_state[LOOP_STATE];
    mn_real rates_w[TOY_W], rates_a[TOY_A];
    mn_real own[LOOP_OWN]; /* for mn_own_delta */
    mn_real direction_w[TOY_W], direction_a[TOY_A];
};

/* Open both; set options of loop->inner and loop->outer, then start. The tensors are body.weight
 * (w_0 to w_2), head.weight (w_3, w_4) and alpha. */
void loop_open(struct loop *loop, const char *task_learner, const char *meta_learner);
void loop_start(struct loop *loop);
void loop_close(struct loop *loop);

/* Adapt from (w, a), with a state of zero. */
void loop_adapt(struct loop *loop, const double *w, const double *a);
/* The query loss after `done` of the steps just run. */
double loop_query_loss(const struct loop *loop, int64_t done);
/* The direction from (w, a), into direction_w, direction_a and own. */
int loop_direction(struct loop *loop, const double *w, const double *a);

#endif
