/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_TEACHER_H
#define NAS_LEARN_TEACHER_H

/* The network as a task started, whose predictions are the targets of its steps where the loss
 * wants them (enum mn_teacher). */

#include "learn/task.h"

/* Keep the point that the task starts from, where the loss has a teacher or the head makes its own
 * start, in ctx's scratch. */
int nas_teacher_start(struct nas_scope *scope, struct mn_ctx *ctx, const struct mn_point *start);

/* Service of struct mn_host: nas_service_model_pass, with the teacher's targets in the steps of a
 * task. The teacher's pass has the statistics of the same images, progress 0 and no noise. */
int nas_service_taught_pass(struct mn_ctx *ctx, const struct mn_model *model,
                            const struct mn_point *at, const struct mn_set *batch,
                            const struct mn_pass *pass, struct mn_outcome *out);

#endif
