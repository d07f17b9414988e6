/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_EXECUTOR_H
#define MN__RUN_EXECUTOR_H

/* Who works on the tasks of a run: threads of this process, or of several processes (run/ranks.h).
 * A task reads the state and leaves its result in a slot of its own; whoever asked reads the slots
 * in task order, so no bit depends on who worked on which task. */

#include "run/experiment.h"

struct mn__state;
struct mn__job;

/* What is done with every task of a job. */
struct mn__job_kind {
    const char *name;
    /* Bytes that a task leaves. */
    size_t (*slot_bytes)(const struct mn__job *job);
    /* Work on a task; cx->where.task = index. `slot` is 64-byte aligned and not cleared. [worker]
     */
    int (*run)(const struct mn__job *job, struct mn_cx *cx, int64_t index, void *slot);
    /* job->what as bytes in `arena`, and back, for another process; both NULL where it has none. */
    int (*pack)(const struct mn__job *job, struct mn_cx *cx, struct mn__arena *arena,
                const void **bytes, size_t *n);
    int (*unpack)(struct mn__job *job, struct mn_cx *cx, struct mn__arena *arena, const void *bytes,
                  size_t n);
    void (*drop)(struct mn__job *job); /* release what `unpack` has opened; NULL = nothing */
};

struct mn__job {
    const struct mn__job_kind *kind;
    const struct mn__experiment *e;
    const struct mn__state *state; /* what every task starts from */
    const void *what;              /* more of it, as the kind says */
    int64_t first, n;              /* tasks first..n-1; first > 0 only where they are ordered */
    int ordered;                   /* one after the other, in this process: a task may read the
                                      slot before its own */
    char *slots;                   /* [n][mn__job_stride] */
    void (*finished)(void *data, int64_t n); /* n tasks are done; one call at a time; or NULL */
    void *finished_data;
};

/* Bytes from slot to slot, and slot i. */
size_t mn__job_stride(const struct mn__job *job);
void *mn__job_slot(const struct mn__job *job, int64_t i);
/* Room for the slots of a job. MN_NOMEM. */
int mn__job_allocate(struct mn__job *job, struct mn_cx *cx, struct mn__arena *arena);

/* What went between this process and others since the executor was made. */
struct mn__traffic {
    int ranks, threads;          /* processes; threads of all of them */
    int64_t bytes_out, bytes_in; /* of this process */
    double communication;        /* seconds that this process spent moving them */
    double busy;                 /* seconds that all threads spent on tasks, added up */
};

/* First field of an executor; what follows is its own. */
struct mn__executor {
    int (*run)(struct mn__executor *executor, struct mn_cx *cx, const struct mn_where *where,
               const struct mn__job *job);
    void (*traffic)(const struct mn__executor *executor, struct mn__traffic *out); /* may be NULL */
    void (*free)(struct mn__executor *executor);
};

/* The executor of an experiment: the ranks of cx where it has some and the configuration agrees,
 * else run.workers threads. */
int mn__executor_new(struct mn_cx *cx, const struct mn__experiment *experiment,
                     struct mn__executor **out);
/* `threads` threads of this process. */
int mn__executor_threads(struct mn_cx *cx, const struct mn_model *model, int threads,
                         struct mn__executor **out);
void mn__executor_free(struct mn__executor *executor);

/* Run all tasks of a job. cx->where is a copy of `where` with the task's number. The failure of the
 * lowest task number is returned and its message copied to `cx`; after a failure no new task is
 * begun. [main] */
int mn__executor_run(struct mn__executor *executor, struct mn_cx *cx, const struct mn_where *where,
                     const struct mn__job *job);

/* Zero for threads of this process. */
struct mn__traffic mn__executor_traffic(const struct mn__executor *executor);

#endif
