/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_REHEARSE_H
#define MN__RUN_REHEARSE_H

/* How long a task step takes on this machine, found by doing some. Nothing of a run changes. */

#include "run/metatrain.h"
#include "run/workers.h"

/* A task of the shape that cx->where's split asks for, of random images, in cx's scratch: for times
 * that do not depend on what the images show. */
int mn__rehearse_task(const struct mn__experiment *experiment, struct mn_cx *cx,
                      struct mn_task *out);

struct mn__pace {
    int64_t steps; /* that were timed, after the first of each worker */
    double step;   /* wall-clock seconds divided by the steps of all workers; 0 = none was timed */
};

/* Adapt tasks as at `where` from `state`, on the first `lanes` workers at the same time, until
 * about `seconds` have passed, but at least two steps each. Tasks come from the data set where it
 * is open, otherwise from mn__rehearse_task. A task learner that reports no steps gives a pace of
 * 0. Failures are those of mn__adapt. */
int mn__rehearse(const struct mn__experiment *experiment, struct mn_cx *cx,
                 struct mn__workers *workers, int lanes, const struct mn_where *where,
                 const struct mn__state *state, double seconds, struct mn__pace *out);

#endif
