/* SPDX-License-Identifier: MIT */
/* Rank 0: gives out tasks, takes in results. */
#include "base/clock.h"
#include "exec/cluster/wire.h"
#include "exec/threads.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct lead {
    struct nas_executor pub;
    struct nas_ranks *ranks;
    struct nas_workers *workers; /* of this rank */
    int threads;                 /* of all ranks */
};

/* ---- a round ------------------------------------------------------------------------------ */

struct round {
    struct lead *l;
    struct mn_ctx *ctx;
    const struct nas_job *job;
    int64_t given, done; /* tasks */
    int *owner;          /* [job->n] rank that a task was given to, -1 after its result */
    int64_t finished;    /* without a failure */
    int told;            /* ranks know of the cancellation */
    double cancelled;    /* when */
    double looked;       /* when silence was last looked for */
    int64_t failed;      /* lowest task number that failed, job->n = none */
    int status;
    char message[NAS_MESSAGE];
};

static int work(void *data, struct mn_ctx *ctx, int64_t index) {
    const struct nas_job *job = ((const struct round *)data)->job;
    return job->kind->run(job, ctx, index, nas_job_slot(job, index));
}

/* The same, where tasks are numbered from the first one on. */
static int work_in_order(void *data, struct mn_ctx *ctx, int64_t number) {
    const struct nas_job *job = ((const struct round *)data)->job;
    ctx->where.task = job->first + number;
    return work(data, ctx, job->first + number);
}

static int stopping(const struct round *r) {
    return r->status != MN_OK || nas_cancel_signal() != 0;
}

/* The rank with the smallest share of its threads at work that may get one more task. While there
 * are tasks for everybody each rank has one in advance, so that no thread waits for a message. */
static int next_rank(const struct round *r) {
    const struct nas_ranks *ranks = r->l->ranks;
    const int ahead = r->job->n - r->given > r->l->threads;
    int best = -1;
    for (int i = 0; i < ranks->n; i++) {
        const struct nas_rank *x = &ranks->at[i];
        if (x->given < x->threads + ahead &&
            (best < 0 || (int64_t)x->given * ranks->at[best].threads <
                             (int64_t)ranks->at[best].given * x->threads)) {
            best = i;
        }
    }
    return best;
}

static int give_out(struct round *r) {
    struct nas_ranks *ranks = r->l->ranks;
    int status = MN_OK, to;
    while (status == MN_OK && r->given < r->job->n && !stopping(r) && (to = next_rank(r)) >= 0) {
        const struct nas_head head = {.word = NAS_TASK, .index = r->given};
        ranks->at[to].given++;
        r->owner[r->given] = to;
        if (to == 0) {
            nas_workers_add(r->l->workers, r->given);
        } else {
            status = nas_rank_send(ranks, r->ctx, to, &head, NULL);
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
    struct nas_finished task;
    int some = 0;
    while (nas_workers_take(r->l->workers, &task)) {
        settle(r, 0, task.seconds, task.index, task.status, task.message);
        free(task.message);
        some = 1;
    }
    return some;
}

static int take_reason(struct round *r, int from, const struct nas_head *head) {
    struct nas_rank *x = &r->l->ranks->at[from];
    free(x->why);
    x->why = NULL;
    return nas_rank_text(r->l->ranks, r->ctx, from, head->bytes, &x->why);
}

static int take_result(struct round *r, int from, const struct nas_head *head) {
    struct nas_ranks *ranks = r->l->ranks;
    struct nas_rank *x = &ranks->at[from];
    if (head->index < 0 || head->index >= r->given || r->owner[head->index] != from ||
        (head->bytes != (int64_t)r->job->kind->slot_bytes(r->job) &&
         (head->status == MN_OK || head->bytes != 0))) {
        ranks->lost = 1;
        return mn_fail(r->ctx, MN_INTERNAL, "rank %d (%s) sends a result that was not asked for",
                       from, x->host);
    }
    const int status =
        nas_rank_body(ranks, r->ctx, from, head->bytes, nas_job_slot(r->job, head->index));
    if (status == MN_OK) {
        char why[NAS_MESSAGE];
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

static int take_message(struct round *r, int from, const struct nas_head *head) {
    switch (head->word) {
    case NAS_RESULT:
        return take_result(r, from, head);
    case NAS_WHY:
        return take_reason(r, from, head);
    case NAS_CANCEL:
        return nas_rank_signal(r->ctx, from, head);
    case NAS_BEAT:
        if (head->bytes == 0) {
            return MN_OK;
        }
        /* fall through */
    default:
        r->l->ranks->lost = 1;
        return mn_fail(r->ctx, MN_INTERNAL, "rank %d (%s) says %d in a round", from,
                       r->l->ranks->at[from].host, (int)head->word);
    }
}

static int take_messages(struct round *r, int *some) {
    for (;;) {
        struct nas_head head;
        int from;
        int status = nas_rank_poll(r->l->ranks, r->ctx, &from, &head);
        if (status == MN_OK && from >= 0) {
            *some |= head.word == NAS_RESULT;
            status = take_message(r, from, &head);
        }
        if (status != MN_OK || from < 0) {
            return status;
        }
    }
}

static int tell_all(struct round *r, enum nas_word word, int64_t index) {
    const struct nas_head head = {.word = (int32_t)word, .index = index};
    int status = MN_OK;
    for (int i = 1; status == MN_OK && i < r->l->ranks->n; i++) {
        status = nas_rank_send(r->l->ranks, r->ctx, i, &head, NULL);
    }
    return status;
}

/* Passes a cancellation on. A rank that does not react to it is left behind: what was whole before
 * the round is saved all the same. */
static int watch_cancellation(struct round *r) {
    const int signal_number = nas_cancel_signal();
    if (signal_number == 0) {
        return MN_OK;
    }
    if (!r->told) {
        r->told = 1;
        r->cancelled = nas_now();
        return tell_all(r, NAS_CANCEL, signal_number);
    }
    if (nas_now() - r->cancelled < NAS_GRACE) {
        return MN_OK;
    }
    r->l->ranks->lost = 1;
    return mn_fail(r->ctx, MN_CANCELLED, "stopped by the user");
}

static int watch_silence(struct round *r) {
    struct nas_ranks *ranks = r->l->ranks;
    const double now = nas_now();
    const int suspended = now - r->looked > NAS_PULSE; /* this process was, perhaps all were */
    r->looked = now;
    for (int i = 1; i < ranks->n; i++) {
        struct nas_rank *x = &ranks->at[i];
        if (suspended) {
            x->heard = now;
        } else if (now - x->heard > NAS_SILENCE) {
            ranks->lost = 1;
            return mn_fail(r->ctx, MN_IO,
                           "rank %d (%s) has shown no sign of life for %d seconds: its node or the "
                           "network is down",
                           i, x->host, NAS_SILENCE);
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
            nas_rank_nap(&idle);
        }
    }
    return status;
}

static int begin(struct round *r, const struct mn_where *where) {
    struct nas_ranks *ranks = r->l->ranks;
    struct nas_arena arena = {0};
    struct nas_round_order order = {.where = *where,
                                    .kind = nas_rank_kind_number(r->job->kind),
                                    .n = r->job->n,
                                    .slot_bytes = (int64_t)r->job->kind->slot_bytes(r->job),
                                    .state_bytes = nas_rank_state_bytes(r->job->e, r->job->state)};
    const void *what = NULL;
    size_t bytes = 0;
    int status = order.kind >= 0 ? MN_OK
                                 : mn_fail(r->ctx, MN_INTERNAL, "%s cannot be done by other ranks",
                                           r->job->kind->name);
    if (status == MN_OK && r->job->kind->pack != NULL) {
        status = r->job->kind->pack(r->job, r->ctx, &arena, &what, &bytes);
    }
    char *body = nas_arena_take(&arena, sizeof order + bytes);
    if (status == MN_OK && body == NULL) {
        status = mn_fail(r->ctx, MN_NOMEM, "no memory for a message");
    }
    if (status == MN_OK) {
        memcpy(body, &order, sizeof order);
        if (bytes > 0) {
            memcpy(body + sizeof order, what, bytes);
        }
    }
    const struct nas_head head = {.word = NAS_ROUND, .bytes = (int64_t)(sizeof order + bytes)};
    r->looked = nas_now();
    for (int i = 0; i < ranks->n; i++) {
        ranks->at[i].given = 0;
        ranks->at[i].heard = r->looked;
    }
    for (int i = 1; status == MN_OK && i < ranks->n; i++) {
        status = nas_rank_send(ranks, r->ctx, i, &head, body);
    }
    nas_arena_fini(&arena);
    return status;
}

/* Tasks of this rank go on until their next step. They are told to stop where nothing waits for
 * them. */
static void end_local(struct round *r) {
    const int quick = r->l->ranks->lost && nas_cancel_signal() == 0;
    if (quick) {
        nas_cancel(SIGABRT);
    }
    nas_workers_close(r->l->workers);
    if (quick) {
        nas_cancel_reset();
    }
}

static int conclude(struct round *r, int status) {
    char lost[NAS_MESSAGE];
    if (status != MN_OK) { /* of the connection */
        snprintf(lost, sizeof lost, "%s", nas_ctx_message(r->ctx));
        r->l->ranks->lost = 1;
        end_local(r);
        nas_ctx_clear(r->ctx);
        return mn_fail(r->ctx, status, "%s", lost);
    }
    end_local(r);
    status = tell_all(r, NAS_OVER, 0);
    if (status != MN_OK) {
        return status;
    }
    if (r->status != MN_OK) {
        return mn_fail(r->ctx, r->status, "%s", r->message);
    }
    return r->done < r->job->n ? mn_fail(r->ctx, MN_CANCELLED, "stopped by the user") : MN_OK;
}

static int run(struct nas_executor *executor, struct mn_ctx *ctx, const struct mn_where *where,
               const struct nas_job *job) {
    struct lead *l = (struct lead *)executor;
    struct round r = {.l = l, .ctx = ctx, .job = job, .failed = job->n};
    if (job->ordered) {
        return nas_workers_run(l->workers, ctx, where, job->n - job->first, 1, work_in_order, &r);
    }
    r.owner = malloc((size_t)(job->n > 0 ? job->n : 1) * sizeof *r.owner);
    int status =
        r.owner != NULL ? begin(&r, where) : mn_fail(ctx, MN_NOMEM, "no memory to give out tasks");
    if (status != MN_OK) {
        free(r.owner);
        return status;
    }
    status = nas_workers_open(l->workers, ctx, where, job->n, work, &r);
    if (status == MN_OK) {
        status = give_out(&r); /* this rank works while the others get the state */
    }
    if (status == MN_OK) {
        status = nas_rank_state(l->ranks, ctx, job->e, job->state);
    }
    if (status == MN_OK) {
        status = all_rounds_of_messages(&r);
    }
    status = conclude(&r, status);
    free(r.owner);
    return status;
}

/* ---- the executor ------------------------------------------------------------------------- */

static void traffic(const struct nas_executor *executor, struct nas_traffic *out) {
    const struct lead *l = (const struct lead *)executor;
    *out = l->ranks->traffic;
    out->ranks = l->ranks->n;
    out->threads = l->threads;
}

static void free_lead(struct nas_executor *executor) {
    struct lead *l = (struct lead *)executor;
    nas_workers_free(l->workers);
    free(l);
}

int nas_ranks_executor(struct mn_ctx *ctx, const struct nas_experiment *e,
                       struct nas_executor **out) {
    struct nas_ranks *ranks = nas_ctx_of(ctx)->ranks;
    struct lead *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for an executor");
    }
    *l = (struct lead){.pub = {.run = run, .traffic = traffic, .free = free_lead}, .ranks = ranks};
    ranks->at[0].threads = nas_experiment_threads(e, ranks->at[0].processors);
    int status = nas_rank_open(ranks, ctx, e);
    if (status == MN_OK) {
        status = nas_workers_new_apart(ctx, ranks->at[0].threads, e->model, &l->workers);
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
