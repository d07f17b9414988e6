/* SPDX-License-Identifier: MIT */
/* Ranks other than the first: work on what rank 0 gives out. */
#include "base/clock.h"
#include "exec/cluster/wire.h"
#include "exec/threads.h"
#include "learn/state.h"
#include "store/provenance.h"

#include <stdlib.h>
#include <string.h>

struct service {
    struct nas_ranks *ranks;
    struct mn_ctx *ctx;
    const char *const *plugin_dirs;
    struct nas_experiment e; /* the one that is open, where workers is not NULL */
    struct nas_state state;
    struct nas_workers *workers;
    int threads;
    int told; /* rank 0 knows that a signal came */
};

enum { MOST_TASKS = 1 << 24 };

/* A task of a round has a buffer while it is under way. */
struct round {
    struct service *s;
    struct nas_job job;
    struct nas_arena arena;
    int n_buffers;
    char **buffers; /* [n_buffers], those that are free first */
    int n_free;
    char **slots; /* [job.n], of tasks under way; NULL = it is not */
    int64_t given, done;
    int over;
    double pulse; /* when the last sign of life was sent */
    int status;   /* of making the job ready: what tasks answer with */
    char message[NAS_MESSAGE];
};

static int send_text(struct service *s, enum nas_word word, int status, int64_t index,
                     const char *text) {
    const struct nas_head head = {
        .word = (int32_t)word, .status = status, .index = index, .bytes = (int64_t)strlen(text)};
    return nas_rank_send(s->ranks, s->ctx, 0, &head, text);
}

/* A signal that came to this process only. */
static int pass_signal(struct service *s) {
    const struct nas_head head = {.word = NAS_CANCEL, .index = nas_cancel_signal()};
    if (head.index == 0 || s->told) {
        return MN_OK;
    }
    s->told = 1;
    return nas_rank_send(s->ranks, s->ctx, 0, &head, NULL);
}

static int take_signal(struct service *s, const struct nas_head *head) {
    s->told = 1;
    return nas_rank_signal(s->ctx, 0, head);
}

/* ---- opening ------------------------------------------------------------------------------ */

static void close_experiment(struct service *s) {
    if (s->workers != NULL) {
        nas_workers_free(s->workers);
        nas_state_fini(&s->state);
        nas_experiment_close(&s->e);
        s->workers = NULL;
    }
}

static int open_parts(struct service *s, int processors) {
    int status = nas_state_new(&s->e, s->ctx, &s->state);
    s->threads = nas_experiment_threads(&s->e, processors);
    if (status == MN_OK) {
        status = nas_workers_new_apart(s->ctx, s->threads, s->e.model, &s->workers);
        if (status != MN_OK) {
            nas_state_fini(&s->state);
        }
    }
    return status;
}

static int open_text(struct service *s, const char *text, int processors,
                     const struct nas_opening *opening, int offer) {
    FILE *nowhere = fopen("/dev/null", "w"); /* rank 0 has printed the warnings */
    const struct nas_open open = {.config = "configuration from rank 0",
                                  .text = text,
                                  .plugin_dirs = s->plugin_dirs,
                                  .max_batch = opening->max_batch,
                                  .faults = nowhere};
    nas_ctx_of(s->ctx)->shared = opening->share.n > 0 ? &opening->share : NULL;
    nas_ctx_of(s->ctx)->sharing = offer;
    int status = nas_experiment_open(&s->e, s->ctx, &open);
    nas_ctx_of(s->ctx)->shared = NULL;
    if (status == MN_OK) {
        status = open_parts(s, processors);
        if (status != MN_OK) {
            nas_experiment_close(&s->e);
        }
    }
    if (nowhere != NULL) {
        fclose(nowhere);
    }
    return status;
}

static int send_ready(struct service *s, const char *origin) {
    const size_t length = strlen(origin);
    char *body = malloc(sizeof s->e.dataset.share + length);
    if (body == NULL) {
        return send_text(s, NAS_READY, MN_NOMEM, 0, "no memory for a message");
    }
    memcpy(body, &s->e.dataset.share, sizeof s->e.dataset.share);
    memcpy(body + sizeof s->e.dataset.share, origin, length);
    const struct nas_head head = {.word = NAS_READY,
                                  .index = s->threads,
                                  .bytes = (int64_t)(sizeof s->e.dataset.share + length)};
    const int status = nas_rank_send(s->ranks, s->ctx, 0, &head, body);
    free(body);
    return status;
}

static int answer_open(struct service *s, int status) {
    char message[NAS_MESSAGE];
    char *origin = NULL;
    if (status == MN_OK) {
        status = nas_provenance_text(&s->e, s->ctx, &origin);
    }
    snprintf(message, sizeof message, "%s", nas_ctx_message(s->ctx));
    nas_ctx_clear(s->ctx);
    status = status == MN_OK ? send_ready(s, origin) : send_text(s, NAS_READY, status, 0, message);
    free(origin);
    return status;
}

static int serve_open(struct service *s, const struct nas_head *head) {
    struct nas_opening opening;
    char *body = NULL;
    close_experiment(s);
    int status = nas_rank_text(s->ranks, s->ctx, 0, head->bytes, &body);
    if (status == MN_OK && head->bytes < (int64_t)sizeof opening) {
        status = mn_fail(s->ctx, MN_INTERNAL, "rank 0 sends half a configuration");
    }
    if (status == MN_OK) {
        memcpy(&opening, body, sizeof opening);
        status = opening.share.n >= 0 && opening.share.n <= NAS_MOST_SHARED
                     ? MN_OK
                     : mn_fail(s->ctx, MN_INTERNAL, "rank 0 tells of data that it cannot share");
    }
    if (status == MN_OK) {
        status = answer_open(
            s, open_text(s, body + sizeof opening, (int)head->index, &opening, head->status));
    }
    free(body);
    return status;
}

/* ---- a round ------------------------------------------------------------------------------ */

static int work(void *data, struct mn_ctx *ctx, int64_t index) {
    const struct round *r = data;
    return r->job.kind->run(&r->job, ctx, index, r->slots[index]);
}

/* A task that fails may have something to tell in its slot; NULL = it was not begun. */
static int send_failure(struct round *r, int64_t index, int failure, const char *why,
                        const char *slot) {
    const struct nas_head head = {.word = NAS_RESULT,
                                  .status = failure,
                                  .index = index,
                                  .bytes =
                                      slot != NULL ? (int64_t)r->job.kind->slot_bytes(&r->job) : 0};
    const int status = send_text(r->s, NAS_WHY, failure, index, why);
    return status != MN_OK ? status : nas_rank_send(r->s->ranks, r->s->ctx, 0, &head, slot);
}

static int take_task(struct round *r, int64_t index) {
    if (index < 0 || index >= r->job.n || r->given >= r->job.n || r->n_free == 0 ||
        r->slots[index] != NULL) {
        return mn_fail(r->s->ctx, MN_INTERNAL, "rank 0 gives out a task too many");
    }
    r->given++;
    if (r->status != MN_OK) {
        r->done++;
        return send_failure(r, index, r->status, r->message, NULL);
    }
    r->slots[index] = r->buffers[--r->n_free];
    nas_workers_add(r->s->workers, index);
    return MN_OK;
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

static int send_result(struct round *r, const struct nas_finished *task) {
    const struct nas_head head = {.word = NAS_RESULT,
                                  .index = task->index,
                                  .bytes = (int64_t)r->job.kind->slot_bytes(&r->job),
                                  .seconds = task->seconds};
    char *buffer = r->slots[task->index];
    const int status =
        task->status == MN_OK
            ? nas_rank_send(r->s->ranks, r->s->ctx, 0, &head, buffer)
            : send_failure(r, task->index, task->status,
                           task->message != NULL ? task->message : "a task failed", buffer);
    r->buffers[r->n_free++] = buffer;
    r->slots[task->index] = NULL;
    r->done++;
    return status;
}

static int send_results(struct round *r, int *some) {
    struct nas_finished task;
    int status = MN_OK;
    while (status == MN_OK && nas_workers_take(r->s->workers, &task)) {
        status = send_result(r, &task);
        free(task.message);
        *some = 1;
    }
    return status;
}

static int show_life(struct round *r) {
    const struct nas_head head = {.word = NAS_BEAT};
    const double now = nas_now();
    if (now - r->pulse < NAS_PULSE) {
        return MN_OK;
    }
    r->pulse = now;
    return nas_rank_send(r->s->ranks, r->s->ctx, 0, &head, NULL);
}

static int serve_tasks(struct round *r) {
    int status = MN_OK, idle = 0;
    while (status == MN_OK && !r->over) {
        struct nas_head head;
        int from, some = 0;
        status = nas_rank_poll(r->s->ranks, r->s->ctx, &from, &head);
        if (status == MN_OK && from >= 0) {
            some = 1;
            status = take_message(r, &head);
        }
        if (status == MN_OK) {
            status = send_results(r, &some);
        }
        if (status == MN_OK) {
            status = pass_signal(r->s);
        }
        if (status == MN_OK) {
            status = show_life(r);
        }
        if (some) {
            idle = 0;
        } else {
            nas_rank_nap(&idle);
        }
    }
    return status;
}

/* One buffer a thread, one for a task in advance; a result that is being sent still has its own. */
static int make_buffers(struct round *r) {
    const size_t stride = nas_job_stride(&r->job);
    r->n_buffers = r->s->threads + 1;
    r->buffers = nas_arena_array(&r->arena, (size_t)r->n_buffers, sizeof *r->buffers);
    r->slots = nas_arena_zeroed(&r->arena, (size_t)r->job.n * sizeof *r->slots);
    char *all = nas_arena_array(&r->arena, (size_t)r->n_buffers, stride);
    if (r->buffers == NULL || r->slots == NULL || all == NULL) {
        return mn_fail(r->s->ctx, MN_NOMEM, "no memory for the results of %d tasks", r->n_buffers);
    }
    for (int i = 0; i < r->n_buffers; i++) {
        r->buffers[i] = all + (size_t)i * stride;
    }
    r->n_free = r->n_buffers;
    return MN_OK;
}

static int check_order(struct round *r, const struct nas_round_order *order) {
    const int64_t slot = (int64_t)r->job.kind->slot_bytes(&r->job);
    const int64_t state = nas_rank_state_bytes(&r->s->e, &r->s->state);
    return slot == order->slot_bytes && state == order->state_bytes
               ? MN_OK
               : mn_fail(r->s->ctx, MN_INTERNAL,
                         "the results of a task have %lld bytes and the state %lld here, %lld and "
                         "%lld at rank 0",
                         (long long)slot, (long long)state, (long long)order->slot_bytes,
                         (long long)order->state_bytes);
}

/* Make the job that rank 0 describes. What goes wrong is the answer to its tasks. */
static int make_job(struct round *r, const struct nas_round_order *order, const char *what,
                    size_t bytes) {
    r->job = (struct nas_job){
        .kind = nas_rank_kind(order->kind), .e = &r->s->e, .state = &r->s->state, .n = order->n};
    if (r->job.kind == NULL || r->s->workers == NULL || order->n < 0 || order->n > MOST_TASKS ||
        order->where.size != sizeof order->where || order->where.split < MN_TRAIN ||
        order->where.split > MN_TEST) {
        return mn_fail(r->s->ctx, MN_INTERNAL, "rank 0 asks for what this rank has not opened");
    }
    int status = MN_OK;
    if (r->job.kind->unpack != NULL) {
        status = r->job.kind->unpack(&r->job, r->s->ctx, &r->arena, what, bytes);
    }
    if (status == MN_OK) {
        status = make_buffers(r);
    }
    return status == MN_OK ? check_order(r, order) : status;
}

static int serve_round_of(struct round *r, const struct nas_round_order *order, const char *what,
                          size_t bytes) {
    struct service *s = r->s;
    r->status = make_job(r, order, what, bytes);
    snprintf(r->message, sizeof r->message, "%s", nas_ctx_message(s->ctx));
    nas_ctx_clear(s->ctx);
    if (r->status == MN_INTERNAL) { /* the broadcast would not fit */
        return mn_fail(s->ctx, MN_INTERNAL, "%s", r->message);
    }
    int status = nas_rank_state(s->ranks, s->ctx, &s->e, &s->state);
    if (status == MN_OK) {
        status = nas_workers_open(s->workers, s->ctx, &order->where, order->n, work, r);
    }
    if (status == MN_OK) {
        status = serve_tasks(r);
    }
    nas_workers_close(s->workers);
    return status;
}

static int serve_round(struct service *s, const struct nas_head *head) {
    struct round r = {.s = s, .pulse = nas_now()};
    struct nas_round_order order;
    char *body = NULL;
    int status = nas_rank_text(s->ranks, s->ctx, 0, head->bytes, &body);
    if (status == MN_OK && head->bytes < (int64_t)sizeof order) {
        status = mn_fail(s->ctx, MN_INTERNAL, "rank 0 sends half a round");
    }
    if (status == MN_OK) {
        memcpy(&order, body, sizeof order);
        status =
            serve_round_of(&r, &order, body + sizeof order, (size_t)head->bytes - sizeof order);
    }
    if (r.job.kind != NULL && r.job.kind->drop != NULL) {
        r.job.kind->drop(&r.job);
    }
    nas_arena_fini(&r.arena);
    free(body);
    return status;
}

/* ---- serving ------------------------------------------------------------------------------ */

static int serve(struct service *s, int *code) {
    int idle = 0;
    for (;;) {
        struct nas_head head;
        int from;
        int status = nas_rank_poll(s->ranks, s->ctx, &from, &head);
        if (status == MN_OK && from < 0) {
            status = pass_signal(s);
            nas_rank_nap(&idle);
        } else if (status == MN_OK) {
            idle = 0;
            switch (head.word) {
            case NAS_OPEN:
                status = serve_open(s, &head);
                break;
            case NAS_ROUND:
                status = serve_round(s, &head);
                break;
            case NAS_CANCEL:
                status = take_signal(s, &head);
                break;
            case NAS_END:
                *code = (int)head.index;
                return MN_OK;
            default:
                status = mn_fail(s->ctx, MN_INTERNAL, "rank 0 says %d", (int)head.word);
            }
        }
        if (status != MN_OK) {
            return status;
        }
    }
}

int nas_ranks_serve(struct nas_ranks *ranks, struct mn_ctx *ctx, const char *const *plugin_dirs,
                    int *code) {
    struct service s = {.ranks = ranks, .ctx = ctx, .plugin_dirs = plugin_dirs};
    nas_ctx_of(ctx)->quiet = MN_LOG_ERROR - 1; /* rank 0 speaks for all */
    const int status = serve(&s, code);
    if (status != MN_OK) {
        ranks->lost = 1;
        nas_ctx_where(ctx, "rank %d", ranks->rank);
    }
    close_experiment(&s);
    return status;
}
