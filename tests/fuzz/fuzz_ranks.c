/* SPDX-License-Identifier: MIT */
/* What the ranks of a job say to each other. The first byte chooses who listens: rank 0 while a
 * configuration is opened, rank 0 in a round, or another rank. The rest are messages; after the
 * last one the connection is lost. */
#include "fuzz.h"
#include "state.h"

#include "exec/cluster/wire.h"
#include "exec/threads.h"
#include "learn/config_diff.h"
#include "learn/state.h"

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

static const struct nas_job_kind kind = {.name = "fuzz", .slot_bytes = slot_bytes, .run = run_task};

const struct nas_job_kind *__real_nas_rank_kind(int64_t number);
const struct nas_job_kind *__wrap_nas_rank_kind(int64_t number);
const struct nas_job_kind *__wrap_nas_rank_kind(int64_t number) {
    return number == 9 ? &kind : __real_nas_rank_kind(number);
}

int64_t __wrap_nas_rank_kind_number(const struct nas_job_kind *of);
int64_t __wrap_nas_rank_kind_number(const struct nas_job_kind *of) {
    fuzz_must(of == &kind);
    return 9;
}

void __wrap_nas_rank_nap(int *idle);
void __wrap_nas_rank_nap(int *idle) {
    *idle += 1;
}

int __real_nas_experiment_open(struct nas_experiment *out, struct mn_ctx *ctx,
                               const struct nas_open *open);
int __wrap_nas_experiment_open(struct nas_experiment *out, struct mn_ctx *ctx,
                               const struct nas_open *open);
int __wrap_nas_experiment_open(struct nas_experiment *out, struct mn_ctx *ctx,
                               const struct nas_open *open) {
    if (experiment.model == NULL) {
        return __real_nas_experiment_open(out, ctx, open);
    }
    if (strncmp(open->text, "bad", 3) == 0) {
        return mn_fail(ctx, MN_CONFIG, "a bad configuration");
    }
    *out = experiment;
    return MN_OK;
}

void __wrap_nas_experiment_close(struct nas_experiment *e);
void __wrap_nas_experiment_close(struct nas_experiment *e) {
}

/* Workers that work when they are asked for results. */
static struct nas_workers {
    nas_job_fn job;
    void *data;
    int64_t most, added, taken;
    int64_t *list;
} workers;

int __wrap_nas_workers_new_apart(struct mn_ctx *ctx, int n, const struct mn_model *model,
                                 struct nas_workers **out);
int __wrap_nas_workers_new_apart(struct mn_ctx *ctx, int n, const struct mn_model *model,
                                 struct nas_workers **out) {
    *out = &workers;
    return MN_OK;
}

void __wrap_nas_workers_free(struct nas_workers *w);
void __wrap_nas_workers_free(struct nas_workers *w) {
}

int __wrap_nas_workers_open(struct nas_workers *w, struct mn_ctx *ctx, const struct mn_where *where,
                            int64_t most, nas_job_fn job, void *data);
int __wrap_nas_workers_open(struct nas_workers *w, struct mn_ctx *ctx, const struct mn_where *where,
                            int64_t most, nas_job_fn job, void *data) {
    fuzz_must(most >= 0 && where->size == sizeof *where);
    *w = (struct nas_workers){.job = job, .data = data, .most = most};
    if (most > TASKS) {
        return mn_fail(ctx, MN_NOMEM, "no memory");
    }
    w->list = calloc((size_t)most + 1, sizeof *w->list);
    fuzz_must(w->list != NULL);
    return MN_OK;
}

void __wrap_nas_workers_add(struct nas_workers *w, int64_t index);
void __wrap_nas_workers_add(struct nas_workers *w, int64_t index) {
    fuzz_must(w->added < w->most && index >= 0 && index < w->most);
    w->list[w->added++] = index;
}

int __wrap_nas_workers_take(struct nas_workers *w, struct nas_finished *out);
int __wrap_nas_workers_take(struct nas_workers *w, struct nas_finished *out) {
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

void __wrap_nas_workers_close(struct nas_workers *w);
void __wrap_nas_workers_close(struct nas_workers *w) {
    free(w->list);
    w->list = NULL;
}

/* ---- the listeners ------------------------------------------------------------------------ */

static void open_once(void) {
    static struct nas_ctx context;
    if (experiment.model == NULL) {
        struct mn_ctx *ctx = fuzz_begin(&context);
        fuzz_must(fuzz_experiment(&experiment, ctx) == MN_OK);
        fuzz_must(nas_state_new(&experiment, ctx, &state) == MN_OK);
    }
}

static int open_all(struct nas_ranks *ranks, struct mn_ctx *ctx) {
    const int status = nas_rank_open(ranks, ctx, &experiment);
    for (int i = 1; status == MN_OK && i < RANKS; i++) {
        fuzz_must(ranks->at[i].threads >= 1);
    }
    return status;
}

/* A job that ends well has every slot filled. */
static int lead(struct nas_ranks *ranks, struct mn_ctx *ctx) {
    int64_t slots[TASKS * 8];
    const struct mn_where where = {.size = sizeof where};
    const struct nas_job job = {
        .kind = &kind, .e = &experiment, .state = &state, .n = TASKS, .slots = (char *)slots};
    struct nas_executor *executor;
    memset(slots, 0xee, sizeof slots);
    for (int i = 0; i < RANKS; i++) {
        ranks->at[i].threads = 1;
    }
    size_t length;
    fuzz_must(nas_config_text(&experiment, ctx, &ranks->opened, &length) == MN_OK);
    ranks->opened_batch = experiment.max_batch;
    fuzz_must(nas_ranks_executor(ctx, &experiment, &executor) == MN_OK);
    const int status = executor->run(executor, ctx, &where, &job);
    for (int i = 0; status == MN_OK && i < TASKS; i++) {
        fuzz_must(slots[8 * i] != (int64_t)0xeeeeeeeeeeeeeeee);
    }
    executor->free(executor);
    return status;
}

static int serve(struct nas_ranks *ranks, struct mn_ctx *ctx) {
    int code = 0;
    ranks->rank = 1;
    return nas_ranks_serve(ranks, ctx, NULL, &code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct nas_ctx context;
    struct nas_rank at[RANKS] = {0};
    struct nas_ranks ranks = {.n = RANKS, .started = 1, .at = at};
    open_once();
    if (size == 0) {
        return 0;
    }
    for (int i = 0; i < RANKS; i++) {
        at[i].processors = 1;
        at[i].first = i;
    }
    struct mn_ctx *ctx = fuzz_begin(&context);
    context.ranks = &ranks;
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
