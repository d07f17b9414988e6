/* SPDX-License-Identifier: MIT */
#ifndef METANAS_SWEEP_WORKERS_H
#define METANAS_SWEEP_WORKERS_H

/* Runs of a sweep that are worked on at the same time, each in a process of its own, or one after
 * the other in this one. */

#include "sweep.h"

#include <poll.h>

struct sweep_worker;

struct sweep_workers {
    const struct sweep_job *job;
    int64_t most;            /* at once; 1 = in this process */
    int64_t n;               /* now */
    int stopped;             /* they were asked to */
    struct sweep_worker *at; /* [most] */
    struct pollfd *events;   /* [most], room for poll */
};

/* Room for `most` of them, in job->arena. */
int sweep_workers_new(struct mn_ctx *ctx, struct sweep_job *job, int64_t most,
                      struct sweep_workers *out);
/* Begin a run where there are fewer than `most`. */
int sweep_workers_start(struct mn_ctx *ctx, struct sweep_workers *workers, int64_t run);
/* Wait for the end of one of n > 0. What they print comes out line by line, with the name of the
 * run in front. Returns the status of the run, *run, with its message. Where this process is asked
 * to stop, they are. */
int sweep_workers_wait(struct mn_ctx *ctx, struct sweep_workers *workers, int64_t *run);
/* Ask all to stop; each still has its end. */
void sweep_workers_stop(struct sweep_workers *workers);

#endif
