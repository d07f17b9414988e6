/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_TASK_TRACE_H
#define NAS_LEARN_TASK_TRACE_H

/* The inner loop on one task, as far as meta learners have a hand in it: the factors they give its
 * updates, and the trace by which they differentiate through it. */

#include "learn/experiment.h"

struct nas_inner {
    const struct nas_experiment *e;
    const struct mn_task *task;
    const struct mn_point *params; /* where the task learner works */
    const mn_real *learner;
    struct mn_point rates; /* room for factors; NULL = no meta learner gives any */
    mn_real *trace;        /* [steps + 1][n_w + n_a + n_state], or NULL */
    int64_t steps, done;   /* of the trace */
    mn_real *d_state;      /* [n_state] carried back through the steps */
    int64_t next;          /* step that mn_trace_back takes next */
};

/* Services of struct mn_host. */
int nas_service_step_rates(struct mn_ctx *ctx, int64_t step, struct mn_point *out);
int64_t nas_service_trace_steps(struct mn_ctx *ctx);
int nas_service_trace_point(struct mn_ctx *ctx, int64_t step, struct mn_point *out);
int nas_service_trace_back(struct mn_ctx *ctx, int64_t step, struct mn_adjoint *adjoint);
mn_real *nas_service_own_delta(struct mn_ctx *ctx);

/* Begin a task and make it ctx's; its memory is ctx's scratch. `traced`: record its steps if a meta
 * learner wants them. Until nas_inner_end. */
int nas_inner_begin(struct nas_inner *inner, const struct nas_experiment *experiment,
                    struct mn_ctx *ctx, const struct mn_task *task, const struct mn_point *params,
                    const mn_real *learner, int traced);
void nas_inner_end(struct mn_ctx *ctx);

/* Note the point after step `step`, where a trace is kept. */
int nas_inner_record(struct nas_inner *inner, struct mn_ctx *ctx, int64_t step);

/* MN_INTERNAL where a trace is kept and steps are missing from it. */
int nas_inner_check(const struct nas_inner *inner, struct mn_ctx *ctx);

#endif
