/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_WORKERS_H
#define MN__RUN_WORKERS_H

/* A pool of threads over the tasks of a meta-batch. */

#include "model/model.h"

struct mn__workers;

/* `n` workers, each with its own context and workspace. n = 1 runs in the calling thread. */
int mn__workers_new(struct mn_cx *cx, int n, const struct mn_model *model,
                    struct mn__workers **out);
void mn__workers_free(struct mn__workers *workers);
int mn__workers_count(const struct mn__workers *workers);

/* Run job(data, cx, index) for index 0..n-1, each once, on any worker, in any order; returns when
 * all are done. cx->where is a copy of `where` with task = index. The first failure by index is
 * returned and its message copied to `cx`; after a failure no new index is started. ordered = 1:
 * one after the other in order. */
typedef int (*mn__job_fn)(void *data, struct mn_cx *cx, int64_t index);
int mn__workers_run(struct mn__workers *workers, struct mn_cx *cx, const struct mn_where *where,
                    int64_t n, int ordered, mn__job_fn job, void *data);

/* ---- lists of tasks that grow -------------------------------------------------------------- */

/* The same, but every worker has a thread of its own: the calling thread does other things while
 * they work. */
int mn__workers_new_apart(struct mn_cx *cx, int n, const struct mn_model *model,
                          struct mn__workers **out);

/* Begin a list of at most `most` tasks, all for job(data, cx, index) at `where`; both must last
 * until the list is closed. MN_NOMEM. Then add tasks, and take what is finished, from one thread.
 * Tasks begin in the order in which they were added, whatever became of those before. */
int mn__workers_open(struct mn__workers *workers, struct mn_cx *cx, const struct mn_where *where,
                     int64_t most, mn__job_fn job, void *data);
void mn__workers_add(struct mn__workers *workers, int64_t index);

struct mn__finished {
    int64_t index;
    int status;
    double seconds;
    char *message; /* of a failure, or NULL; for free */
};
/* 1 = a task has finished and is in *out, 0 = none since. Does not wait. */
int mn__workers_take(struct mn__workers *workers, struct mn__finished *out);
/* Waits for the tasks that were added; those not taken are forgotten. */
void mn__workers_close(struct mn__workers *workers);

#endif
