/* SPDX-License-Identifier: MIT */
#ifndef NAS_EXEC_THREADS_H
#define NAS_EXEC_THREADS_H

/* A pool of threads, each with a context and a workspace of its own, over numbered tasks. */

#include "base/ctx.h"
#include "metanas/model.h"

struct nas_threads;

/* `n` threads. n = 1 runs in the calling thread. */
int nas_threads_new(struct mn_ctx *ctx, int n, const struct mn_model *model,
                    struct nas_threads **out);
void nas_threads_free(struct nas_threads *threads);
int nas_threads_count(const struct nas_threads *threads);

/* Run task(data, ctx, index) for every index first..end-1, each once, on any thread, in any order;
 * returns when all are done. ctx->where is a copy of `where` with task = index. The first failure
 * by index is returned and its message copied to `ctx`; after a failure no new index is begun.
 * ordered = 1: one after the other in order. */
typedef int (*nas_task_fn)(void *data, struct mn_ctx *ctx, int64_t index);
int nas_threads_run(struct nas_threads *threads, struct mn_ctx *ctx, const struct mn_where *where,
                    int64_t first, int64_t end, int ordered, nas_task_fn task, void *data);

/* ---- lists of tasks that grow -------------------------------------------------------------- */

/* The same, but none of them is the calling thread, which does other things while they work. */
int nas_threads_new_apart(struct mn_ctx *ctx, int n, const struct mn_model *model,
                          struct nas_threads **out);

/* Begin a list of at most `most` tasks, all for task(data, ctx, index) at `where`; both must last
 * until the list is closed. MN_NOMEM. Then add tasks, and take what is finished, from one thread.
 * Tasks begin in the order in which they were added, whatever became of those before. */
int nas_threads_open(struct nas_threads *threads, struct mn_ctx *ctx, const struct mn_where *where,
                     int64_t most, nas_task_fn task, void *data);
void nas_threads_add(struct nas_threads *threads, int64_t index);

struct nas_finished {
    int64_t index;
    int status;
    double seconds;
    char *message; /* of a failure, or NULL; for free */
};
/* 1 = a task has finished and is in *out, 0 = none since. Does not wait. */
int nas_threads_take(struct nas_threads *threads, struct nas_finished *out);
/* Waits for the tasks that were added; those not taken are forgotten. */
void nas_threads_close(struct nas_threads *threads);

#endif
