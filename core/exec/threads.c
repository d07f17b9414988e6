/* SPDX-License-Identifier: MIT */
#include "exec/threads.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct worker {
    struct nas_workers *pool;
    struct nas_ctx ctx;
    pthread_t thread;
    int running;
};

struct nas_workers {
    int n;
    struct worker *workers;
    pthread_mutex_t lock;
    pthread_cond_t begin, done;
    int stop;
    uint64_t round; /* counts calls of run */
    int busy;       /* workers still at this round */
    /* the round's work */
    const struct mn_where *where;
    struct mn_ctx *caller;
    int64_t next, total; /* total is -1 where tasks are added one by one */
    int64_t failed;      /* lowest index that failed, total = none */
    int status;
    char message[NAS_MESSAGE];
    nas_job_fn job;
    void *data;
    /* where its tasks are added one by one */
    int open;                  /* more may come */
    int64_t *list;             /* [room] */
    struct nas_finished *over; /* [room] */
    int64_t room, added, n_over, taken;
};

static int64_t take(struct nas_workers *p) {
    int64_t index = -1;
    pthread_mutex_lock(&p->lock);
    while (p->open && p->next == p->added) {
        pthread_cond_wait(&p->begin, &p->lock);
    }
    if (p->total < 0) {
        index = p->next < p->added ? p->list[p->next++] : -1;
    } else if (p->failed == p->total && p->next < p->total) {
        index = p->next++;
    }
    pthread_mutex_unlock(&p->lock);
    return index;
}

static void report(struct nas_workers *p, int64_t index, int status, double seconds,
                   const char *message) {
    pthread_mutex_lock(&p->lock);
    if (p->total < 0) {
        p->over[p->n_over++] =
            (struct nas_finished){index, status, seconds, status != MN_OK ? strdup(message) : NULL};
    } else if (status != MN_OK && index < p->failed) {
        p->failed = index;
        p->status = status;
        memcpy(p->message, message, sizeof p->message);
    }
    pthread_mutex_unlock(&p->lock);
}

/* What the caller's context says of the run, on a worker's own context. */
static void enter(struct worker *w, int64_t index) {
    const struct nas_ctx *from = nas_ctx_of(w->pool->caller);
    w->ctx.pub.where = *w->pool->where;
    w->ctx.pub.where.task = index;
    w->ctx.quiet = from->quiet;
    w->ctx.prescribed = from->prescribed;
    w->ctx.inner = NULL; /* a task that failed may have left it */
    w->ctx.own = NULL;
    w->ctx.on_step = from->on_step;
    w->ctx.on_step_data = from->on_step_data;
    nas_ctx_clear(&w->ctx.pub);
}

static void work(struct worker *w) {
    struct nas_workers *p = w->pool;
    int64_t index;
    while ((index = take(p)) >= 0) {
        enter(w, index);
        const double begin = nas_now();
        const size_t mark = nas_arena_mark(&w->ctx.scratch);
        int status = MN_OK;
        if (mn_cancelled(&w->ctx.pub)) {
            status = mn_fail(&w->ctx.pub, MN_CANCELLED, "stopped by the user");
        } else {
            status = p->job(p->data, &w->ctx.pub, index);
        }
        nas_arena_release(&w->ctx.scratch, mark);
        report(p, index, status, nas_now() - begin, w->ctx.message);
    }
}

static void *thread_main(void *data) {
    struct worker *w = data;
    struct nas_workers *p = w->pool;
    uint64_t seen = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && p->round == seen) {
            pthread_cond_wait(&p->begin, &p->lock);
        }
        if (p->stop) {
            break;
        }
        seen = p->round;
        pthread_mutex_unlock(&p->lock);
        work(w);
        pthread_mutex_lock(&p->lock);
        if (--p->busy == 0) {
            pthread_cond_signal(&p->done);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static int start(struct nas_workers *p, struct mn_ctx *ctx, int i, const struct mn_model *model,
                 int apart) {
    struct worker *w = &p->workers[i];
    w->pool = p;
    nas_ctx_init(&w->ctx, ctx->host);
    const int status = nas_workspace_new(ctx, model, &w->ctx.workspace);
    if (status != MN_OK) {
        return status;
    }
    if (i > 0 || apart) { /* otherwise the first one is the calling thread */
        const int error = pthread_create(&w->thread, NULL, thread_main, w);
        if (error == 0) {
            w->running = 1;
        } else if (i == 0) {
            return mn_fail(ctx, MN_NOMEM, "cannot start a thread: %s", strerror(error));
        } else {
            /* No result depends on their number. The one that has none yet stays unused. */
            mn_log(ctx, MN_LOG_WARN,
                   "only %d of %d workers could be started: %s (ulimit -u, -v, or a limit of the "
                   "container); the run is slower, its results are the same",
                   i, p->n, strerror(error));
            nas_workspace_free(w->ctx.workspace);
            nas_ctx_fini(&w->ctx);
            p->n = i;
        }
    }
    return MN_OK;
}

static int make(struct mn_ctx *ctx, int n, const struct mn_model *model, int apart,
                struct nas_workers **out) {
    struct nas_workers *p = calloc(1, sizeof *p);
    struct worker *list = calloc((size_t)n, sizeof *list);
    if (p == NULL || list == NULL) {
        free(p);
        free(list);
        return mn_fail(ctx, MN_NOMEM, "no memory for %d workers", n);
    }
    p->n = n;
    p->workers = list;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->begin, NULL);
    pthread_cond_init(&p->done, NULL);
    int status = nas_gemm_reserve(ctx, apart ? n + 1 : n);
    for (int i = 0; status == MN_OK && i < p->n; i++) {
        status = start(p, ctx, i, model, apart);
    }
    if (status != MN_OK) {
        nas_workers_free(p);
        return status;
    }
    *out = p;
    return MN_OK;
}

int nas_workers_new(struct mn_ctx *ctx, int n, const struct mn_model *model,
                    struct nas_workers **out) {
    return make(ctx, n, model, 0, out);
}

int nas_workers_new_apart(struct mn_ctx *ctx, int n, const struct mn_model *model,
                          struct nas_workers **out) {
    return make(ctx, n, model, 1, out);
}

void nas_workers_free(struct nas_workers *p) {
    if (p == NULL) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->stop = 1;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n; i++) {
        if (p->workers[i].running) {
            pthread_join(p->workers[i].thread, NULL);
        }
        nas_workspace_free(p->workers[i].ctx.workspace);
        nas_ctx_fini(&p->workers[i].ctx);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->begin);
    pthread_cond_destroy(&p->done);
    free(p->list);
    free(p->over);
    free(p->workers);
    free(p);
}

int nas_workers_count(const struct nas_workers *workers) {
    return workers->n;
}

static void begin_round(struct nas_workers *p, struct mn_ctx *ctx, const struct mn_where *where,
                        int64_t total, nas_job_fn job, void *data) {
    p->where = where;
    p->caller = ctx;
    p->next = 0;
    p->total = p->failed = total;
    p->status = MN_OK;
    p->job = job;
    p->data = data;
}

static void wake(struct nas_workers *p) {
    p->busy = p->n - !p->workers[0].running;
    p->round++;
    pthread_cond_broadcast(&p->begin);
}

static void wait_for_all(struct nas_workers *p) {
    pthread_mutex_lock(&p->lock);
    while (p->busy > 0) {
        pthread_cond_wait(&p->done, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}

int nas_workers_run(struct nas_workers *p, struct mn_ctx *ctx, const struct mn_where *where,
                    int64_t n, int ordered, nas_job_fn job, void *data) {
    const int alone = ordered || p->n == 1;
    pthread_mutex_lock(&p->lock);
    begin_round(p, ctx, where, n, job, data);
    if (!alone) {
        wake(p);
    }
    pthread_mutex_unlock(&p->lock);
    if (alone || !p->workers[0].running) {
        work(&p->workers[0]);
    }
    wait_for_all(p);
    return p->status != MN_OK ? mn_fail(ctx, p->status, "%s", p->message) : MN_OK;
}

/* ---- lists of tasks that grow -------------------------------------------------------------- */

static int grow(struct nas_workers *p, struct mn_ctx *ctx, int64_t most) {
    if (most <= p->room) {
        return MN_OK;
    }
    int64_t *list = reallocarray(p->list, (size_t)most, sizeof *list);
    p->list = list != NULL ? list : p->list;
    struct nas_finished *over = reallocarray(p->over, (size_t)most, sizeof *over);
    p->over = over != NULL ? over : p->over;
    if (list == NULL || over == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a list of %lld tasks", (long long)most);
    }
    p->room = most;
    return MN_OK;
}

int nas_workers_open(struct nas_workers *p, struct mn_ctx *ctx, const struct mn_where *where,
                     int64_t most, nas_job_fn job, void *data) {
    const int status = grow(p, ctx, most);
    if (status != MN_OK) {
        return status;
    }
    pthread_mutex_lock(&p->lock);
    begin_round(p, ctx, where, -1, job, data);
    p->added = p->n_over = p->taken = 0;
    p->open = 1;
    wake(p);
    pthread_mutex_unlock(&p->lock);
    return MN_OK;
}

void nas_workers_add(struct nas_workers *p, int64_t index) {
    pthread_mutex_lock(&p->lock);
    p->list[p->added++] = index;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
}

int nas_workers_take(struct nas_workers *p, struct nas_finished *out) {
    pthread_mutex_lock(&p->lock);
    const int some = p->taken < p->n_over;
    if (some) {
        *out = p->over[p->taken++];
    }
    pthread_mutex_unlock(&p->lock);
    return some;
}

void nas_workers_close(struct nas_workers *p) {
    struct nas_finished left;
    pthread_mutex_lock(&p->lock);
    p->open = 0;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
    wait_for_all(p);
    while (nas_workers_take(p, &left)) {
        free(left.message);
    }
}
