/* SPDX-License-Identifier: MIT */
/* What the ranks of a job say to each other. The first byte chooses who listens: rank 0 while a
 * configuration is opened, rank 0 in a round, or another rank. The rest are messages; after the
 * last one the connection is lost. */
#include "fuzz.h"
#include "state.h"

#include "exec/cluster/lead.h"
#include "exec/cluster/serve.h"
#include "exec/cluster/wire.h"
#include "exec/threads.h"
#include "learn/config_diff.h"
#include "learn/evaluate.h"
#include "learn/jobs.h"
#include "learn/meta_step.h"
#include "learn/state.h"
#include "store/provenance.h"

#include <stdlib.h>
#include <string.h>

enum { RANKS = 3, TASKS = 5 };

/* ---- the connection ----------------------------------------------------------------------- */

static struct {
    const uint8_t *at, *end;
    struct nas_head head;
    int32_t from;
} wire;

static int take_byte(uint8_t *out) {
    *out = wire.at < wire.end ? *wire.at++ : 0;
    return wire.at <= wire.end;
}

/* A message: sender and word in a byte, then status, index and length in a byte each, or a head as
 * it is. */
static void read_message(void) {
    uint8_t first, status, index, length;
    take_byte(&first);
    wire.from = (first >> 4 & 7) % (RANKS + 1);
    wire.head = (struct nas_head){.word = first & 15};
    if (first & 128 && wire.end - wire.at >= (ptrdiff_t)sizeof wire.head) {
        memcpy(&wire.head, wire.at, sizeof wire.head);
        wire.at += sizeof wire.head;
    } else {
        take_byte(&status);
        take_byte(&index);
        take_byte(&length);
        wire.head.status = (int8_t)status;
        wire.head.index = (int8_t)index;
        wire.head.bytes = length;
    }
}

static int fake_probe(void *self, struct mn_ctx *ctx, int32_t tag, struct mn_arrival *out) {
    if (wire.at >= wire.end) {
        return mn_fail(ctx, MN_IO, "the connection is lost");
    }
    read_message();
    out->from = wire.from;
    out->bytes = sizeof wire.head;
    return MN_OK;
}

static int fake_receive(void *self, struct mn_ctx *ctx, int32_t from, int32_t tag, int64_t bytes,
                        void *data) {
    fuzz_must(bytes > 0 && from >= 0 && from < RANKS);
    if (tag == 0) {
        fuzz_must(bytes == (int64_t)sizeof wire.head);
        memcpy(data, &wire.head, sizeof wire.head);
        return MN_OK;
    }
    if (bytes > wire.end - wire.at) {
        return mn_fail(ctx, MN_IO, "the connection is lost");
    }
    memcpy(data, wire.at, (size_t)bytes);
    wire.at += bytes;
    return MN_OK;
}

static int fake_send(void *self, struct mn_ctx *ctx, int32_t to, int32_t tag, int64_t bytes,
                     const void *data) {
    static volatile uint8_t sum;
    fuzz_must(bytes > 0 && to >= 0 && to < RANKS);
    for (int64_t i = 0; i < bytes; i++) { /* a sanitizer sees a read beyond */
        sum = (uint8_t)(sum + ((const uint8_t *)data)[i]);
    }
    return MN_OK;
}

static int fake_broadcast(void *self, struct mn_ctx *ctx, int64_t bytes, void *data) {
    return MN_OK;
}

/* ---- what is not the messages' matter ------------------------------------------------------ */

static struct nas_experiment experiment;
static struct nas_state state;

static size_t slot_bytes(const struct nas_job *job) {
    return 8;
}

static int run_task(const struct nas_job *job, struct mn_ctx *ctx, int64_t index, void *slot) {
    memcpy(slot, &index, 8);
    return index == 3 ? mn_fail(ctx, MN_NUMERIC, "not finite") : MN_OK;
}

static const struct nas_job_kind kind = {
    .name = "fuzz", .slot_bytes = slot_bytes, .run = run_task, .parts = nas_state_parts};

/* A number up to 9 is a kind; corpora name the last one. */
static const struct nas_job_kind *const kinds[] = {&nas_train_job,
                                                   &nas_evaluate_job,
                                                   &kind,
                                                   &kind,
                                                   &kind,
                                                   &kind,
                                                   &kind,
                                                   &kind,
                                                   &kind,
                                                   &kind,
                                                   NULL};

static int open_basis(struct mn_ctx *ctx, const struct nas_cluster_opening *how,
                      struct nas_cluster_basis *out) {
    if (strncmp(how->config, "bad", 3) == 0) {
        return mn_fail(ctx, MN_CONFIG, "a bad configuration");
    }
    *out =
        (struct nas_cluster_basis){.e = &experiment,
                                   .state = &state,
                                   .model = experiment.model,
                                   .threads = nas_experiment_threads(&experiment, how->processors),
                                   .provenance = strdup("fuzz")};
    fuzz_must(out->provenance != NULL);
    return MN_OK;
}

static void close_basis(struct nas_cluster_basis *basis) {
    free(basis->provenance);
}

static const struct nas_cluster_work jobs = {
    .kinds = kinds, .open = open_basis, .close = close_basis};

/* Threads that work when they are asked for results. */
static struct nas_threads {
    nas_task_fn job;
    void *data;
    int64_t most, added, taken;
    int64_t *list;
} pool;

int __wrap_nas_threads_new_apart(struct mn_ctx *ctx, int n, const struct mn_model *model,
                                 struct nas_threads **out);
int __wrap_nas_threads_new_apart(struct mn_ctx *ctx, int n, const struct mn_model *model,
                                 struct nas_threads **out) {
    *out = &pool;
    return MN_OK;
}

void __wrap_nas_threads_free(struct nas_threads *w);
void __wrap_nas_threads_free(struct nas_threads *w) {
}

int __wrap_nas_threads_open(struct nas_threads *w, struct mn_ctx *ctx, const struct mn_where *where,
                            int64_t most, nas_task_fn job, void *data);
int __wrap_nas_threads_open(struct nas_threads *w, struct mn_ctx *ctx, const struct mn_where *where,
                            int64_t most, nas_task_fn job, void *data) {
    fuzz_must(most >= 0 && where->size == sizeof *where);
    *w = (struct nas_threads){.job = job, .data = data, .most = most};
    if (most > TASKS) {
        return mn_fail(ctx, MN_NOMEM, "no memory");
    }
    w->list = calloc((size_t)most + 1, sizeof *w->list);
    fuzz_must(w->list != NULL);
    return MN_OK;
}

void __wrap_nas_threads_add(struct nas_threads *w, int64_t index);
void __wrap_nas_threads_add(struct nas_threads *w, int64_t index) {
    fuzz_must(w->added < w->most && index >= 0 && index < w->most);
    w->list[w->added++] = index;
}

int __wrap_nas_threads_take(struct nas_threads *w, struct nas_finished *out);
int __wrap_nas_threads_take(struct nas_threads *w, struct nas_finished *out) {
    struct nas_ctx context;
    if (w->taken == w->added) {
        return 0;
    }
    struct mn_ctx *ctx = fuzz_begin(&context);
    *out = (struct nas_finished){.index = w->list[w->taken++]};
    out->status = w->job(w->data, ctx, out->index);
    out->message = out->status != MN_OK ? strdup(nas_ctx_message(ctx)) : NULL;
    fuzz_end(&context);
    return 1;
}

void __wrap_nas_threads_close(struct nas_threads *w);
void __wrap_nas_threads_close(struct nas_threads *w) {
    free(w->list);
    w->list = NULL;
}

/* ---- the listeners ------------------------------------------------------------------------ */

static struct nas_cluster_basis basis; /* of rank 0 */

static void open_once(void) {
    static struct nas_ctx context;
    if (experiment.model == NULL) {
        struct mn_ctx *ctx = fuzz_begin(&context);
        fuzz_must(fuzz_experiment(&experiment, ctx) == MN_OK);
        fuzz_must(nas_state_new(&experiment, ctx, &state) == MN_OK);
        basis = (struct nas_cluster_basis){.e = &experiment,
                                           .state = &state,
                                           .model = experiment.model,
                                           .threads = 1,
                                           .batches = experiment.batches};
        fuzz_must(nas_config_text(&experiment, ctx, &basis.config) == MN_OK);
        fuzz_must(nas_provenance_text(&experiment.provenance, ctx, &basis.provenance) == MN_OK);
    }
}

static int open_all(struct nas_cluster *cluster, struct mn_ctx *ctx) {
    struct nas_executor *executor = NULL;
    const int status = nas_cluster_lead(cluster, ctx, &jobs, &basis, &executor);
    for (int i = 1; status == MN_OK && i < RANKS; i++) {
        fuzz_must(cluster->at[i].threads >= 1);
    }
    nas_executor_free(executor);
    return status;
}

/* A job that ends well has every slot filled. */
static int lead(struct nas_cluster *cluster, struct mn_ctx *ctx) {
    int64_t slots[TASKS * 8];
    const struct mn_where where = {.size = sizeof where};
    const struct nas_job job = {
        .kind = &kind, .e = &experiment, .state = &state, .n = TASKS, .slots = (char *)slots};
    struct nas_executor *executor;
    memset(slots, 0xee, sizeof slots);
    for (int i = 0; i < RANKS; i++) {
        cluster->at[i].threads = 1;
    }
    cluster->opened = strdup(basis.config);
    cluster->opened_batches = basis.batches;
    fuzz_must(nas_cluster_lead(cluster, ctx, &jobs, &basis, &executor) == MN_OK);
    const int status = executor->run(executor, ctx, &where, &job);
    for (int i = 0; status == MN_OK && i < TASKS; i++) {
        fuzz_must(slots[8 * i] != (int64_t)0xeeeeeeeeeeeeeeee);
    }
    executor->free(executor);
    return status;
}

static int serve(struct nas_cluster *cluster, struct mn_ctx *ctx) {
    int code = 0;
    cluster->rank = 1;
    return nas_cluster_serve(cluster, ctx, &jobs, NULL, &code);
}

FUZZ_TARGET(ranks) {
    struct nas_ctx context;
    struct nas_rank at[RANKS] = {0};
    struct nas_cluster ranks = {.n = RANKS, .started = 1, .at = at};
    open_once();
    if (size == 0) {
        return 0;
    }
    for (int i = 0; i < RANKS; i++) {
        at[i].processors = 1;
        at[i].first = i;
    }
    struct mn_ctx *ctx = fuzz_begin(&context);
    ranks.transport.label = "transport fuzz";
    ranks.transport.table.transport = (struct mn_transport){.size = sizeof(struct mn_transport),
                                                            .probe = fake_probe,
                                                            .receive = fake_receive,
                                                            .send = fake_send,
                                                            .broadcast = fake_broadcast};
    wire.at = data + 1;
    wire.end = data + size;
    const int status = data[0] % 3 == 0   ? open_all(&ranks, ctx)
                       : data[0] % 3 == 1 ? lead(&ranks, ctx)
                                          : serve(&ranks, ctx);
    fuzz_must_explain(ctx, status);
    fuzz_accepted += status == MN_OK;
    for (int i = 0; i < RANKS; i++) {
        free(at[i].why);
    }
    free(ranks.opened);
    nas_cancel_reset();
    fuzz_end(&context);
    return 0;
}
