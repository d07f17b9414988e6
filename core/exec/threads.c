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

/* What threads work on: the tasks next..end-1, or those at these places of a list that grows while
 * they do. */
struct round {
    const struct mn_where *where;
    struct mn_ctx *caller;
    nas_task_fn task;
    void *data;
    int64_t next, end;
    int listed, open; /* there is a list; more may be added to it */
    /* of a list: what has finished, and how much of that was taken */
    int64_t n_finished, taken;
    /* without: the failure with the lowest index, after which no task is begun */
    int64_t failed;
    int status;
    char message[NAS_MESSAGE];
};

struct nas_threads {
    int n;
    struct thread *all;
    pthread_mutex_t lock;
    pthread_cond_t begin, done;
    int stop;
    uint64_t rounds; /* so far */
    int busy;        /* threads still at this one */
    struct round round;
    int64_t room;
    int64_t *list;                 /* [room] */
    struct nas_finished *finished; /* [room] */
};

static void work(struct thread *t) {
    struct nas_threads *p = t->pool;
    struct round *r = &p->round;
    struct mn_ctx *ctx = &t->ctx.pub;
    const char *message = t->ctx.message;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        while (r->open && r->next == r->end) {
            pthread_cond_wait(&p->begin, &p->lock);
        }
        const int ends = r->next >= r->end || r->status != MN_OK;
        const int64_t index = ends ? -1 : r->listed ? p->list[r->next] : r->next;
        r->next += !ends;
        pthread_mutex_unlock(&p->lock);
        if (ends) {
            return;
        }
        const double begin = nas_now();
        const size_t mark = nas_arena_mark(&t->ctx.scratch);
        nas_ctx_clear(ctx);
        t->ctx.log_level = nas_ctx_of(r->caller)->log_level;
        ctx->where = *r->where;
        ctx->where.task = index;
        const int status = mn_cancelled(ctx) ? mn_fail(ctx, MN_CANCELLED, "stopped by the user")
                                             : r->task(r->data, ctx, index);
        nas_arena_release(&t->ctx.scratch, mark);
        pthread_mutex_lock(&p->lock);
        if (r->listed) {
            p->finished[r->n_finished++] = (struct nas_finished){
                index, status, nas_now() - begin, status != MN_OK ? strdup(message) : NULL};
        } else if (status != MN_OK && (r->status == MN_OK || index < r->failed)) {
            r->failed = index;
            r->status = status;
            memcpy(r->message, message, sizeof r->message);
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
        while (!p->stop && p->rounds == seen) {
            pthread_cond_wait(&p->begin, &p->lock);
        }
        if (p->stop) {
            break;
        }
        seen = p->rounds;
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
    free(p->finished);
    free(p->all);
    free(p);
}

int nas_threads_count(const struct nas_threads *threads) {
    return threads->n;
}

/* Let all threads but the calling one begin the round that was set up. With the lock held. */
static void wake(struct nas_threads *p) {
    p->busy = p->n - !p->all[0].running;
    p->rounds++;
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
    p->round = (struct round){
        .where = where, .caller = ctx, .task = task, .data = data, .next = first, .end = end};
    if (!alone) {
        wake(p);
    }
    pthread_mutex_unlock(&p->lock);
    if (alone || !p->all[0].running) {
        work(&p->all[0]);
    }
    wait_for_all(p);
    return p->round.status != MN_OK ? mn_fail(ctx, p->round.status, "%s", p->round.message) : MN_OK;
}

/* ---- lists of tasks that grow -------------------------------------------------------------- */

int nas_threads_open(struct nas_threads *p, struct mn_ctx *ctx, const struct mn_where *where,
                     int64_t most, nas_task_fn task, void *data) {
    if (most > p->room) {
        int64_t *list = reallocarray(p->list, (size_t)most, sizeof *list);
        p->list = list != NULL ? list : p->list;
        struct nas_finished *finished = reallocarray(p->finished, (size_t)most, sizeof *finished);
        p->finished = finished != NULL ? finished : p->finished;
        if (list == NULL || finished == NULL) {
            return mn_fail(ctx, MN_NOMEM, "no memory for a list of %lld tasks", (long long)most);
        }
        p->room = most;
    }
    pthread_mutex_lock(&p->lock);
    p->round = (struct round){
        .where = where, .caller = ctx, .task = task, .data = data, .listed = 1, .open = 1};
    wake(p);
    pthread_mutex_unlock(&p->lock);
    return MN_OK;
}

void nas_threads_add(struct nas_threads *p, int64_t index) {
    pthread_mutex_lock(&p->lock);
    p->list[p->round.end++] = index;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
}

int nas_threads_take(struct nas_threads *p, struct nas_finished *out) {
    pthread_mutex_lock(&p->lock);
    const int some = p->round.taken < p->round.n_finished;
    if (some) {
        *out = p->finished[p->round.taken++];
    }
    pthread_mutex_unlock(&p->lock);
    return some;
}

void nas_threads_close(struct nas_threads *p) {
    struct nas_finished left;
    pthread_mutex_lock(&p->lock);
    p->round.open = 0;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
    wait_for_all(p);
    while (nas_threads_take(p, &left)) {
        free(left.message);
    }
}
