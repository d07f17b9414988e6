/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_TASK_TRACE_H
#define NAS_LEARN_TASK_TRACE_H

/* The steps of a task, as far as meta learners have a hand in them: the factors they give its
 * updates, and the trace by which they differentiate through it. */

#include "learn/task.h"

/* Room for factors where a meta learner gives some and, for `traced`, for a trace where one wants
 * it, in ctx's scratch. The first point is recorded. */
int nas_trace_begin(struct nas_scope *scope, struct mn_ctx *ctx, int traced);
/* Record the first point again, where a trace is kept: it has changed. */
void nas_trace_start(const struct nas_scope *scope);
/* Note the point after step `step`, where a trace is kept. */
int nas_trace_record(struct nas_scope *scope, struct mn_ctx *ctx, int64_t step);
/* MN_INTERNAL where a trace is kept and steps are missing from it. */
int nas_trace_check(const struct nas_scope *scope, struct mn_ctx *ctx);

/* Services of struct mn_host. */
int nas_service_step_rates(struct mn_ctx *ctx, int64_t step, struct mn_point *out);
int64_t nas_service_trace_steps(struct mn_ctx *ctx);
int nas_service_trace_point(struct mn_ctx *ctx, int64_t step, struct mn_point *out);
int nas_service_trace_back(struct mn_ctx *ctx, int64_t step, struct mn_adjoint *adjoint);
mn_real *nas_service_own_delta(struct mn_ctx *ctx);
uint32_t nas_service_shapes(struct mn_ctx *ctx);
int nas_service_shape(struct mn_ctx *ctx, const struct mn_update *update, mn_real *after);
int nas_service_shape_back(struct mn_ctx *ctx, const struct mn_update *update, mn_real *d,
                           mn_real *d_u);

#endif
