/* SPDX-License-Identifier: MIT */
/* Rank 0: gives out tasks, takes in results. */
#include "run/metatrain.h"
#include "run/progress.h"
#include "run/ranks_wire.h"
#include "run/workers.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct lead {
    struct mn__executor pub;
    struct mn__ranks *ranks;
    struct mn__workers *workers; /* of this rank */
    int threads;                 /* of all ranks */
};

/* ---- a round ------------------------------------------------------------------------------ */

struct round {
    struct lead *l;
    struct mn_cx *cx;
    const struct mn__job *job;
    int64_t given, done; /* tasks */
    int *owner;          /* [job->n] rank that a task was given to, -1 after its result */
    int64_t finished;    /* without a failure */
    int told;            /* ranks know of the cancellation */
    double cancelled;    /* when */
    double looked;       /* when silence was last looked for */
    int64_t failed;      /* lowest task number that failed, job->n = none */
    int status;
    char message[MN__MESSAGE];
};

static int work(void *data, struct mn_cx *cx, int64_t index) {
    const struct mn__job *job = ((const struct round *)data)->job;
    return job->kind->run(job, cx, index, mn__job_slot(job, index));
}

/* The same, where tasks are numbered from the first one on. */
static int work_in_order(void *data, struct mn_cx *cx, int64_t number) {
    const struct mn__job *job = ((const struct round *)data)->job;
    cx->where.task = job->first + number;
    return work(data, cx, job->first + number);
}

static int stopping(const struct round *r) {
    return r->status != MN_OK || mn__cancel_signal() != 0;
}

/* The rank with the smallest share of its threads at work that may get one more task. While there
 * are tasks for everybody each rank has one in advance, so that no thread waits for a message. */
static int next_rank(const struct round *r) {
    const struct mn__ranks *ranks = r->l->ranks;
    const int ahead = r->job->n - r->given > r->l->threads;
    int best = -1;
    for (int i = 0; i < ranks->n; i++) {
        const struct mn__rank *x = &ranks->at[i];
        if (x->given < x->threads + ahead &&
            (best < 0 || (int64_t)x->given * ranks->at[best].threads <
                             (int64_t)ranks->at[best].given * x->threads)) {
            best = i;
        }
    }
    return best;
}

static int give_out(struct round *r) {
    struct mn__ranks *ranks = r->l->ranks;
    int status = MN_OK, to;
    while (status == MN_OK && r->given < r->job->n && !stopping(r) && (to = next_rank(r)) >= 0) {
        const struct mn__head head = {.word = MN__TASK, .index = r->given};
        ranks->at[to].given++;
        r->owner[r->given] = to;
        if (to == 0) {
            mn__workers_add(r->l->workers, r->given);
        } else {
            status = mn__rank_send(ranks, r->cx, to, &head, NULL);
        }
        r->given++;
    }
    return status;
}

static void settle(struct round *r, int rank, double seconds, int64_t index, int status,
                   const char *message) {
    r->l->ranks->at[rank].given--;
    r->owner[index] = -1;
    r->l->ranks->traffic.busy += seconds;
    r->done++;
    if (status != MN_OK && index < r->failed) {
        r->failed = index;
        r->status = status;
        snprintf(r->message, sizeof r->message, "%s",
                 message != NULL ? message : "a task failed, and there was no memory to say why");
    }
    if (status == MN_OK && r->job->finished != NULL) {
        r->job->finished(r->job->finished_data, ++r->finished);
    }
}

static int take_local(struct round *r) {
    struct mn__finished task;
    int some = 0;
    while (mn__workers_take(r->l->workers, &task)) {
        settle(r, 0, task.seconds, task.index, task.status, task.message);
        free(task.message);
        some = 1;
    }
    return some;
}

static int take_reason(struct round *r, int from, const struct mn__head *head) {
    struct mn__rank *x = &r->l->ranks->at[from];
    free(x->why);
    x->why = NULL;
    return mn__rank_text(r->l->ranks, r->cx, from, head->bytes, &x->why);
}

static int take_result(struct round *r, int from, const struct mn__head *head) {
    struct mn__ranks *ranks = r->l->ranks;
    struct mn__rank *x = &ranks->at[from];
    if (head->index < 0 || head->index >= r->given || r->owner[head->index] != from ||
        (head->bytes != (int64_t)r->job->kind->slot_bytes(r->job) &&
         (head->status == MN_OK || head->bytes != 0))) {
        ranks->lost = 1;
        return mn_fail(r->cx, MN_INTERNAL, "rank %d (%s) sends a result that was not asked for",
                       from, x->host);
    }
    const int status =
        mn__rank_body(ranks, r->cx, from, head->bytes, mn__job_slot(r->job, head->index));
    if (status == MN_OK) {
        char why[MN__MESSAGE];
        const char *reason = x->why != NULL ? x->why : "";
        /* A number that is not finite is the task's matter, not the rank's. */
        const int of_task = head->status == MN_NUMERIC || head->status == MN_CANCELLED;
        snprintf(why, sizeof why, "rank %d (%s): %s", from, x->host, reason);
        settle(r, from, head->seconds, head->index, head->status, of_task ? reason : why);
    }
    free(x->why);
    x->why = NULL;
    return status;
}

static int take_message(struct round *r, int from, const struct mn__head *head) {
    switch (head->word) {
    case MN__RESULT:
        return take_result(r, from, head);
    case MN__WHY:
        return take_reason(r, from, head);
    case MN__CANCEL:
        return mn__rank_signal(r->cx, from, head);
    case MN__BEAT:
        if (head->bytes == 0) {
            return MN_OK;
        }
        /* fall through */
    default:
        r->l->ranks->lost = 1;
        return mn_fail(r->cx, MN_INTERNAL, "rank %d (%s) says %d in a round", from,
                       r->l->ranks->at[from].host, (int)head->word);
    }
}

static int take_messages(struct round *r, int *some) {
    for (;;) {
        struct mn__head head;
        int from;
        int status = mn__rank_poll(r->l->ranks, r->cx, &from, &head);
        if (status == MN_OK && from >= 0) {
            *some |= head.word == MN__RESULT;
            status = take_message(r, from, &head);
        }
        if (status != MN_OK || from < 0) {
            return status;
        }
    }
}

static int tell_all(struct round *r, enum mn__word word, int64_t index) {
    const struct mn__head head = {.word = (int32_t)word, .index = index};
    int status = MN_OK;
    for (int i = 1; status == MN_OK && i < r->l->ranks->n; i++) {
        status = mn__rank_send(r->l->ranks, r->cx, i, &head, NULL);
    }
    return status;
}

/* Passes a cancellation on. A rank that does not react to it is left behind: what was whole before
 * the round is saved all the same. */
static int watch_cancellation(struct round *r) {
    const int signal_number = mn__cancel_signal();
    if (signal_number == 0) {
        return MN_OK;
    }
    if (!r->told) {
        r->told = 1;
        r->cancelled = mn__seconds();
        return tell_all(r, MN__CANCEL, signal_number);
    }
    if (mn__seconds() - r->cancelled < MN__GRACE) {
        return MN_OK;
    }
    r->l->ranks->lost = 1;
    return mn_fail(r->cx, MN_CANCELLED, "stopped by the user");
}

static int watch_silence(struct round *r) {
    struct mn__ranks *ranks = r->l->ranks;
    const double now = mn__seconds();
    const int suspended = now - r->looked > MN__PULSE; /* this process was, perhaps all were */
    r->looked = now;
    for (int i = 1; i < ranks->n; i++) {
        struct mn__rank *x = &ranks->at[i];
        if (suspended) {
            x->heard = now;
        } else if (now - x->heard > MN__SILENCE) {
            ranks->lost = 1;
            return mn_fail(r->cx, MN_IO,
                           "rank %d (%s) has shown no sign of life for %d seconds: its node or the "
                           "network is down",
                           i, x->host, MN__SILENCE);
        }
    }
    return MN_OK;
}

static int all_rounds_of_messages(struct round *r) {
    int status = MN_OK, idle = 0;
    while (status == MN_OK && (r->done < r->given || (r->given < r->job->n && !stopping(r)))) {
        status = give_out(r);
        int some = take_local(r);
        if (status == MN_OK) {
            status = take_messages(r, &some);
        }
        if (status == MN_OK) {
            status = watch_cancellation(r);
        }
        if (status == MN_OK) {
            status = watch_silence(r);
        }
        if (some) {
            idle = 0;
        } else {
            mn__rank_nap(&idle);
        }
    }
    return status;
}

static int begin(struct round *r, const struct mn_where *where) {
    struct mn__ranks *ranks = r->l->ranks;
    struct mn__arena arena = {0};
    struct mn__round_order order = {.where = *where,
                                    .kind = mn__rank_kind_number(r->job->kind),
                                    .n = r->job->n,
                                    .slot_bytes = (int64_t)r->job->kind->slot_bytes(r->job),
                                    .state_bytes = mn__rank_state_bytes(r->job->e, r->job->state)};
    const void *what = NULL;
    size_t bytes = 0;
    int status = order.kind >= 0 ? MN_OK
                                 : mn_fail(r->cx, MN_INTERNAL, "%s cannot be done by other ranks",
                                           r->job->kind->name);
    if (status == MN_OK && r->job->kind->pack != NULL) {
        status = r->job->kind->pack(r->job, r->cx, &arena, &what, &bytes);
    }
    char *body = mn__arena_take(&arena, sizeof order + bytes);
    if (status == MN_OK && body == NULL) {
        status = mn_fail(r->cx, MN_NOMEM, "no memory for a message");
    }
    if (status == MN_OK) {
        memcpy(body, &order, sizeof order);
        if (bytes > 0) {
            memcpy(body + sizeof order, what, bytes);
        }
    }
    const struct mn__head head = {.word = MN__ROUND, .bytes = (int64_t)(sizeof order + bytes)};
    r->looked = mn__seconds();
    for (int i = 0; i < ranks->n; i++) {
        ranks->at[i].given = 0;
        ranks->at[i].heard = r->looked;
    }
    for (int i = 1; status == MN_OK && i < ranks->n; i++) {
        status = mn__rank_send(ranks, r->cx, i, &head, body);
    }
    mn__arena_fini(&arena);
    return status;
}

/* Tasks of this rank go on until their next step. They are told to stop where nothing waits for
 * them. */
static void end_local(struct round *r) {
    const int quick = r->l->ranks->lost && mn__cancel_signal() == 0;
    if (quick) {
        mn__cancel(SIGABRT);
    }
    mn__workers_close(r->l->workers);
    if (quick) {
        mn__cancel_reset();
    }
}

static int conclude(struct round *r, int status) {
    char lost[MN__MESSAGE];
    if (status != MN_OK) { /* of the connection */
        snprintf(lost, sizeof lost, "%s", mn__cx_message(r->cx));
        r->l->ranks->lost = 1;
        end_local(r);
        mn__cx_clear(r->cx);
        return mn_fail(r->cx, status, "%s", lost);
    }
    end_local(r);
    status = tell_all(r, MN__OVER, 0);
    if (status != MN_OK) {
        return status;
    }
    if (r->status != MN_OK) {
        return mn_fail(r->cx, r->status, "%s", r->message);
    }
    return r->done < r->job->n ? mn_fail(r->cx, MN_CANCELLED, "stopped by the user") : MN_OK;
}

static int run(struct mn__executor *executor, struct mn_cx *cx, const struct mn_where *where,
               const struct mn__job *job) {
    struct lead *l = (struct lead *)executor;
    struct round r = {.l = l, .cx = cx, .job = job, .failed = job->n};
    if (job->ordered) {
        return mn__workers_run(l->workers, cx, where, job->n - job->first, 1, work_in_order, &r);
    }
    r.owner = malloc((size_t)(job->n > 0 ? job->n : 1) * sizeof *r.owner);
    int status =
        r.owner != NULL ? begin(&r, where) : mn_fail(cx, MN_NOMEM, "no memory to give out tasks");
    if (status != MN_OK) {
        free(r.owner);
        return status;
    }
    status = mn__workers_open(l->workers, cx, where, job->n, work, &r);
    if (status == MN_OK) {
        status = give_out(&r); /* this rank works while the others get the state */
    }
    if (status == MN_OK) {
        status = mn__rank_state(l->ranks, cx, job->e, job->state);
    }
    if (status == MN_OK) {
        status = all_rounds_of_messages(&r);
    }
    status = conclude(&r, status);
    free(r.owner);
    return status;
}

/* ---- the executor ------------------------------------------------------------------------- */

static void traffic(const struct mn__executor *executor, struct mn__traffic *out) {
    const struct lead *l = (const struct lead *)executor;
    *out = l->ranks->traffic;
    out->ranks = l->ranks->n;
    out->threads = l->threads;
}

static void free_lead(struct mn__executor *executor) {
    struct lead *l = (struct lead *)executor;
    mn__workers_free(l->workers);
    free(l);
}

int mn__ranks_executor(struct mn_cx *cx, const struct mn__experiment *e,
                       struct mn__executor **out) {
    struct mn__ranks *ranks = mn__cx_of(cx)->ranks;
    struct lead *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return mn_fail(cx, MN_NOMEM, "no memory for an executor");
    }
    *l = (struct lead){.pub = {.run = run, .traffic = traffic, .free = free_lead}, .ranks = ranks};
    ranks->at[0].threads = mn__experiment_threads(e, ranks->at[0].processors);
    int status = mn__rank_open(ranks, cx, e);
    if (status == MN_OK) {
        status = mn__workers_new_apart(cx, ranks->at[0].threads, e->model, &l->workers);
    }
    if (status != MN_OK) {
        free_lead(&l->pub);
        return status;
    }
    for (int i = 0; i < ranks->n; i++) {
        l->threads += ranks->at[i].threads;
    }
    *out = &l->pub;
    return MN_OK;
}
