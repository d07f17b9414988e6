/* SPDX-License-Identifier: MIT */
#ifndef KIT_TRACE_H
#define KIT_TRACE_H

/* A task of two steps of plain descent on the model of toy.h, with the factors and the shape that a
 * meta learner gives updates, recorded as the host records it for meta learners that differentiate
 * through the task. The loss is a parabola, so its second derivatives are constants and the way
 * back is exact. */

#include "toy.h"

enum { TRACE_STEPS = 2 };

struct trace {
    struct toy toy; /* first: the services find it in mock.data */
    struct trace_at {
        mn_real w[TOY_W], a[TOY_A];
    } points[TRACE_STEPS + 1], factors[TRACE_STEPS];
    int open;                             /* mn_trace_* may be called */
    int64_t back;                         /* steps that mn_trace_back has not taken yet */
    mn_real *own;                         /* what mn_own_delta gives; NULL = none */
    const struct mn_meta_learner *shaper; /* whose shape updates have; NULL = x + u */
    const void *self;                     /* its instance */
};

/* As toy_install, and the services of traces. */
void trace_install(struct trace *trace, struct mock *mock, int64_t n_a);

/* Run the task from `meta`. The factors of all steps are to be set before; `shape` may fail. */
int trace_run(struct trace *trace, const struct mn_point *meta);

#endif
