/* SPDX-License-Identifier: MIT */
#include "exec/executor.h"

#include "exec/cluster/cluster.h"
#include "exec/threads.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- jobs --------------------------------------------------------------------------------- */

size_t nas_job_stride(const struct nas_job *job) {
    return (job->kind->slot_bytes(job) + 63) / 64 * 64;
}

void *nas_job_slot(const struct nas_job *job, int64_t i) {
    return job->slots + (size_t)i * nas_job_stride(job);
}

int nas_job_allocate(struct nas_job *job, struct mn_ctx *ctx, struct nas_arena *arena) {
    job->slots = nas_arena_array(arena, (size_t)job->n, nas_job_stride(job));
    return job->slots != NULL ? MN_OK
                              : mn_fail(ctx, MN_NOMEM, "no memory for %" PRId64 " tasks", job->n);
}

/* ---- threads of this process -------------------------------------------------------------- */

struct threads {
    struct nas_executor pub;
    struct nas_workers *workers;
    pthread_mutex_t lock; /* of `finished` */
    const struct nas_job *job;
    int64_t finished;
};

static int work(void *data, struct mn_ctx *ctx, int64_t number) {
    struct threads *t = data;
    const struct nas_job *job = t->job;
    const int64_t index = job->first + number;
    ctx->where.task = index;
    const int status = job->kind->run(job, ctx, index, nas_job_slot(job, index));
    if (status == MN_OK && job->finished != NULL) {
        pthread_mutex_lock(&t->lock);
        job->finished(job->finished_data, ++t->finished);
        pthread_mutex_unlock(&t->lock);
    }
    return status;
}

static int run_threads(struct nas_executor *executor, struct mn_ctx *ctx,
                       const struct mn_where *where, const struct nas_job *job) {
    struct threads *t = (struct threads *)executor;
    t->job = job;
    t->finished = 0;
    return nas_workers_run(t->workers, ctx, where, job->n - job->first, job->ordered, work, t);
}

static void free_threads(struct nas_executor *executor) {
    struct threads *t = (struct threads *)executor;
    nas_workers_free(t->workers);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

int nas_executor_threads(struct mn_ctx *ctx, const struct mn_model *model, int threads,
                         struct nas_executor **out) {
    struct threads *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for an executor");
    }
    t->pub = (struct nas_executor){.run = run_threads, .free = free_threads};
    pthread_mutex_init(&t->lock, NULL);
    const int status = nas_workers_new(ctx, threads, model, &t->workers);
    if (status != MN_OK) {
        free_threads(&t->pub);
        return status;
    }
    *out = &t->pub;
    return MN_OK;
}

/* ---- any ---------------------------------------------------------------------------------- */

int nas_executor_new(struct mn_ctx *ctx, const struct nas_experiment *e,
                     struct nas_executor **out) {
    const char *name = e->run.transport;
    const int alone = strcmp(name, "none") == 0;
    if (nas_ctx_of(ctx)->ranks != NULL && !alone) {
        return nas_ranks_executor(ctx, e, out);
    }
    if (!alone && strcmp(name, "auto") != 0) {
        return mn_fail(ctx, MN_CONFIG,
                       "run.transport: %s: this run was not connected through it: that is decided "
                       "at start, from the configuration that was named and --set",
                       name);
    }
    return nas_executor_threads(ctx, e->model, nas_experiment_workers(e), out);
}

void nas_executor_free(struct nas_executor *executor) {
    if (executor != NULL) {
        executor->free(executor);
    }
}

int nas_executor_run(struct nas_executor *executor, struct mn_ctx *ctx,
                     const struct mn_where *where, const struct nas_job *job) {
    return executor->run(executor, ctx, where, job);
}

struct nas_traffic nas_executor_traffic(const struct nas_executor *executor) {
    struct nas_traffic traffic = {0};
    if (executor->traffic != NULL) {
        executor->traffic(executor, &traffic);
    }
    return traffic;
}
