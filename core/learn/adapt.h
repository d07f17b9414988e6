/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_ADAPT_H
#define NAS_LEARN_ADAPT_H

/* One task: the task learner adapts a copy of the meta point to it, and the meta learners say which
 * direction that gives. */

#include "learn/task.h"

/* Copies of the meta point and of the optimiser state (zero where it is reset) for a task, in ctx's
 * scratch. MN_NOMEM. */
int nas_adapt_start(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                    const struct mn_point *meta, const mn_real *state, struct mn_point *params,
                    mn_real **learner);
/* The optimiser state that a task starts from: `state`, or zero where it is reset. */
void nas_moments_start(const struct nas_experiment *experiment, const mn_real *state, mn_real *out);

/* The task learner over one task, in place on params and its optimiser state. `watch` may be NULL.
 * MN_NUMERIC where it ends with a number that is not finite. */
int nas_adapt(const struct nas_experiment *experiment, struct mn_ctx *ctx,
              const struct mn_task *task, const struct nas_watch *watch, struct mn_point *params,
              mn_real *learner);

/* The direction of one task: what the meta learners' delta gives. */
struct nas_direction {
    struct mn_point to;
    mn_real *own; /* [n_own] of the meta learners' own parameters */
};
/* Room for one; 0 = no memory. */
int nas_direction_new(const struct nas_experiment *experiment, struct nas_arena *arena,
                      struct nas_direction *out);

/* The task learner over one task of meta-training, as nas_adapt, then the meta learners' direction
 * for it; what the task learner does not adapt has the direction zero. */
int nas_task_direction(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                       const struct mn_task *task, const struct nas_watch *watch,
                       const struct mn_point *meta, struct mn_point *params, mn_real *learner,
                       struct nas_direction *out);

/* The mean of n arrays of `count` reals, summed in order in double. The first pointer to one lies
 * at `rows`, the next `stride` bytes on. */
void nas_mean(int64_t n, const void *rows, size_t stride, int64_t count, mn_real *out);

/* What an update says of itself. */
struct nas_update_report {
    double norm_w, norm_a;      /* length of the mean direction */
    struct nas_metrics metrics; /* of the meta learners */
};

/* The meta learners' update from the mean of n directions, summed in order. `report` may be NULL.
 */
int nas_meta_update(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                    struct mn_point *meta, int64_t n, const struct nas_direction *directions,
                    struct nas_update_report *report);

#endif
