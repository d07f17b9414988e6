/* SPDX-License-Identifier: MIT */
#include "exec/cluster/serve.h"

#include "base/clock.h"
#include "exec/cluster/wire.h"
#include "exec/threads.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_TASKS = 1 << 24 };

/* A task of a round has a buffer while it is under way. */
struct round {
    int open; /* there are tasks to come */
    struct nas_round_order order;
    struct nas_job job;
    struct nas_arena arena;
    char **buffers; /* of which the first n_free are free */
    int n_free;
    char **slots; /* [job.n], of tasks under way; NULL = it is not */
    int64_t given;
    double pulse; /* when the last sign of life was sent */
    int status;   /* of making the job ready: what tasks answer with */
    char message[NAS_MESSAGE];
};

struct service {
    struct nas_cluster *cluster;
    struct mn_ctx *ctx;
    const struct nas_cluster_work *work;
    const char *const *plugin_dirs;
    struct nas_cluster_basis basis; /* what is open, where pool is not NULL */
    struct nas_threads *pool;
    struct round round;
    int told; /* rank 0 knows that a signal came */
};

static int send_text(struct service *s, enum nas_word word, int status, int64_t index,
                     const char *text) {
    const struct nas_head head = {
        .word = (int32_t)word, .status = status, .index = index, .bytes = (int64_t)strlen(text)};
    return nas_wire_send(s->cluster, s->ctx, 0, head, text);
}

/* ---- opening ------------------------------------------------------------------------------ */

static void close_basis(struct service *s) {
    if (s->pool != NULL) {
        nas_threads_free(s->pool);
        s->pool = NULL;
        s->work->close(&s->basis);
    }
}

static int serve_open(struct service *s, const struct nas_head *head) {
    CLEANUP(nas_free) char *body = NULL;
    struct nas_opening opening;
    close_basis(s);
    TRY(nas_wire_text(s->cluster, s->ctx, 0, head->bytes, &body));
    if (head->bytes < (int64_t)sizeof opening) {
        return mn_fail(s->ctx, MN_INTERNAL, "rank 0 sends half a configuration");
    }
    memcpy(&opening, body, sizeof opening);
    if (opening.share.n < 0 || opening.share.n > NAS_SHM_MOST) {
        return mn_fail(s->ctx, MN_INTERNAL, "rank 0 tells of data that it cannot share");
    }
    const struct nas_cluster_opening how = {.config = body + sizeof opening,
                                            .batches = opening.batches,
                                            .processors = (int)head->index,
                                            .shared = opening.share.n > 0 ? &opening.share : NULL,
                                            .shares = head->status,
                                            .plugin_dirs = s->plugin_dirs};
    struct nas_cluster_basis *basis = &s->basis;
    int status = s->work->open(s->ctx, &how, basis);
    if (status == MN_OK) {
        status = nas_threads_new_apart(s->ctx, basis->threads, basis->model, &s->pool);
        if (status != MN_OK) {
            s->work->close(basis);
        }
    }
    char message[NAS_MESSAGE];
    snprintf(message, sizeof message, "%s", nas_ctx_message(s->ctx));
    nas_ctx_clear(s->ctx);
    if (status != MN_OK) {
        return send_text(s, NAS_READY, status, 0, message);
    }
    const struct nas_head ready = {.word = NAS_READY, .index = basis->threads};
    return nas_wire_send_two(s->cluster, s->ctx, 0, ready, &basis->share, sizeof basis->share,
                             basis->provenance, strlen(basis->provenance));
}

/* ---- a round ------------------------------------------------------------------------------ */

static int work(void *data, struct mn_ctx *ctx, int64_t index) {
    const struct round *r = data;
    return r->job.kind->run(&r->job, ctx, index, r->slots[index]);
}

/* A task that fails may have something to tell in its slot; NULL = it was not begun. */
static int send_result(struct service *s, const struct nas_finished *task, const char *slot) {
    const struct nas_job *job = &s->round.job;
    const struct nas_head head = {.word = NAS_RESULT,
                                  .status = task->status,
                                  .index = task->index,
                                  .bytes = slot != NULL ? (int64_t)job->kind->slot_bytes(job) : 0,
                                  .seconds = task->seconds};
    if (task->status != MN_OK) {
        TRY(send_text(s, NAS_WHY, task->status, task->index,
                      task->message != NULL ? task->message : "a task failed"));
    }
    return nas_wire_send(s->cluster, s->ctx, 0, head, slot);
}

/* Make the job that rank 0 describes. What goes wrong is the answer to its tasks. */
static int make_job(struct service *s, const char *what, size_t bytes) {
    struct round *r = &s->round;
    const struct nas_round_order *order = &r->order;
    int n_kinds = 0;
    while (s->work->kinds[n_kinds] != NULL) {
        n_kinds++;
    }
    r->job = (struct nas_job){.e = s->basis.e, .state = s->basis.state, .n = order->n};
    if (s->pool == NULL || order->kind < 0 || order->kind >= n_kinds || order->n < 0 ||
        order->n > MOST_TASKS || order->where.size != sizeof order->where ||
        order->where.split < MN_TRAIN || order->where.split > MN_TEST) {
        return mn_fail(s->ctx, MN_INTERNAL, "rank 0 asks for what this rank has not opened");
    }
    r->job.kind = s->work->kinds[order->kind];
    if (r->job.kind->unpack != NULL) {
        TRY(r->job.kind->unpack(&r->job, s->ctx, &r->arena, what, bytes));
    }
    /* One buffer a thread, one for a task in advance; a result that is being sent has its own. */
    const size_t stride = nas_job_stride(&r->job);
    const int n = s->basis.threads + 1;
    r->buffers = nas_arena_array(&r->arena, (size_t)n, sizeof *r->buffers);
    r->slots = nas_arena_zeroed(&r->arena, (size_t)r->job.n * sizeof *r->slots);
    char *all = nas_arena_array(&r->arena, (size_t)n, stride);
    if (r->buffers == NULL || r->slots == NULL || all == NULL) {
        return mn_fail(s->ctx, MN_NOMEM, "no memory for the results of %d tasks", n);
    }
    for (; r->n_free < n; r->n_free++) {
        r->buffers[r->n_free] = all + (size_t)r->n_free * stride;
    }
    const int64_t slot = (int64_t)r->job.kind->slot_bytes(&r->job);
    const int64_t parts = nas_wire_part_bytes(&r->job);
    return slot == order->slot_bytes && parts == order->part_bytes
               ? MN_OK
               : mn_fail(s->ctx, MN_INTERNAL,
                         "the results of a task have %lld bytes and the state %lld here, %lld and "
                         "%lld at rank 0",
                         (long long)slot, (long long)parts, (long long)order->slot_bytes,
                         (long long)order->part_bytes);
}

static int begin_round(struct service *s, const struct nas_head *head) {
    struct round *r = &s->round;
    CLEANUP(nas_free) char *body = NULL;
    TRY(nas_wire_text(s->cluster, s->ctx, 0, head->bytes, &body));
    if (head->bytes < (int64_t)sizeof r->order) {
        return mn_fail(s->ctx, MN_INTERNAL, "rank 0 sends half a round");
    }
    memcpy(&r->order, body, sizeof r->order);
    r->status = make_job(s, body + sizeof r->order, (size_t)head->bytes - sizeof r->order);
    if (r->status == MN_INTERNAL) { /* the broadcast would not fit */
        return r->status;
    }
    snprintf(r->message, sizeof r->message, "%s", nas_ctx_message(s->ctx));
    nas_ctx_clear(s->ctx);
    TRY(nas_wire_parts(s->cluster, s->ctx, &r->job));
    TRY(nas_threads_open(s->pool, s->ctx, &r->order.where, r->order.n, work, r));
    r->pulse = nas_now();
    r->open = 1;
    return MN_OK;
}

/* Takes one that could not be begun, too. */
static void end_round(struct service *s) {
    struct round *r = &s->round;
    if (r->open) {
        nas_threads_close(s->pool);
    }
    if (r->job.kind != NULL && r->job.kind->drop != NULL) {
        r->job.kind->drop(&r->job);
    }
    nas_arena_fini(&r->arena);
    *r = (struct round){0};
}

/* ---- serving ------------------------------------------------------------------------------ */

static int take_message(struct service *s, const struct nas_head *head) {
    struct round *r = &s->round;
    const int64_t index = head->index;
    if (head->word == NAS_CANCEL) {
        s->told = 1;
        return nas_wire_signal(s->ctx, 0, head);
    }
    if (head->word == NAS_OPEN && !r->open) {
        return serve_open(s, head);
    }
    if (head->word == NAS_ROUND && !r->open) {
        return begin_round(s, head);
    }
    if (head->word == NAS_OVER && r->open) {
        end_round(s);
        return MN_OK;
    }
    if (head->word != NAS_TASK || !r->open) {
        return mn_fail(s->ctx, MN_INTERNAL, "rank 0 says %d%s", (int)head->word,
                       r->open ? " in a round" : "");
    }
    const int known = index >= 0 && index < r->job.n && r->given++ < r->job.n;
    if (known && r->status != MN_OK) {
        const struct nas_finished refused = {
            .index = index, .status = r->status, .message = r->message};
        return send_result(s, &refused, NULL);
    }
    if (!known || r->n_free == 0 || r->slots[index] != NULL) {
        return mn_fail(s->ctx, MN_INTERNAL, "rank 0 gives out a task too many");
    }
    r->slots[index] = r->buffers[--r->n_free];
    nas_threads_add(s->pool, index);
    return MN_OK;
}

static int serve(struct service *s, int *code) {
    struct round *r = &s->round;
    for (;;) {
        struct nas_head head;
        struct nas_finished task;
        int from;
        TRY(nas_wire_poll(s->cluster, s->ctx, &from, &head));
        if (from >= 0 && head.word == NAS_END && !r->open) {
            *code = (int)head.index;
            return MN_OK;
        }
        TRY(from >= 0 ? take_message(s, &head) : MN_OK);
        while (r->open && nas_threads_take(s->pool, &task)) {
            CLEANUP(nas_free) char *message = task.message;
            char *slot = r->slots[task.index];
            r->slots[task.index] = NULL;
            r->buffers[r->n_free++] = slot;
            s->cluster->idle = 0;
            TRY(send_result(s, &task, slot));
        }
        const int signal_number = nas_cancel_signal();
        if (signal_number != 0 && !s->told) { /* it came to this process only */
            s->told = 1;
            TRY(nas_wire_send(s->cluster, s->ctx, 0,
                              (struct nas_head){.word = NAS_CANCEL, .index = signal_number}, NULL));
        }
        if (r->open && nas_now() - r->pulse >= NAS_PULSE) {
            r->pulse = nas_now();
            TRY(nas_wire_send(s->cluster, s->ctx, 0, (struct nas_head){.word = NAS_BEAT}, NULL));
        }
    }
}

int nas_cluster_serve(struct nas_cluster *cluster, struct mn_ctx *ctx,
                      const struct nas_cluster_work *jobs, const char *const *plugin_dirs,
                      int *code) {
    struct service s = {.cluster = cluster, .ctx = ctx, .work = jobs, .plugin_dirs = plugin_dirs};
    nas_ctx_of(ctx)->log_level = MN_LOG_ERROR - 1; /* rank 0 speaks for all */
    const int status = serve(&s, code);
    if (status != MN_OK) {
        cluster->lost = 1;
        nas_ctx_where(ctx, "rank %d", cluster->rank);
    }
    end_round(&s);
    close_basis(&s);
    return status;
}
