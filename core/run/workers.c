/* SPDX-License-Identifier: MIT */
#include "run/workers.h"

#include "run/progress.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct worker {
    struct mn__workers *pool;
    struct mn__cx cx;
    pthread_t thread;
    int running;
};

struct mn__workers {
    int n;
    struct worker *workers;
    pthread_mutex_t lock;
    pthread_cond_t begin, done;
    int stop;
    uint64_t round; /* counts calls of run */
    int busy;       /* workers still at this round */
    /* the round's work */
    const struct mn_where *where;
    struct mn_cx *caller;
    int64_t next, total; /* total is -1 where tasks are added one by one */
    int64_t failed;      /* lowest index that failed, total = none */
    int status;
    char message[MN__MESSAGE];
    mn__job_fn job;
    void *data;
    /* where its tasks are added one by one */
    int open;                  /* more may come */
    int64_t *list;             /* [room] */
    struct mn__finished *over; /* [room] */
    int64_t room, added, n_over, taken;
};

static int64_t take(struct mn__workers *p) {
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

static void report(struct mn__workers *p, int64_t index, int status, double seconds,
                   const char *message) {
    pthread_mutex_lock(&p->lock);
    if (p->total < 0) {
        p->over[p->n_over++] =
            (struct mn__finished){index, status, seconds, status != MN_OK ? strdup(message) : NULL};
    } else if (status != MN_OK && index < p->failed) {
        p->failed = index;
        p->status = status;
        memcpy(p->message, message, sizeof p->message);
    }
    pthread_mutex_unlock(&p->lock);
}

/* What the caller's context says of the run, on a worker's own context. */
static void enter(struct worker *w, int64_t index) {
    const struct mn__cx *from = mn__cx_of(w->pool->caller);
    w->cx.pub.where = *w->pool->where;
    w->cx.pub.where.task = index;
    w->cx.quiet = from->quiet;
    w->cx.prescribed = from->prescribed;
    w->cx.inner = NULL; /* a task that failed may have left it */
    w->cx.own = NULL;
    w->cx.on_step = from->on_step;
    w->cx.on_step_data = from->on_step_data;
    mn__cx_clear(&w->cx.pub);
}

static void work(struct worker *w) {
    struct mn__workers *p = w->pool;
    int64_t index;
    while ((index = take(p)) >= 0) {
        enter(w, index);
        const double begin = mn__seconds();
        const size_t mark = mn__arena_mark(&w->cx.scratch);
        int status = MN_OK;
        if (mn_cancelled(&w->cx.pub)) {
            status = mn_fail(&w->cx.pub, MN_CANCELLED, "stopped by the user");
        } else {
            status = p->job(p->data, &w->cx.pub, index);
        }
        mn__arena_release(&w->cx.scratch, mark);
        report(p, index, status, mn__seconds() - begin, w->cx.message);
    }
}

static void *thread_main(void *data) {
    struct worker *w = data;
    struct mn__workers *p = w->pool;
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

static int start(struct mn__workers *p, struct mn_cx *cx, int i, const struct mn_model *model,
                 int apart) {
    struct worker *w = &p->workers[i];
    w->pool = p;
    mn__cx_init(&w->cx);
    const int status = mn__workspace_new(cx, model, &w->cx.workspace);
    if (status != MN_OK) {
        return status;
    }
    if (i > 0 || apart) { /* otherwise the first one is the calling thread */
        const int error = pthread_create(&w->thread, NULL, thread_main, w);
        if (error == 0) {
            w->running = 1;
        } else if (i == 0) {
            return mn_fail(cx, MN_NOMEM, "cannot start a thread: %s", strerror(error));
        } else {
            /* No result depends on their number. The one that has none yet stays unused. */
            mn_log(cx, MN_LOG_WARN,
                   "only %d of %d workers could be started: %s (ulimit -u, -v, or a limit of the "
                   "container); the run is slower, its results are the same",
                   i, p->n, strerror(error));
            mn__workspace_free(w->cx.workspace);
            mn__cx_fini(&w->cx);
            p->n = i;
        }
    }
    return MN_OK;
}

static int make(struct mn_cx *cx, int n, const struct mn_model *model, int apart,
                struct mn__workers **out) {
    struct mn__workers *p = calloc(1, sizeof *p);
    struct worker *list = calloc((size_t)n, sizeof *list);
    if (p == NULL || list == NULL) {
        free(p);
        free(list);
        return mn_fail(cx, MN_NOMEM, "no memory for %d workers", n);
    }
    p->n = n;
    p->workers = list;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->begin, NULL);
    pthread_cond_init(&p->done, NULL);
    int status = mn__gemm_reserve(cx, apart ? n + 1 : n);
    for (int i = 0; status == MN_OK && i < p->n; i++) {
        status = start(p, cx, i, model, apart);
    }
    if (status != MN_OK) {
        mn__workers_free(p);
        return status;
    }
    *out = p;
    return MN_OK;
}

int mn__workers_new(struct mn_cx *cx, int n, const struct mn_model *model,
                    struct mn__workers **out) {
    return make(cx, n, model, 0, out);
}

int mn__workers_new_apart(struct mn_cx *cx, int n, const struct mn_model *model,
                          struct mn__workers **out) {
    return make(cx, n, model, 1, out);
}

void mn__workers_free(struct mn__workers *p) {
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
        mn__workspace_free(p->workers[i].cx.workspace);
        mn__cx_fini(&p->workers[i].cx);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->begin);
    pthread_cond_destroy(&p->done);
    free(p->list);
    free(p->over);
    free(p->workers);
    free(p);
}

int mn__workers_count(const struct mn__workers *workers) {
    return workers->n;
}

static void begin_round(struct mn__workers *p, struct mn_cx *cx, const struct mn_where *where,
                        int64_t total, mn__job_fn job, void *data) {
    p->where = where;
    p->caller = cx;
    p->next = 0;
    p->total = p->failed = total;
    p->status = MN_OK;
    p->job = job;
    p->data = data;
}

static void wake(struct mn__workers *p) {
    p->busy = p->n - !p->workers[0].running;
    p->round++;
    pthread_cond_broadcast(&p->begin);
}

static void wait_for_all(struct mn__workers *p) {
    pthread_mutex_lock(&p->lock);
    while (p->busy > 0) {
        pthread_cond_wait(&p->done, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}

int mn__workers_run(struct mn__workers *p, struct mn_cx *cx, const struct mn_where *where,
                    int64_t n, int ordered, mn__job_fn job, void *data) {
    const int alone = ordered || p->n == 1;
    pthread_mutex_lock(&p->lock);
    begin_round(p, cx, where, n, job, data);
    if (!alone) {
        wake(p);
    }
    pthread_mutex_unlock(&p->lock);
    if (alone || !p->workers[0].running) {
        work(&p->workers[0]);
    }
    wait_for_all(p);
    return p->status != MN_OK ? mn_fail(cx, p->status, "%s", p->message) : MN_OK;
}

/* ---- lists of tasks that grow -------------------------------------------------------------- */

static int grow(struct mn__workers *p, struct mn_cx *cx, int64_t most) {
    if (most <= p->room) {
        return MN_OK;
    }
    int64_t *list = reallocarray(p->list, (size_t)most, sizeof *list);
    p->list = list != NULL ? list : p->list;
    struct mn__finished *over = reallocarray(p->over, (size_t)most, sizeof *over);
    p->over = over != NULL ? over : p->over;
    if (list == NULL || over == NULL) {
        return mn_fail(cx, MN_NOMEM, "no memory for a list of %lld tasks", (long long)most);
    }
    p->room = most;
    return MN_OK;
}

int mn__workers_open(struct mn__workers *p, struct mn_cx *cx, const struct mn_where *where,
                     int64_t most, mn__job_fn job, void *data) {
    const int status = grow(p, cx, most);
    if (status != MN_OK) {
        return status;
    }
    pthread_mutex_lock(&p->lock);
    begin_round(p, cx, where, -1, job, data);
    p->added = p->n_over = p->taken = 0;
    p->open = 1;
    wake(p);
    pthread_mutex_unlock(&p->lock);
    return MN_OK;
}

void mn__workers_add(struct mn__workers *p, int64_t index) {
    pthread_mutex_lock(&p->lock);
    p->list[p->added++] = index;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
}

int mn__workers_take(struct mn__workers *p, struct mn__finished *out) {
    pthread_mutex_lock(&p->lock);
    const int some = p->taken < p->n_over;
    if (some) {
        *out = p->over[p->taken++];
    }
    pthread_mutex_unlock(&p->lock);
    return some;
}

void mn__workers_close(struct mn__workers *p) {
    struct mn__finished left;
    pthread_mutex_lock(&p->lock);
    p->open = 0;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
    wait_for_all(p);
    while (mn__workers_take(p, &left)) {
        free(left.message);
    }
}
