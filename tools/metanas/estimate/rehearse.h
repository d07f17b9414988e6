/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_REHEARSE_H
#define NAS_LEARN_REHEARSE_H

/* How long a task step takes on this machine, found by doing some. Nothing of a run changes. */

#include "exec/threads.h"
#include "learn/state.h"

/* A task of the shape that ctx->where's split asks for, of random images, in ctx's scratch: for
 * times that do not depend on what the images show. */
int rehearse_task(const struct nas_experiment *experiment, struct mn_ctx *ctx, struct mn_task *out);

struct pace {
    int64_t steps; /* that were timed, after the first of each worker */
    double step;   /* wall-clock seconds divided by the steps of all workers; 0 = none was timed */
};

/* Adapt tasks as at `where` from `state`, on the first `lanes` workers at the same time, until
 * about `seconds` have passed, but at least two steps each. Tasks come from the data set where it
 * is open, otherwise from rehearse_task. A task learner that reports no steps gives a pace of
 * 0. Failures are those of nas_adapt. */
int rehearse(const struct nas_experiment *experiment, struct mn_ctx *ctx,
             struct nas_threads *threads, int lanes, const struct mn_where *where,
             const struct nas_state *state, double seconds, struct pace *out);

#endif
