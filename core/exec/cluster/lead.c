/* SPDX-License-Identifier: MIT */
#include "exec/cluster/lead.h"

#include "base/clock.h"
#include "exec/cluster/wire.h"
#include "exec/threads.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct lead {
    struct nas_executor pub;
    struct nas_cluster *cluster;
    const struct nas_cluster_work *work;
    struct nas_threads *pool; /* of this rank */
    int threads;              /* of all ranks */
};

/* ---- opening ------------------------------------------------------------------------------ */

/* What a rank says to NAS_OPEN. Where it would compute other bits, the first line in which the
 * provenances differ is told. */
static int take_ready(struct nas_cluster *cluster, struct mn_ctx *ctx, int from,
                      const struct nas_head *head, const char *provenance) {
    enum { MOST_THREADS = 1 << 16 };
    struct nas_rank *x = &cluster->at[from];
    CLEANUP(nas_free) char *body = NULL;
    TRY(nas_wire_text(cluster, ctx, from, head->bytes, &body));
    if (head->status != MN_OK) {
        return mn_fail(ctx, head->status, "rank %d (%s): %s", from, x->host, body);
    }
    if (head->bytes < (int64_t)sizeof x->share || head->word != NAS_READY || head->index < 1 ||
        head->index > MOST_THREADS) {
        return mn_fail(ctx, MN_INTERNAL, "rank %d (%s) sends no answer to a configuration", from,
                       x->host);
    }
    x->threads = (int)head->index;
    memcpy(&x->share, body, sizeof x->share);
    x->share.n = x->share.n >= 0 && x->share.n <= NAS_SHM_MOST ? x->share.n : 0;
    const char *here = provenance, *there = body + sizeof x->share;
    size_t line = 0; /* where the first one begins in which they differ */
    for (size_t i = 0; here[i] == there[i]; i++) {
        if (here[i] == '\0') {
            return MN_OK;
        }
        line = here[i] == '\n' ? i + 1 : line;
    }
    here = here[line] != '\0' ? here + line : "nothing";
    there = there[line] != '\0' ? there + line : "nothing";
    return mn_fail(ctx, MN_CONFIG,
                   "rank %d (%s) would compute other bits than rank 0 (%s): '%.*s' there, '%.*s' "
                   "here; install the same files on every node, and choose kernels that all have "
                   "(run.kernels, OPENBLAS_CORETYPE)",
                   from, x->host, cluster->at[0].host, (int)strcspn(there, "\n"), there,
                   (int)strcspn(here, "\n"), here);
}

/* `n` ranks answer, all of them, so that none is left in the middle of it; the first failure
 * counts. */
static int wait_until_open(struct nas_cluster *cluster, struct mn_ctx *ctx, const char *provenance,
                           int n) {
    char message[NAS_MESSAGE] = "";
    int first = MN_OK;
    for (int open = 0; open < n && !cluster->lost;) {
        struct nas_head head;
        int from;
        int status = nas_wire_poll(cluster, ctx, &from, &head);
        if (status == MN_OK && from < 0) {
            continue;
        }
        if (status == MN_OK && head.word == NAS_CANCEL) {
            status = nas_wire_signal(ctx, from, &head);
        } else if (status == MN_OK) {
            open++;
            status = take_ready(cluster, ctx, from, &head, provenance);
        }
        if (status != MN_OK && first == MN_OK) {
            first = status;
            snprintf(message, sizeof message, "%s", nas_ctx_message(ctx));
        }
        nas_ctx_clear(ctx);
    }
    return first != MN_OK ? mn_fail(ctx, first, "%s", message) : MN_OK;
}

/* Of each node the first rank reads the data; the others can then have it from there. */
static int open_others(struct nas_cluster *cluster, struct mn_ctx *ctx,
                       const struct nas_cluster_basis *basis) {
    if (cluster->opened != NULL && cluster->opened_batches.steps == basis->batches.steps &&
        cluster->opened_batches.predictions == basis->batches.predictions &&
        strcmp(cluster->opened, basis->config) == 0) {
        return MN_OK;
    }
    free(cluster->opened);
    cluster->opened = NULL;
    cluster->at[0].share = basis->share;
    for (int first = 1; first >= 0; first--) {
        int n = 0;
        for (int i = 1; i < cluster->n; i++) {
            const struct nas_rank *x = &cluster->at[i];
            struct nas_opening opening = {.batches = basis->batches};
            const struct nas_head head = {
                .word = NAS_OPEN, .index = x->processors, .status = x->first == i && !x->alone};
            if ((x->first == i || x->first == 0) != first) {
                continue;
            }
            if (x->first != i) {
                opening.share = cluster->at[x->first].share;
            }
            TRY(nas_wire_send_two(cluster, ctx, i, head, &opening, sizeof opening, basis->config,
                                  strlen(basis->config)));
            n++;
        }
        TRY(wait_until_open(cluster, ctx, basis->provenance, n));
    }
    cluster->opened = strdup(basis->config);
    cluster->opened_batches = basis->batches;
    return cluster->opened != NULL ? MN_OK
                                   : mn_fail(ctx, MN_NOMEM, "no memory for a configuration");
}

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
    double checked;      /* when silence was last checked for */
    int64_t failed;      /* lowest task number that failed, job->n = none */
    int status;
    char message[NAS_MESSAGE];
};

static int work(void *data, struct mn_ctx *ctx, int64_t index) {
    const struct nas_job *job = ((const struct round *)data)->job;
    return job->kind->run(job, ctx, index, nas_job_slot(job, index));
}

static int stopping(const struct round *r) {
    return r->status != MN_OK || nas_cancel_signal() != 0;
}

/* A task goes to the rank with the smallest share of its threads at work that may get one more.
 * While there are tasks for everybody each rank has one in advance, so that no thread waits for a
 * message. */
static int give_out(struct round *r) {
    struct nas_cluster *cluster = r->l->cluster;
    while (r->given < r->job->n && !stopping(r)) {
        const struct nas_head head = {.word = NAS_TASK, .index = r->given};
        const int ahead = r->job->n - r->given > r->l->threads;
        int to = -1;
        for (int i = 0; i < cluster->n; i++) {
            const struct nas_rank *x = &cluster->at[i];
            if (x->given < x->threads + ahead &&
                (to < 0 || (int64_t)x->given * cluster->at[to].threads <
                               (int64_t)cluster->at[to].given * x->threads)) {
                to = i;
            }
        }
        if (to < 0) {
            return MN_OK;
        }
        cluster->at[to].given++;
        r->owner[r->given++] = to;
        if (to == 0) {
            nas_threads_add(r->l->pool, head.index);
        } else {
            TRY(nas_wire_send(cluster, r->ctx, to, head, NULL));
        }
    }
    return MN_OK;
}

static void settle(struct round *r, int rank, const struct nas_finished *task) {
    r->l->cluster->at[rank].given--;
    r->l->cluster->traffic.busy += task->seconds;
    r->owner[task->index] = -1;
    r->done++;
    if (task->status == MN_OK) {
        r->finished++;
        if (r->job->finished != NULL) {
            r->job->finished(r->job->finished_data, r->finished);
        }
    } else if (task->index < r->failed) {
        r->failed = task->index;
        r->status = task->status;
        snprintf(r->message, sizeof r->message, "%s",
                 task->message != NULL ? task->message
                                       : "a task failed, and there was no memory to say why");
    }
}

static int take_message(struct round *r, int from, const struct nas_head *head) {
    struct nas_cluster *cluster = r->l->cluster;
    struct nas_rank *x = &cluster->at[from];
    if (head->word == NAS_CANCEL) {
        return nas_wire_signal(r->ctx, from, head);
    }
    if (head->word == NAS_WHY) {
        free(x->why);
        x->why = NULL;
        return nas_wire_text(cluster, r->ctx, from, head->bytes, &x->why);
    }
    if (head->word == NAS_BEAT && head->bytes == 0) {
        return MN_OK;
    }
    if (head->word != NAS_RESULT) {
        return mn_fail(r->ctx, MN_INTERNAL, "rank %d (%s) says %d in a round", from, x->host,
                       (int)head->word);
    }
    if (head->index < 0 || head->index >= r->given || r->owner[head->index] != from ||
        (head->bytes != (int64_t)r->job->kind->slot_bytes(r->job) &&
         (head->status == MN_OK || head->bytes != 0))) {
        return mn_fail(r->ctx, MN_INTERNAL, "rank %d (%s) sends a result that was not asked for",
                       from, x->host);
    }
    CLEANUP(nas_free) char *why = x->why;
    char message[NAS_MESSAGE];
    x->why = NULL;
    TRY(nas_wire_body(cluster, r->ctx, from, head->bytes, nas_job_slot(r->job, head->index)));
    /* A number that is not finite is the task's matter, not the rank's. */
    if (head->status == MN_NUMERIC || head->status == MN_CANCELLED) {
        snprintf(message, sizeof message, "%s", why != NULL ? why : "");
    } else {
        snprintf(message, sizeof message, "rank %d (%s): %s", from, x->host,
                 why != NULL ? why : "");
    }
    settle(r, from, &(struct nas_finished){head->index, head->status, head->seconds, message});
    return MN_OK;
}

static int tell_all(struct round *r, enum nas_word word, int64_t index) {
    const struct nas_head head = {.word = (int32_t)word, .index = index};
    for (int i = 1; i < r->l->cluster->n; i++) {
        TRY(nas_wire_send(r->l->cluster, r->ctx, i, head, NULL));
    }
    return MN_OK;
}

/* Passes a cancellation on. A rank that does not react to it is left behind: what was whole before
 * the round is saved all the same. One that is silent is lost. */
static int watch(struct round *r) {
    struct nas_cluster *cluster = r->l->cluster;
    const int signal_number = nas_cancel_signal();
    const double now = nas_now();
    if (signal_number != 0 && !r->told) {
        r->told = 1;
        r->cancelled = now;
        TRY(tell_all(r, NAS_CANCEL, signal_number));
    } else if (signal_number != 0 && now - r->cancelled >= NAS_GRACE) {
        return mn_fail(r->ctx, MN_CANCELLED, "stopped by the user");
    }
    const int suspended = now - r->checked > NAS_PULSE; /* this process was, perhaps all were */
    r->checked = now;
    for (int i = 1; i < cluster->n; i++) {
        struct nas_rank *x = &cluster->at[i];
        if (suspended) {
            x->heard = now;
        } else if (now - x->heard > NAS_SILENCE) {
            return mn_fail(r->ctx, MN_IO,
                           "rank %d (%s) has shown no sign of life for %d seconds: its node or the "
                           "network is down",
                           i, x->host, NAS_SILENCE);
        }
    }
    return MN_OK;
}

static int begin_round(struct round *r, const struct mn_where *where) {
    struct nas_cluster *cluster = r->l->cluster;
    const struct nas_job_kind *kind = r->job->kind;
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    struct nas_round_order order = {.where = *where,
                                    .n = r->job->n,
                                    .slot_bytes = (int64_t)kind->slot_bytes(r->job),
                                    .part_bytes = nas_wire_part_bytes(r->job)};
    const struct nas_head head = {.word = NAS_ROUND};
    const void *what = NULL;
    size_t bytes = 0;
    while (r->l->work->kinds[order.kind] != NULL && r->l->work->kinds[order.kind] != kind) {
        order.kind++;
    }
    if (r->l->work->kinds[order.kind] == NULL) {
        return mn_fail(r->ctx, MN_INTERNAL, "%s cannot be done by other ranks", kind->name);
    }
    if (kind->pack != NULL) {
        TRY(kind->pack(r->job, r->ctx, &arena, &what, &bytes));
    }
    r->checked = nas_now();
    for (int i = 0; i < cluster->n; i++) {
        cluster->at[i].given = 0;
        cluster->at[i].heard = r->checked;
    }
    for (int i = 1; i < cluster->n; i++) {
        TRY(nas_wire_send_two(cluster, r->ctx, i, head, &order, sizeof order, what, bytes));
    }
    return MN_OK;
}

static int exchange(struct round *r, const struct mn_where *where) {
    TRY(nas_threads_open(r->l->pool, r->ctx, where, r->job->n, work, r));
    TRY(give_out(r)); /* this rank works while the others get the state */
    TRY(nas_wire_parts(r->l->cluster, r->ctx, r->job));
    while (r->done < r->given || (r->given < r->job->n && !stopping(r))) {
        struct nas_finished task;
        struct nas_head head;
        int from;
        TRY(give_out(r));
        while (nas_threads_take(r->l->pool, &task)) {
            settle(r, 0, &task);
            free(task.message);
            r->l->cluster->idle = 0;
        }
        do { /* all that has come by now */
            TRY(nas_wire_poll(r->l->cluster, r->ctx, &from, &head));
            TRY(from >= 0 ? take_message(r, from, &head) : MN_OK);
        } while (from >= 0);
        TRY(watch(r));
    }
    return MN_OK;
}

static int run(struct nas_executor *executor, struct mn_ctx *ctx, const struct mn_where *where,
               const struct nas_job *job) {
    struct lead *l = (struct lead *)executor;
    struct round r = {.l = l, .ctx = ctx, .job = job, .failed = job->n};
    if (job->ordered) {
        return nas_threads_run(l->pool, ctx, where, job->first, job->n, 1, work, &r);
    }
    CLEANUP(nas_free) int *owner = malloc((size_t)(job->n > 0 ? job->n : 1) * sizeof *owner);
    if (owner == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory to give out tasks");
    }
    r.owner = owner;
    TRY(begin_round(&r, where));
    const int status = exchange(&r, where);
    l->cluster->lost |= status != MN_OK; /* ranks are left in the middle of it */
    /* Tasks of this rank go on until their next step. They are told to stop where nothing waits for
     * them. */
    const int quick = l->cluster->lost && nas_cancel_signal() == 0;
    if (quick) {
        nas_cancel(SIGABRT);
    }
    nas_threads_close(l->pool);
    if (quick) {
        nas_cancel_reset();
    }
    TRY(status);
    TRY(tell_all(&r, NAS_OVER, 0));
    if (r.status != MN_OK) {
        return mn_fail(ctx, r.status, "%s", r.message);
    }
    return r.done < job->n ? mn_fail(ctx, MN_CANCELLED, "stopped by the user") : MN_OK;
}

/* ---- the executor ------------------------------------------------------------------------- */

static void traffic(const struct nas_executor *executor, struct nas_traffic *out) {
    const struct lead *l = (const struct lead *)executor;
    *out = l->cluster->traffic;
    out->ranks = l->cluster->n;
    out->threads = l->threads;
}

static void free_lead(struct nas_executor *executor) {
    struct lead *l = (struct lead *)executor;
    nas_threads_free(l->pool);
    free(l);
}

int nas_cluster_lead(struct nas_cluster *cluster, struct mn_ctx *ctx,
                     const struct nas_cluster_work *jobs, const struct nas_cluster_basis *basis,
                     struct nas_executor **out) {
    struct lead *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for an executor");
    }
    *l = (struct lead){.pub = {.run = run, .traffic = traffic, .free = free_lead},
                       .cluster = cluster,
                       .work = jobs};
    cluster->at[0].threads = basis->threads;
    int status = open_others(cluster, ctx, basis);
    if (status == MN_OK) {
        status = nas_threads_new_apart(ctx, basis->threads, basis->model, &l->pool);
    }
    if (status != MN_OK) {
        free_lead(&l->pub);
        return status;
    }
    for (int i = 0; i < cluster->n; i++) {
        l->threads += cluster->at[i].threads;
    }
    *out = &l->pub;
    return MN_OK;
}
