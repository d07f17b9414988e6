/* SPDX-License-Identifier: MIT */
/* What the ranks of a job say to each other. The first byte chooses who listens: rank 0 while a
 * configuration is opened, rank 0 in a round, or another rank. The rest are messages; after the
 * last one the connection is lost. */
#include "fuzz.h"
#include "state.h"

#include "run/difference.h"
#include "run/metatrain.h"
#include "run/ranks_wire.h"
#include "run/workers.h"

#include <stdlib.h>
#include <string.h>

enum { RANKS = 3, TASKS = 5 };

/* ---- the connection ----------------------------------------------------------------------- */

static struct {
    const uint8_t *at, *end;
    struct mn__head head;
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
    wire.head = (struct mn__head){.word = first & 15};
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

static int fake_probe(void *self, struct mn_cx *cx, int32_t tag, struct mn_arrival *out) {
    if (wire.at >= wire.end) {
        return mn_fail(cx, MN_IO, "the connection is lost");
    }
    read_message();
    out->from = wire.from;
    out->bytes = sizeof wire.head;
    return MN_OK;
}

static int fake_receive(void *self, struct mn_cx *cx, int32_t from, int32_t tag, int64_t bytes,
                        void *data) {
    fuzz_must(bytes > 0 && from >= 0 && from < RANKS);
    if (tag == 0) {
        fuzz_must(bytes == (int64_t)sizeof wire.head);
        memcpy(data, &wire.head, sizeof wire.head);
        return MN_OK;
    }
    if (bytes > wire.end - wire.at) {
        return mn_fail(cx, MN_IO, "the connection is lost");
    }
    memcpy(data, wire.at, (size_t)bytes);
    wire.at += bytes;
    return MN_OK;
}

static int fake_send(void *self, struct mn_cx *cx, int32_t to, int32_t tag, int64_t bytes,
                     const void *data) {
    static volatile uint8_t sum;
    fuzz_must(bytes > 0 && to >= 0 && to < RANKS);
    for (int64_t i = 0; i < bytes; i++) { /* a sanitizer sees a read beyond */
        sum = (uint8_t)(sum + ((const uint8_t *)data)[i]);
    }
    return MN_OK;
}

static int fake_broadcast(void *self, struct mn_cx *cx, int64_t bytes, void *data) {
    return MN_OK;
}

/* ---- what is not the messages' matter ------------------------------------------------------ */

static struct mn__experiment experiment;
static struct mn__state state;

static size_t slot_bytes(const struct mn__job *job) {
    return 8;
}

static int run_task(const struct mn__job *job, struct mn_cx *cx, int64_t index, void *slot) {
    memcpy(slot, &index, 8);
    return index == 3 ? mn_fail(cx, MN_NUMERIC, "not finite") : MN_OK;
}

static const struct mn__job_kind kind = {.name = "fuzz", .slot_bytes = slot_bytes, .run = run_task};

const struct mn__job_kind *__real_mn__rank_kind(int64_t number);
const struct mn__job_kind *__wrap_mn__rank_kind(int64_t number);
const struct mn__job_kind *__wrap_mn__rank_kind(int64_t number) {
    return number == 9 ? &kind : __real_mn__rank_kind(number);
}

int64_t __wrap_mn__rank_kind_number(const struct mn__job_kind *of);
int64_t __wrap_mn__rank_kind_number(const struct mn__job_kind *of) {
    fuzz_must(of == &kind);
    return 9;
}

void __wrap_mn__rank_nap(int *idle);
void __wrap_mn__rank_nap(int *idle) {
    *idle += 1;
}

int __real_mn__experiment_open(struct mn__experiment *out, struct mn_cx *cx,
                               const struct mn__open *open);
int __wrap_mn__experiment_open(struct mn__experiment *out, struct mn_cx *cx,
                               const struct mn__open *open);
int __wrap_mn__experiment_open(struct mn__experiment *out, struct mn_cx *cx,
                               const struct mn__open *open) {
    if (experiment.model == NULL) {
        return __real_mn__experiment_open(out, cx, open);
    }
    if (strncmp(open->text, "bad", 3) == 0) {
        return mn_fail(cx, MN_CONFIG, "a bad configuration");
    }
    *out = experiment;
    return MN_OK;
}

void __wrap_mn__experiment_close(struct mn__experiment *e);
void __wrap_mn__experiment_close(struct mn__experiment *e) {
}

/* Workers that work when they are asked for results. */
static struct mn__workers {
    mn__job_fn job;
    void *data;
    int64_t most, added, taken;
    int64_t *list;
} workers;

int __wrap_mn__workers_new_apart(struct mn_cx *cx, int n, const struct mn_model *model,
                                 struct mn__workers **out);
int __wrap_mn__workers_new_apart(struct mn_cx *cx, int n, const struct mn_model *model,
                                 struct mn__workers **out) {
    *out = &workers;
    return MN_OK;
}

void __wrap_mn__workers_free(struct mn__workers *w);
void __wrap_mn__workers_free(struct mn__workers *w) {
}

int __wrap_mn__workers_open(struct mn__workers *w, struct mn_cx *cx, const struct mn_where *where,
                            int64_t most, mn__job_fn job, void *data);
int __wrap_mn__workers_open(struct mn__workers *w, struct mn_cx *cx, const struct mn_where *where,
                            int64_t most, mn__job_fn job, void *data) {
    fuzz_must(most >= 0 && where->size == sizeof *where);
    *w = (struct mn__workers){.job = job, .data = data, .most = most};
    if (most > TASKS) {
        return mn_fail(cx, MN_NOMEM, "no memory");
    }
    w->list = calloc((size_t)most + 1, sizeof *w->list);
    fuzz_must(w->list != NULL);
    return MN_OK;
}

void __wrap_mn__workers_add(struct mn__workers *w, int64_t index);
void __wrap_mn__workers_add(struct mn__workers *w, int64_t index) {
    fuzz_must(w->added < w->most && index >= 0 && index < w->most);
    w->list[w->added++] = index;
}

int __wrap_mn__workers_take(struct mn__workers *w, struct mn__finished *out);
int __wrap_mn__workers_take(struct mn__workers *w, struct mn__finished *out) {
    struct mn__cx context;
    if (w->taken == w->added) {
        return 0;
    }
    struct mn_cx *cx = fuzz_begin(&context);
    *out = (struct mn__finished){.index = w->list[w->taken++]};
    out->status = w->job(w->data, cx, out->index);
    out->message = out->status != MN_OK ? strdup(mn__cx_message(cx)) : NULL;
    fuzz_end(&context);
    return 1;
}

void __wrap_mn__workers_close(struct mn__workers *w);
void __wrap_mn__workers_close(struct mn__workers *w) {
    free(w->list);
    w->list = NULL;
}

/* ---- the listeners ------------------------------------------------------------------------ */

static void open_once(void) {
    static struct mn__cx context;
    if (experiment.model == NULL) {
        struct mn_cx *cx = fuzz_begin(&context);
        fuzz_must(fuzz_experiment(&experiment, cx) == MN_OK);
        fuzz_must(mn__state_new(&experiment, cx, &state) == MN_OK);
    }
}

static int open_all(struct mn__ranks *ranks, struct mn_cx *cx) {
    const int status = mn__rank_open(ranks, cx, &experiment);
    for (int i = 1; status == MN_OK && i < RANKS; i++) {
        fuzz_must(ranks->at[i].threads >= 1);
    }
    return status;
}

/* A job that ends well has every slot filled. */
static int lead(struct mn__ranks *ranks, struct mn_cx *cx) {
    int64_t slots[TASKS * 8];
    const struct mn_where where = {.size = sizeof where};
    const struct mn__job job = {
        .kind = &kind, .e = &experiment, .state = &state, .n = TASKS, .slots = (char *)slots};
    struct mn__executor *executor;
    memset(slots, 0xee, sizeof slots);
    for (int i = 0; i < RANKS; i++) {
        ranks->at[i].threads = 1;
    }
    size_t length;
    fuzz_must(mn__resolved_text(&experiment, cx, &ranks->opened, &length) == MN_OK);
    ranks->opened_batch = experiment.max_batch;
    fuzz_must(mn__ranks_executor(cx, &experiment, &executor) == MN_OK);
    const int status = executor->run(executor, cx, &where, &job);
    for (int i = 0; status == MN_OK && i < TASKS; i++) {
        fuzz_must(slots[8 * i] != (int64_t)0xeeeeeeeeeeeeeeee);
    }
    executor->free(executor);
    return status;
}

static int serve(struct mn__ranks *ranks, struct mn_cx *cx) {
    int code = 0;
    ranks->rank = 1;
    return mn__ranks_serve(ranks, cx, NULL, &code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mn__cx context;
    struct mn__rank at[RANKS] = {0};
    struct mn__ranks ranks = {.n = RANKS, .started = 1, .at = at};
    open_once();
    if (size == 0) {
        return 0;
    }
    for (int i = 0; i < RANKS; i++) {
        at[i].processors = 1;
        at[i].first = i;
    }
    struct mn_cx *cx = fuzz_begin(&context);
    context.ranks = &ranks;
    ranks.executor.label = "executor fuzz";
    ranks.executor.table.executor = (struct mn_executor){.size = sizeof(struct mn_executor),
                                                         .probe = fake_probe,
                                                         .receive = fake_receive,
                                                         .send = fake_send,
                                                         .broadcast = fake_broadcast};
    wire.at = data + 1;
    wire.end = data + size;
    const int status = data[0] % 3 == 0   ? open_all(&ranks, cx)
                       : data[0] % 3 == 1 ? lead(&ranks, cx)
                                          : serve(&ranks, cx);
    fuzz_must_explain(cx, status);
    fuzz_accepted += status == MN_OK;
    for (int i = 0; i < RANKS; i++) {
        free(at[i].why);
    }
    free(ranks.opened);
    mn__cancel_reset();
    fuzz_end(&context);
    return 0;
}
