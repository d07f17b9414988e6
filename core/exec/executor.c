/* SPDX-License-Identifier: MIT */
#include "exec/executor.h"

#include "exec/threads.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

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

struct local {
    struct nas_executor pub;
    struct nas_threads *threads;
    pthread_mutex_t lock; /* of `finished` */
    const struct nas_job *job;
    int64_t finished;
};

static int work(void *data, struct mn_ctx *ctx, int64_t index) {
    struct local *l = data;
    const struct nas_job *job = l->job;
    TRY(job->kind->run(job, ctx, index, nas_job_slot(job, index)));
    if (job->finished != NULL) {
        pthread_mutex_lock(&l->lock);
        job->finished(job->finished_data, ++l->finished);
        pthread_mutex_unlock(&l->lock);
    }
    return MN_OK;
}

static int run_local(struct nas_executor *executor, struct mn_ctx *ctx,
                     const struct mn_where *where, const struct nas_job *job) {
    struct local *l = (struct local *)executor;
    l->job = job;
    l->finished = 0;
    return nas_threads_run(l->threads, ctx, where, job->first, job->n, job->ordered, work, l);
}

static void free_local(struct nas_executor *executor) {
    struct local *l = (struct local *)executor;
    nas_threads_free(l->threads);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

int nas_executor_threads(struct mn_ctx *ctx, const struct mn_model *model, int threads,
                         struct nas_executor **out) {
    struct local *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for an executor");
    }
    l->pub = (struct nas_executor){.run = run_local, .free = free_local};
    pthread_mutex_init(&l->lock, NULL);
    const int status = nas_threads_new(ctx, threads, model, &l->threads);
    if (status != MN_OK) {
        free_local(&l->pub);
        return status;
    }
    *out = &l->pub;
    return MN_OK;
}

/* ---- any ---------------------------------------------------------------------------------- */

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
