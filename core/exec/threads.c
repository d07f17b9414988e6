/* SPDX-License-Identifier: MIT */
#include "exec/threads.h"

#include "backend/backend.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct thread {
    struct nas_threads *pool;
    struct nas_ctx ctx;
    pthread_t id;
    int running; /* otherwise the calling thread stands in for it */
};

struct nas_threads {
    int n;
    struct thread *all;
    pthread_mutex_t lock;
    pthread_cond_t begin, done;
    int stop;
    uint64_t round; /* counts calls of run and open */
    int busy;       /* threads still at this round */
    /* the round's work */
    const struct mn_where *where;
    struct mn_ctx *caller;
    nas_task_fn task;
    void *data;
    int64_t next, end; /* end is -1 where tasks are added one by one */
    int64_t failed;    /* lowest index that failed, `end` = none */
    int status;
    char message[NAS_MESSAGE];
    /* where its tasks are added one by one */
    int open;                  /* more may come */
    int64_t *list;             /* [room] */
    struct nas_finished *over; /* [room] */
    int64_t room, added, n_over, taken;
};

static void work(struct thread *t) {
    struct nas_threads *p = t->pool;
    struct mn_ctx *ctx = &t->ctx.pub;
    const char *message = t->ctx.message;
    for (;;) {
        int64_t index = -1;
        pthread_mutex_lock(&p->lock);
        while (p->open && p->next == p->added) {
            pthread_cond_wait(&p->begin, &p->lock);
        }
        if (p->end < 0) {
            index = p->next < p->added ? p->list[p->next++] : -1;
        } else if (p->failed == p->end && p->next < p->end) {
            index = p->next++;
        }
        pthread_mutex_unlock(&p->lock);
        if (index < 0) {
            return;
        }
        const double begin = nas_now();
        const size_t mark = nas_arena_mark(&t->ctx.scratch);
        nas_ctx_clear(ctx);
        t->ctx.log_level = nas_ctx_of(p->caller)->log_level;
        ctx->where = *p->where;
        ctx->where.task = index;
        const int status = mn_cancelled(ctx) ? mn_fail(ctx, MN_CANCELLED, "stopped by the user")
                                             : p->task(p->data, ctx, index);
        nas_arena_release(&t->ctx.scratch, mark);
        pthread_mutex_lock(&p->lock);
        if (p->end < 0) {
            p->over[p->n_over++] = (struct nas_finished){index, status, nas_now() - begin,
                                                         status != MN_OK ? strdup(message) : NULL};
        } else if (status != MN_OK && index < p->failed) {
            p->failed = index;
            p->status = status;
            memcpy(p->message, message, sizeof p->message);
        }
        pthread_mutex_unlock(&p->lock);
    }
}

static void *thread_main(void *data) {
    struct thread *t = data;
    struct nas_threads *p = t->pool;
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
        work(t);
        pthread_mutex_lock(&p->lock);
        if (--p->busy == 0) {
            pthread_cond_signal(&p->done);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void forget(struct thread *t) {
    nas_workspace_free(t->ctx.workspace);
    nas_ctx_fini(&t->ctx);
}

static int start(struct nas_threads *p, struct mn_ctx *ctx, int i, const struct mn_model *model,
                 int apart) {
    struct thread *t = &p->all[i];
    t->pool = p;
    nas_ctx_init(&t->ctx, ctx->host);
    TRY(nas_workspace_new(ctx, model, &t->ctx.workspace));
    if (i == 0 && !apart) {
        return MN_OK;
    }
    const int error = pthread_create(&t->id, NULL, thread_main, t);
    t->running = error == 0;
    if (error != 0 && i == 0) {
        return mn_fail(ctx, MN_NOMEM, "cannot start a thread: %s", strerror(error));
    }
    if (error != 0) { /* no result depends on their number */
        mn_log(ctx, MN_LOG_WARN,
               "only %d of %d workers could be started: %s (ulimit -u, -v, or a limit of the "
               "container); the run is slower, its results are the same",
               i, p->n, strerror(error));
        forget(t);
        p->n = i;
    }
    return MN_OK;
}

static int make(struct mn_ctx *ctx, int n, const struct mn_model *model, int apart,
                struct nas_threads **out) {
    struct nas_threads *p = calloc(1, sizeof *p);
    struct thread *all = calloc((size_t)n, sizeof *all);
    if (p == NULL || all == NULL) {
        free(p);
        free(all);
        return mn_fail(ctx, MN_NOMEM, "no memory for %d workers", n);
    }
    p->n = n;
    p->all = all;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->begin, NULL);
    pthread_cond_init(&p->done, NULL);
    int status = nas_workspace_reserve(ctx, model, apart ? n + 1 : n);
    for (int i = 0; status == MN_OK && i < p->n; i++) {
        status = start(p, ctx, i, model, apart);
    }
    if (status != MN_OK) {
        nas_threads_free(p);
        return status;
    }
    *out = p;
    return MN_OK;
}

int nas_threads_new(struct mn_ctx *ctx, int n, const struct mn_model *model,
                    struct nas_threads **out) {
    return make(ctx, n, model, 0, out);
}

int nas_threads_new_apart(struct mn_ctx *ctx, int n, const struct mn_model *model,
                          struct nas_threads **out) {
    return make(ctx, n, model, 1, out);
}

void nas_threads_free(struct nas_threads *p) {
    if (p == NULL) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->stop = 1;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n; i++) {
        if (p->all[i].running) {
            pthread_join(p->all[i].id, NULL);
        }
        forget(&p->all[i]);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->begin);
    pthread_cond_destroy(&p->done);
    free(p->list);
    free(p->over);
    free(p->all);
    free(p);
}

int nas_threads_count(const struct nas_threads *threads) {
    return threads->n;
}

/* With the lock held. */
static void begin_round(struct nas_threads *p, struct mn_ctx *ctx, const struct mn_where *where,
                        int64_t first, int64_t end, nas_task_fn task, void *data) {
    p->where = where;
    p->caller = ctx;
    p->next = first;
    p->end = p->failed = end;
    p->status = MN_OK;
    p->task = task;
    p->data = data;
}

static void wake(struct nas_threads *p) {
    p->busy = p->n - !p->all[0].running;
    p->round++;
    pthread_cond_broadcast(&p->begin);
}

static void wait_for_all(struct nas_threads *p) {
    pthread_mutex_lock(&p->lock);
    while (p->busy > 0) {
        pthread_cond_wait(&p->done, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}

int nas_threads_run(struct nas_threads *p, struct mn_ctx *ctx, const struct mn_where *where,
                    int64_t first, int64_t end, int ordered, nas_task_fn task, void *data) {
    const int alone = ordered || p->n == 1;
    pthread_mutex_lock(&p->lock);
    begin_round(p, ctx, where, first, end, task, data);
    if (!alone) {
        wake(p);
    }
    pthread_mutex_unlock(&p->lock);
    if (alone || !p->all[0].running) {
        work(&p->all[0]);
    }
    wait_for_all(p);
    return p->status != MN_OK ? mn_fail(ctx, p->status, "%s", p->message) : MN_OK;
}

/* ---- lists of tasks that grow -------------------------------------------------------------- */

int nas_threads_open(struct nas_threads *p, struct mn_ctx *ctx, const struct mn_where *where,
                     int64_t most, nas_task_fn task, void *data) {
    if (most > p->room) {
        int64_t *list = reallocarray(p->list, (size_t)most, sizeof *list);
        p->list = list != NULL ? list : p->list;
        struct nas_finished *over = reallocarray(p->over, (size_t)most, sizeof *over);
        p->over = over != NULL ? over : p->over;
        if (list == NULL || over == NULL) {
            return mn_fail(ctx, MN_NOMEM, "no memory for a list of %lld tasks", (long long)most);
        }
        p->room = most;
    }
    pthread_mutex_lock(&p->lock);
    begin_round(p, ctx, where, 0, -1, task, data);
    p->added = p->n_over = p->taken = 0;
    p->open = 1;
    wake(p);
    pthread_mutex_unlock(&p->lock);
    return MN_OK;
}

void nas_threads_add(struct nas_threads *p, int64_t index) {
    pthread_mutex_lock(&p->lock);
    p->list[p->added++] = index;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
}

int nas_threads_take(struct nas_threads *p, struct nas_finished *out) {
    pthread_mutex_lock(&p->lock);
    const int some = p->taken < p->n_over;
    if (some) {
        *out = p->over[p->taken++];
    }
    pthread_mutex_unlock(&p->lock);
    return some;
}

void nas_threads_close(struct nas_threads *p) {
    struct nas_finished left;
    pthread_mutex_lock(&p->lock);
    p->open = 0;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
    wait_for_all(p);
    while (nas_threads_take(p, &left)) {
        free(left.message);
    }
}
