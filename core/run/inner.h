/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_INNER_H
#define MN__RUN_INNER_H

/* The inner loop on one task, as far as meta learners have a hand in it: the factors they give its
 * updates, and the trace by which they differentiate through it. */

#include "run/experiment.h"

struct mn__inner {
    const struct mn__experiment *e;
    const struct mn_task *task;
    const struct mn_point *params; /* where the task learner works */
    const mn_real *learner;
    struct mn_point rates; /* room for factors; NULL = no meta learner gives any */
    mn_real *trace;        /* [steps + 1][n_w + n_a + n_state], or NULL */
    int64_t steps, done;   /* of the trace */
    mn_real *d_state;      /* [n_state] carried back through the steps */
    int64_t next;          /* step that mn_trace_back takes next */
};

/* Put step_rates, trace_* and own_delta into the host table. Once, at start. */
void mn__inner_install(struct mn_host *host);

/* Begin a task and make it cx's; its memory is cx's scratch. `traced`: record its steps if a meta
 * learner wants them. Until mn__inner_end. */
int mn__inner_begin(struct mn__inner *inner, const struct mn__experiment *experiment,
                    struct mn_cx *cx, const struct mn_task *task, const struct mn_point *params,
                    const mn_real *learner, int traced);
void mn__inner_end(struct mn_cx *cx);

/* Note the point after step `step`, where a trace is kept. */
int mn__inner_record(struct mn__inner *inner, struct mn_cx *cx, int64_t step);

/* MN_INTERNAL where a trace is kept and steps are missing from it. */
int mn__inner_check(const struct mn__inner *inner, struct mn_cx *cx);

#endif
