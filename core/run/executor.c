/* SPDX-License-Identifier: MIT */
#include "run/executor.h"

#include "run/ranks.h"
#include "run/workers.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- jobs --------------------------------------------------------------------------------- */

size_t mn__job_stride(const struct mn__job *job) {
    return (job->kind->slot_bytes(job) + 63) / 64 * 64;
}

void *mn__job_slot(const struct mn__job *job, int64_t i) {
    return job->slots + (size_t)i * mn__job_stride(job);
}

int mn__job_allocate(struct mn__job *job, struct mn_cx *cx, struct mn__arena *arena) {
    job->slots = mn__arena_array(arena, (size_t)job->n, mn__job_stride(job));
    return job->slots != NULL ? MN_OK
                              : mn_fail(cx, MN_NOMEM, "no memory for %" PRId64 " tasks", job->n);
}

/* ---- threads of this process -------------------------------------------------------------- */

struct threads {
    struct mn__executor pub;
    struct mn__workers *workers;
    pthread_mutex_t lock; /* of `finished` */
    const struct mn__job *job;
    int64_t finished;
};

static int work(void *data, struct mn_cx *cx, int64_t number) {
    struct threads *t = data;
    const struct mn__job *job = t->job;
    const int64_t index = job->first + number;
    cx->where.task = index;
    const int status = job->kind->run(job, cx, index, mn__job_slot(job, index));
    if (status == MN_OK && job->finished != NULL) {
        pthread_mutex_lock(&t->lock);
        job->finished(job->finished_data, ++t->finished);
        pthread_mutex_unlock(&t->lock);
    }
    return status;
}

static int run_threads(struct mn__executor *executor, struct mn_cx *cx,
                       const struct mn_where *where, const struct mn__job *job) {
    struct threads *t = (struct threads *)executor;
    t->job = job;
    t->finished = 0;
    return mn__workers_run(t->workers, cx, where, job->n - job->first, job->ordered, work, t);
}

static void free_threads(struct mn__executor *executor) {
    struct threads *t = (struct threads *)executor;
    mn__workers_free(t->workers);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

int mn__executor_threads(struct mn_cx *cx, const struct mn_model *model, int threads,
                         struct mn__executor **out) {
    struct threads *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return mn_fail(cx, MN_NOMEM, "no memory for an executor");
    }
    t->pub = (struct mn__executor){.run = run_threads, .free = free_threads};
    pthread_mutex_init(&t->lock, NULL);
    const int status = mn__workers_new(cx, threads, model, &t->workers);
    if (status != MN_OK) {
        free_threads(&t->pub);
        return status;
    }
    *out = &t->pub;
    return MN_OK;
}

/* ---- any ---------------------------------------------------------------------------------- */

int mn__executor_new(struct mn_cx *cx, const struct mn__experiment *e, struct mn__executor **out) {
    const char *name = e->run.executor;
    const int threads = strcmp(name, "threads") == 0;
    if (mn__cx_of(cx)->ranks != NULL && !threads) {
        return mn__ranks_executor(cx, e, out);
    }
    if (!threads && strcmp(name, "auto") != 0) {
        return mn_fail(cx, MN_CONFIG,
                       "run.executor: %s: this run was not connected through it: that is decided "
                       "at start, from the configuration that was named and --set",
                       name);
    }
    return mn__executor_threads(cx, e->model, mn__experiment_workers(e), out);
}

void mn__executor_free(struct mn__executor *executor) {
    if (executor != NULL) {
        executor->free(executor);
    }
}

int mn__executor_run(struct mn__executor *executor, struct mn_cx *cx, const struct mn_where *where,
                     const struct mn__job *job) {
    return executor->run(executor, cx, where, job);
}

struct mn__traffic mn__executor_traffic(const struct mn__executor *executor) {
    struct mn__traffic traffic = {0};
    if (executor->traffic != NULL) {
        executor->traffic(executor, &traffic);
    }
    return traffic;
}
