/* SPDX-License-Identifier: MIT */
#include "exec/cluster/serve.h"

#include "base/clock.h"
#include "exec/cluster/wire.h"
#include "exec/threads.h"

#include <stdlib.h>
#include <string.h>

struct service {
    struct nas_cluster *cluster;
    struct mn_ctx *ctx;
    const struct nas_cluster_work *work;
    const char *const *plugin_dirs;
    struct nas_cluster_basis basis; /* what is open, where pool is not NULL */
    struct nas_threads *pool;
    int told; /* rank 0 knows that a signal came */
};

enum { MOST_TASKS = 1 << 24 };

/* A task of a round has a buffer while it is under way. */
struct round {
    struct service *s;
    struct nas_job job;
    struct nas_arena arena;
    char **buffers; /* of which the first n_free are free */
    int n_free;
    char **slots; /* [job.n], of tasks under way; NULL = it is not */
    int64_t given;
    int over;
    int status; /* of making the job ready: what tasks answer with */
    char message[NAS_MESSAGE];
};

static int send_text(struct service *s, enum nas_word word, int status, int64_t index,
                     const char *text) {
    const struct nas_head head = {
        .word = (int32_t)word, .status = status, .index = index, .bytes = (int64_t)strlen(text)};
    return nas_wire_send(s->cluster, s->ctx, 0, &head, text);
}

/* A signal that came to this process only. */
static int pass_signal(struct service *s) {
    const struct nas_head head = {.word = NAS_CANCEL, .index = nas_cancel_signal()};
    if (head.index == 0 || s->told) {
        return MN_OK;
    }
    s->told = 1;
    return nas_wire_send(s->cluster, s->ctx, 0, &head, NULL);
}

static int take_signal(struct service *s, const struct nas_head *head) {
    s->told = 1;
    return nas_wire_signal(s->ctx, 0, head);
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
                                            .max_batch = opening.max_batch,
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
static int send_failure(struct round *r, int64_t index, int failure, const char *why,
                        const char *slot) {
    const int64_t bytes = slot != NULL ? (int64_t)r->job.kind->slot_bytes(&r->job) : 0;
    const struct nas_head head = {
        .word = NAS_RESULT, .status = failure, .index = index, .bytes = bytes};
    TRY(send_text(r->s, NAS_WHY, failure, index, why));
    return nas_wire_send(r->s->cluster, r->s->ctx, 0, &head, slot);
}

static int take_task(struct round *r, int64_t index) {
    const int known = index >= 0 && index < r->job.n && r->given++ < r->job.n;
    if (known && r->status != MN_OK) {
        return send_failure(r, index, r->status, r->message, NULL);
    }
    if (!known || r->n_free == 0 || r->slots[index] != NULL) {
        return mn_fail(r->s->ctx, MN_INTERNAL, "rank 0 gives out a task too many");
    }
    r->slots[index] = r->buffers[--r->n_free];
    nas_threads_add(r->s->pool, index);
    return MN_OK;
}

static int send_result(struct round *r, const struct nas_finished *task) {
    const struct nas_head head = {.word = NAS_RESULT,
                                  .index = task->index,
                                  .bytes = (int64_t)r->job.kind->slot_bytes(&r->job),
                                  .seconds = task->seconds};
    char *buffer = r->slots[task->index];
    const int status =
        task->status == MN_OK
            ? nas_wire_send(r->s->cluster, r->s->ctx, 0, &head, buffer)
            : send_failure(r, task->index, task->status,
                           task->message != NULL ? task->message : "a task failed", buffer);
    r->buffers[r->n_free++] = buffer;
    r->slots[task->index] = NULL;
    return status;
}

static int take_message(struct round *r, const struct nas_head *head) {
    switch (head->word) {
    case NAS_TASK:
        return take_task(r, head->index);
    case NAS_CANCEL:
        return take_signal(r->s, head);
    case NAS_OVER:
        r->over = 1;
        return MN_OK;
    default:
        return mn_fail(r->s->ctx, MN_INTERNAL, "rank 0 says %d in a round", (int)head->word);
    }
}

static int serve_tasks(struct round *r) {
    struct service *s = r->s;
    double pulse = nas_now(); /* when the last sign of life was sent */
    for (int idle = 0; !r->over;) {
        const struct nas_head beat = {.word = NAS_BEAT};
        struct nas_head head;
        struct nas_finished task;
        int from, some = 0, status = MN_OK;
        TRY(nas_wire_poll(s->cluster, s->ctx, &from, &head));
        if (from >= 0) {
            some = 1;
            TRY(take_message(r, &head));
        }
        while (status == MN_OK && nas_threads_take(s->pool, &task)) {
            some = 1;
            status = send_result(r, &task);
            free(task.message);
        }
        TRY(status);
        TRY(pass_signal(s));
        if (nas_now() - pulse >= NAS_PULSE) {
            pulse = nas_now();
            TRY(nas_wire_send(s->cluster, s->ctx, 0, &beat, NULL));
        }
        if (some) {
            idle = 0;
        } else {
            nas_wire_nap(&idle);
        }
    }
    return MN_OK;
}

/* Make the job that rank 0 describes. What goes wrong is the answer to its tasks. */
static int make_job(struct round *r, const struct nas_round_order *order, const char *what,
                    size_t bytes) {
    struct service *s = r->s;
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

static int work_on(struct round *r, const struct nas_round_order *order, const char *what,
                   size_t bytes) {
    struct service *s = r->s;
    r->status = make_job(r, order, what, bytes);
    snprintf(r->message, sizeof r->message, "%s", nas_ctx_message(s->ctx));
    nas_ctx_clear(s->ctx);
    if (r->status == MN_INTERNAL) { /* the broadcast would not fit */
        return mn_fail(s->ctx, MN_INTERNAL, "%s", r->message);
    }
    TRY(nas_wire_parts(s->cluster, s->ctx, &r->job));
    TRY(nas_threads_open(s->pool, s->ctx, &order->where, order->n, work, r));
    const int status = serve_tasks(r);
    nas_threads_close(s->pool);
    return status;
}

static int serve_round(struct service *s, const struct nas_head *head) {
    struct round r = {.s = s};
    struct nas_round_order order;
    CLEANUP(nas_free) char *body = NULL;
    TRY(nas_wire_text(s->cluster, s->ctx, 0, head->bytes, &body));
    if (head->bytes < (int64_t)sizeof order) {
        return mn_fail(s->ctx, MN_INTERNAL, "rank 0 sends half a round");
    }
    memcpy(&order, body, sizeof order);
    const int status = work_on(&r, &order, body + sizeof order, (size_t)head->bytes - sizeof order);
    if (r.job.kind != NULL && r.job.kind->drop != NULL) {
        r.job.kind->drop(&r.job);
    }
    nas_arena_fini(&r.arena);
    return status;
}

/* ---- serving ------------------------------------------------------------------------------ */

static int serve(struct service *s, int *code) {
    for (int idle = 0;;) {
        struct nas_head head;
        int from;
        TRY(nas_wire_poll(s->cluster, s->ctx, &from, &head));
        if (from < 0) {
            TRY(pass_signal(s));
            nas_wire_nap(&idle);
            continue;
        }
        idle = 0;
        switch (head.word) {
        case NAS_OPEN:
            TRY(serve_open(s, &head));
            break;
        case NAS_ROUND:
            TRY(serve_round(s, &head));
            break;
        case NAS_CANCEL:
            TRY(take_signal(s, &head));
            break;
        case NAS_END:
            *code = (int)head.index;
            return MN_OK;
        default:
            return mn_fail(s->ctx, MN_INTERNAL, "rank 0 says %d", (int)head.word);
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
    close_basis(&s);
    return status;
}
