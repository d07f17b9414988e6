/* SPDX-License-Identifier: MIT */
#include "exec/cluster/cluster.h"

#include "base/clock.h"
#include "exec/cluster/wire.h"
#include "exec/launch.h"
#include "learn/evaluate_job.h"
#include "learn/train_job.h"
#include "store/provenance.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct nas_job_kind *const kinds[] = {&nas_train_job, &nas_evaluate_job};

const struct nas_job_kind *nas_rank_kind(int64_t number) {
    const int64_t n = sizeof kinds / sizeof kinds[0];
    return number >= 0 && number < n ? kinds[number] : NULL;
}

int64_t nas_rank_kind_number(const struct nas_job_kind *kind) {
    int64_t i = 0;
    while (nas_rank_kind(i) != NULL && nas_rank_kind(i) != kind) {
        i++;
    }
    return nas_rank_kind(i) != NULL ? i : -1;
}

/* ---- messages ----------------------------------------------------------------------------- */

enum { HEADS, BODIES }; /* tags */

/* Of a message that is not results: a configuration, a plan, a reason. */
enum { MOST_TEXT = 1 << 24 };

static const struct mn_transport *table_of(const struct nas_ranks *ranks) {
    return &ranks->transport.table.transport;
}

/* After a call that moves bytes. */
static int count(struct nas_ranks *ranks, struct nas_call *call, double begin, int status) {
    ranks->traffic.communication += nas_now() - begin;
    status = nas_call_end(call, status);
    ranks->lost |= status != MN_OK;
    return status;
}

static int send_part(struct nas_ranks *ranks, struct mn_ctx *ctx, int to, int tag, int64_t bytes,
                     const void *data) {
    const double begin = nas_now();
    struct nas_call call = nas_call_begin(ctx, &ranks->transport);
    ranks->traffic.bytes_out += bytes;
    return count(ranks, &call, begin,
                 table_of(ranks)->send(ranks->transport.self, ctx, to, tag, bytes, data));
}

static int receive_part(struct nas_ranks *ranks, struct mn_ctx *ctx, int from, int tag,
                        int64_t bytes, void *data) {
    const double begin = nas_now();
    struct nas_call call = nas_call_begin(ctx, &ranks->transport);
    ranks->traffic.bytes_in += bytes;
    return count(ranks, &call, begin,
                 table_of(ranks)->receive(ranks->transport.self, ctx, from, tag, bytes, data));
}

int nas_rank_send(struct nas_ranks *ranks, struct mn_ctx *ctx, int to, const struct nas_head *head,
                  const void *body) {
    const int status = send_part(ranks, ctx, to, HEADS, sizeof *head, head);
    return status != MN_OK || head->bytes == 0
               ? status
               : send_part(ranks, ctx, to, BODIES, head->bytes, body);
}

int nas_rank_poll(struct nas_ranks *ranks, struct mn_ctx *ctx, int *from, struct nas_head *head) {
    struct mn_arrival arrival = {.size = sizeof arrival, .from = -1};
    struct nas_call call = nas_call_begin(ctx, &ranks->transport);
    int status =
        nas_call_end(&call, table_of(ranks)->probe(ranks->transport.self, ctx, HEADS, &arrival));
    ranks->lost |= status != MN_OK;
    *from = status == MN_OK ? arrival.from : -1;
    if (*from < 0) {
        return status;
    }
    if (*from >= ranks->n || arrival.bytes != (int64_t)sizeof *head) {
        return mn_fail(ctx, MN_INTERNAL, "a message of %lld bytes from rank %d is not one of ours",
                       (long long)arrival.bytes, *from);
    }
    status = receive_part(ranks, ctx, *from, HEADS, sizeof *head, head);
    if (status == MN_OK && head->bytes < 0) {
        ranks->lost = 1;
        return mn_fail(ctx, MN_INTERNAL, "rank %d announces %lld bytes, which no message has",
                       *from, (long long)head->bytes);
    }
    if (status == MN_OK && ranks->at != NULL) {
        ranks->at[*from].heard = nas_now();
    }
    return status;
}

int nas_rank_body(struct nas_ranks *ranks, struct mn_ctx *ctx, int from, int64_t bytes, void *out) {
    return bytes > 0 ? receive_part(ranks, ctx, from, BODIES, bytes, out) : MN_OK;
}

int nas_rank_text(struct nas_ranks *ranks, struct mn_ctx *ctx, int from, int64_t bytes,
                  char **out) {
    if (bytes > MOST_TEXT) {
        return mn_fail(ctx, MN_INTERNAL, "rank %d announces %lld bytes, which no message has", from,
                       (long long)bytes);
    }
    char *text = malloc((size_t)bytes + 1);
    if (text == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a message of %lld bytes", (long long)bytes);
    }
    const int status = nas_rank_body(ranks, ctx, from, bytes, text);
    text[bytes] = '\0';
    *out = text;
    return status;
}

int nas_rank_signal(struct mn_ctx *ctx, int from, const struct nas_head *head) {
    if (head->index < 1 || head->index > 64 || head->bytes != 0) {
        return mn_fail(ctx, MN_INTERNAL, "rank %d tells of signal %lld, which there is not", from,
                       (long long)head->index);
    }
    nas_cancel((int)head->index);
    return MN_OK;
}

int64_t nas_rank_state_bytes(const struct nas_experiment *e, const struct nas_state *state) {
    struct nas_state_part parts[NAS_MOST_NAMED + 3];
    const int n = nas_state_parts(e, state, parts);
    int64_t bytes = 0;
    for (int i = 0; i < n; i++) {
        bytes += parts[i].bytes;
    }
    return bytes;
}

int nas_rank_state(struct nas_ranks *ranks, struct mn_ctx *ctx, const struct nas_experiment *e,
                   const struct nas_state *state) {
    struct nas_state_part parts[NAS_MOST_NAMED + 3];
    const int n = nas_state_parts(e, state, parts);
    const double begin = nas_now();
    int status = MN_OK;
    if (ranks->n == 1) {
        return MN_OK;
    }
    struct nas_call call = nas_call_begin(ctx, &ranks->transport);
    for (int i = 0; status == MN_OK && i < n; i++) {
        status =
            table_of(ranks)->broadcast(ranks->transport.self, ctx, parts[i].bytes, parts[i].at);
        *(ranks->rank == 0 ? &ranks->traffic.bytes_out : &ranks->traffic.bytes_in) +=
            parts[i].bytes;
    }
    return count(ranks, &call, begin, status);
}

void nas_rank_nap(int *idle) {
    const long first = 20000, last = 1000000; /* nanoseconds */
    const long nap = *idle < 6 ? first << *idle : last;
    *idle += *idle < 6;
    nanosleep(&(struct timespec){0, nap < last ? nap : last}, NULL);
}

/* ---- joining ------------------------------------------------------------------------------ */

static int introduce(struct mn_ctx *ctx, struct nas_hello *out) {
    cpu_set_t allowed;
    memset(out, 0, sizeof *out);
    CPU_ZERO(&allowed);
    snprintf(out->version, sizeof out->version, "%s", NAS_VERSION);
    if (gethostname(out->host, sizeof out->host - 1) != 0) {
        snprintf(out->host, sizeof out->host, "?");
    }
    out->processors = nas_launch_processors();
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        _Static_assert(sizeof allowed <= sizeof out->allowed, "the mask has room");
        memcpy(out->allowed, &allowed, sizeof allowed);
    }
    return nas_provenance_checksum(ctx, "/proc/self/exe", &out->program);
}

/* Ranks of a node that may use the same processors share them. */
static void look_at_nodes(struct nas_ranks *ranks, const struct nas_hello *hellos) {
    for (int i = 0; i < ranks->n; i++) {
        int sharing = 0, there = 0;
        ranks->at[i].first = -1;
        for (int k = 0; k < ranks->n; k++) {
            const int same = strcmp(hellos[i].host, hellos[k].host) == 0;
            ranks->at[i].first = same && ranks->at[i].first < 0 ? k : ranks->at[i].first;
            there += same;
            sharing +=
                same && memcmp(hellos[i].allowed, hellos[k].allowed, sizeof hellos[i].allowed) == 0;
        }
        ranks->at[i].alone = there == 1;
        const int share = hellos[i].processors / sharing;
        ranks->at[i].processors = share > 0 ? share : 1;
        memcpy(ranks->at[i].host, hellos[i].host, sizeof ranks->at[i].host);
    }
}

static int check_program(struct mn_ctx *ctx, const struct nas_hello *hellos, int rank) {
    const struct nas_hello *a = &hellos[0], *b = &hellos[rank];
    return strcmp(a->version, b->version) == 0 && a->program == b->program
               ? MN_OK
               : mn_fail(ctx, MN_CONFIG,
                         "rank %d (%s) runs metanas %s (file crc32 %08x), rank 0 (%s) %s (%08x): "
                         "install the same program on every node",
                         rank, b->host, b->version, b->program, a->host, a->version, a->program);
}

/* Rank 0 hears all others out before it says what is wrong. */
static int gather(struct nas_ranks *ranks, struct mn_ctx *ctx, struct nas_hello *hellos) {
    int status = introduce(ctx, &hellos[0]), idle = 0;
    for (int heard = 1; status == MN_OK && heard < ranks->n;) {
        struct nas_head head;
        int from;
        status = nas_rank_poll(ranks, ctx, &from, &head);
        if (status == MN_OK && from >= 0 &&
            (head.word != NAS_HELLO || head.bytes != (int64_t)sizeof *hellos)) {
            return mn_fail(ctx, MN_CONFIG,
                           "rank %d does not speak as this program does: install the same program "
                           "on every node",
                           from);
        }
        if (status == MN_OK && from >= 0) {
            status = nas_rank_body(ranks, ctx, from, head.bytes, &hellos[from]);
            heard++;
            idle = 0;
        } else if (status == MN_OK) {
            nas_rank_nap(&idle);
        }
    }
    for (int i = 1; status == MN_OK && i < ranks->n; i++) {
        status = check_program(ctx, hellos, i);
    }
    return status;
}

static int greet(struct nas_ranks *ranks, struct mn_ctx *ctx) {
    struct nas_hello hello;
    if (ranks->rank > 0) {
        const struct nas_head head = {.word = NAS_HELLO, .bytes = sizeof hello};
        const int status = introduce(ctx, &hello);
        return status != MN_OK ? status : nas_rank_send(ranks, ctx, 0, &head, &hello);
    }
    struct nas_hello *hellos = calloc((size_t)ranks->n, sizeof *hellos);
    ranks->at = calloc((size_t)ranks->n, sizeof *ranks->at);
    int status = hellos != NULL && ranks->at != NULL
                     ? gather(ranks, ctx, hellos)
                     : mn_fail(ctx, MN_NOMEM, "no memory for %d ranks", ranks->n);
    if (status == MN_OK) {
        look_at_nodes(ranks, hellos);
        nas_ctx_of(ctx)->sharing = !ranks->at[0].alone;
    }
    free(hellos);
    return status;
}

/* A launcher of another MPI starts processes that do not find each other: each would lead. */
static int check_launch(struct nas_ranks *ranks, struct mn_ctx *ctx) {
    const struct nas_launch launch = nas_launch_read();
    if (ranks->n == 1 && launch.processes > 1) {
        return mn_fail(ctx, MN_CONFIG,
                       "%d processes were started (%s), but %s finds this one alone: it was built "
                       "with another MPI library than that of the mpirun in use; start it with the "
                       "one it was built with (with srun: --mpi=...)",
                       launch.processes, launch.variable, ranks->transport.label);
    }
    if (ranks->n == 1) {
        mn_log(ctx, MN_LOG_WARN,
               "%s: there is one rank only; mpirun -n N metanas ... or srun starts more",
               ranks->transport.label);
    }
    return MN_OK;
}

static int load(struct nas_ranks *ranks, struct mn_ctx *ctx, const char *use, struct nas_mark mark,
                const char *const *plugin_dirs) {
    struct nas_arena arena = {0};
    struct nas_faults faults = {.arena = &arena};
    int status = nas_registry_new(ctx, plugin_dirs, &ranks->registry);
    if (status == MN_OK) {
        status = nas_instance_init(&ranks->transport, ctx, ranks->registry, MN_TRANSPORT, NULL,
                                   NULL, use, mark, &faults);
    }
    if (status == MN_OK && faults.count > 0) {
        status = mn_fail(ctx, MN_CONFIG,
                         "%s\n  the transport mpi is built where meson finds MPI (option mpi); "
                         "--set run.transport=none lets every process work alone",
                         faults.first->text);
    }
    nas_arena_fini(&arena);
    return status;
}

static int start(struct nas_ranks *ranks, struct mn_ctx *ctx) {
    struct mn_ranks about = {.size = sizeof about, .patience = NAS_SILENCE};
    struct nas_call call = nas_call_begin(ctx, &ranks->transport);
    const int status =
        nas_call_end(&call, table_of(ranks)->start(ranks->transport.self, ctx, &about));
    if (status != MN_OK) {
        return status;
    }
    ranks->started = 1;
    ranks->rank = about.rank;
    ranks->n = about.ranks;
    return about.ranks >= 1 && about.rank >= 0 && about.rank < about.ranks
               ? MN_OK
               : mn_fail(ctx, MN_INTERNAL, "%s: this is rank %d of %d: an error of the plugin",
                         ranks->transport.label, about.rank, about.ranks);
}

int nas_ranks_join(struct mn_ctx *ctx, const char *use, struct nas_mark mark,
                   const char *const *plugin_dirs, struct nas_ranks **out) {
    struct nas_ranks *ranks = calloc(1, sizeof *ranks);
    if (ranks == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the ranks");
    }
    *out = ranks;
    int status = load(ranks, ctx, use, mark, plugin_dirs);
    if (status == MN_OK) {
        status = start(ranks, ctx);
    }
    if (status == MN_OK) {
        status = check_launch(ranks, ctx);
    }
    if (status == MN_OK) {
        status = greet(ranks, ctx);
    }
    return status;
}

int nas_ranks_rank(const struct nas_ranks *ranks) {
    return ranks->started ? ranks->rank : -1;
}

/* ---- leaving ------------------------------------------------------------------------------ */

static void disconnect(struct nas_ranks *ranks, int code) {
    struct nas_ctx ctx;
    nas_ctx_init(&ctx, NULL);
    const struct nas_head end = {.word = NAS_END, .index = code};
    for (int i = 1; ranks->rank == 0 && !ranks->lost && i < ranks->n; i++) {
        nas_rank_send(ranks, &ctx.pub, i, &end, NULL);
    }
    if (ranks->lost) {
        fflush(NULL);
        table_of(ranks)->abort(ranks->transport.self, code);
    } else {
        table_of(ranks)->stop(ranks->transport.self);
    }
    nas_ctx_fini(&ctx);
}

void nas_ranks_leave(struct nas_ranks *ranks, int code) {
    if (ranks == NULL) {
        return;
    }
    if (ranks->started) {
        disconnect(ranks, code);
    }
    nas_instance_fini(&ranks->transport);
    nas_registry_free(ranks->registry);
    for (int i = 0; ranks->at != NULL && i < ranks->n; i++) {
        free(ranks->at[i].why);
    }
    free(ranks->at);
    free(ranks->opened);
    free(ranks);
}
