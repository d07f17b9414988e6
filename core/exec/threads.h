/* SPDX-License-Identifier: MIT */
#ifndef NAS_EXEC_THREADS_H
#define NAS_EXEC_THREADS_H

/* A pool of threads over the tasks of a meta-batch. */

#include "network/model.h"

struct nas_workers;

/* `n` workers, each with its own context and workspace. n = 1 runs in the calling thread. */
int nas_workers_new(struct mn_ctx *ctx, int n, const struct mn_model *model,
                    struct nas_workers **out);
void nas_workers_free(struct nas_workers *workers);
int nas_workers_count(const struct nas_workers *workers);

/* Run job(data, ctx, index) for index 0..n-1, each once, on any worker, in any order; returns when
 * all are done. ctx->where is a copy of `where` with task = index. The first failure by index is
 * returned and its message copied to `ctx`; after a failure no new index is started. ordered = 1:
 * one after the other in order. */
typedef int (*nas_job_fn)(void *data, struct mn_ctx *ctx, int64_t index);
int nas_workers_run(struct nas_workers *workers, struct mn_ctx *ctx, const struct mn_where *where,
                    int64_t n, int ordered, nas_job_fn job, void *data);

/* ---- lists of tasks that grow -------------------------------------------------------------- */

/* The same, but every worker has a thread of its own: the calling thread does other things while
 * they work. */
int nas_workers_new_apart(struct mn_ctx *ctx, int n, const struct mn_model *model,
                          struct nas_workers **out);

/* Begin a list of at most `most` tasks, all for job(data, ctx, index) at `where`; both must last
 * until the list is closed. MN_NOMEM. Then add tasks, and take what is finished, from one thread.
 * Tasks begin in the order in which they were added, whatever became of those before. */
int nas_workers_open(struct nas_workers *workers, struct mn_ctx *ctx, const struct mn_where *where,
                     int64_t most, nas_job_fn job, void *data);
void nas_workers_add(struct nas_workers *workers, int64_t index);

struct nas_finished {
    int64_t index;
    int status;
    double seconds;
    char *message; /* of a failure, or NULL; for free */
};
/* 1 = a task has finished and is in *out, 0 = none since. Does not wait. */
int nas_workers_take(struct nas_workers *workers, struct nas_finished *out);
/* Waits for the tasks that were added; those not taken are forgotten. */
void nas_workers_close(struct nas_workers *workers);

#endif
