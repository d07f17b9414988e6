/* SPDX-License-Identifier: MIT */
#ifndef NAS_EXEC_EXECUTOR_H
#define NAS_EXEC_EXECUTOR_H

/* Who works on the tasks of a job: threads of this process (exec/threads.h), or those of several
 * processes (exec/cluster). What a task is, the caller says in a table of functions; nothing here
 * knows. A task reads memory that all have in common and leaves its result in a slot of its own;
 * whoever asked reads the slots in task order, so no bit depends on who worked on which task. */

#include "base/arena.h"
#include "base/ctx.h"
#include "metanas/model.h"

struct nas_job;
/* Of the caller: passed on, never looked into. */
struct nas_experiment;
struct nas_state;

/* Memory that every task of a job reads. Rank 0 sends it to the others before the tasks. */
struct nas_job_part {
    void *at;
    int64_t bytes;
};
enum { NAS_MOST_PARTS = 35 };

/* What is done with every task of a job. */
struct nas_job_kind {
    const char *name;
    /* Bytes that a task leaves. */
    size_t (*slot_bytes)(const struct nas_job *job);
    /* Work on a task; ctx->where.task = index. `slot` is 64-byte aligned and not cleared. [worker]
     */
    int (*run)(const struct nas_job *job, struct mn_ctx *ctx, int64_t index, void *slot);
    /* What tasks start from, the same parts in every process: out[NAS_MOST_PARTS]. Returns how
     * many. */
    int (*parts)(const struct nas_job *job, struct nas_job_part *out);
    /* job->what as bytes in `arena`, and back, for another process; both NULL where it has none. */
    int (*pack)(const struct nas_job *job, struct mn_ctx *ctx, struct nas_arena *arena,
                const void **bytes, size_t *n);
    int (*unpack)(struct nas_job *job, struct mn_ctx *ctx, struct nas_arena *arena,
                  const void *bytes, size_t n);
    void (*drop)(struct nas_job *job); /* release what `unpack` has opened; NULL = nothing */
};

struct nas_job {
    const struct nas_job_kind *kind;
    const struct nas_experiment *e;
    const struct nas_state *state; /* what every task starts from */
    const void *what;              /* more of it, as the kind says */
    int64_t first, n;              /* tasks first..n-1; first > 0 only where they are ordered */
    int ordered;                   /* one after the other, in this process: a task may read the
                                      slot before its own */
    char *slots;                   /* [n][nas_job_stride] */
    void (*finished)(void *data, int64_t n); /* n tasks are done; one call at a time; or NULL */
    void *finished_data;
};

/* Bytes from slot to slot, and slot i. */
size_t nas_job_stride(const struct nas_job *job);
void *nas_job_slot(const struct nas_job *job, int64_t i);
/* Room for the slots of a job. MN_NOMEM. */
int nas_job_allocate(struct nas_job *job, struct mn_ctx *ctx, struct nas_arena *arena);

/* What went between this process and others since the executor was made. */
struct nas_traffic {
    int ranks, threads;          /* processes; threads of all of them */
    int64_t bytes_out, bytes_in; /* of this process */
    double communication;        /* seconds that this process spent moving them */
    double busy;                 /* seconds that all threads spent on tasks, added up */
};

/* First field of an executor; what follows is its own. */
struct nas_executor {
    /* Run all tasks of a job. ctx->where is a copy of `where` with the task's number. The failure
     * of the lowest task number is returned and its message copied to `ctx`; after a failure no new
     * task is begun. [main] */
    int (*run)(struct nas_executor *executor, struct mn_ctx *ctx, const struct mn_where *where,
               const struct nas_job *job);
    void (*traffic)(const struct nas_executor *executor, struct nas_traffic *out); /* may be NULL */
    void (*free)(struct nas_executor *executor);
};

/* `threads` threads of this process, with workspaces for the model. */
int nas_executor_threads(struct mn_ctx *ctx, const struct mn_model *model, int threads,
                         struct nas_executor **out);
void nas_executor_free(struct nas_executor *executor);
int nas_executor_run(struct nas_executor *executor, struct mn_ctx *ctx,
                     const struct mn_where *where, const struct nas_job *job);
/* Zero for threads of this process. */
struct nas_traffic nas_executor_traffic(const struct nas_executor *executor);

#endif
