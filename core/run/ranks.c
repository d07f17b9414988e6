/* SPDX-License-Identifier: MIT */
#include "run/ranks.h"

#include "run/evaluate_job.h"
#include "run/launch.h"
#include "run/origin.h"
#include "run/progress.h"
#include "run/ranks_wire.h"
#include "run/train_job.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct mn__job_kind *const kinds[] = {&mn__train_job, &mn__evaluate_job};

const struct mn__job_kind *mn__rank_kind(int64_t number) {
    const int64_t n = sizeof kinds / sizeof kinds[0];
    return number >= 0 && number < n ? kinds[number] : NULL;
}

int64_t mn__rank_kind_number(const struct mn__job_kind *kind) {
    int64_t i = 0;
    while (mn__rank_kind(i) != NULL && mn__rank_kind(i) != kind) {
        i++;
    }
    return mn__rank_kind(i) != NULL ? i : -1;
}

/* ---- messages ----------------------------------------------------------------------------- */

enum { HEADS, BODIES }; /* tags */

/* Of a message that is not results: a configuration, a plan, a reason. */
enum { MOST_TEXT = 1 << 24 };

static const struct mn_executor *table_of(const struct mn__ranks *ranks) {
    return &ranks->executor.table.executor;
}

/* After a call that moves bytes. */
static int count(struct mn__ranks *ranks, struct mn__call *call, double begin, int status) {
    ranks->traffic.communication += mn__seconds() - begin;
    status = mn__call_end(call, status);
    ranks->lost |= status != MN_OK;
    return status;
}

static int send_part(struct mn__ranks *ranks, struct mn_cx *cx, int to, int tag, int64_t bytes,
                     const void *data) {
    const double begin = mn__seconds();
    struct mn__call call = mn__call_begin(cx, &ranks->executor);
    ranks->traffic.bytes_out += bytes;
    return count(ranks, &call, begin,
                 table_of(ranks)->send(ranks->executor.self, cx, to, tag, bytes, data));
}

static int receive_part(struct mn__ranks *ranks, struct mn_cx *cx, int from, int tag, int64_t bytes,
                        void *data) {
    const double begin = mn__seconds();
    struct mn__call call = mn__call_begin(cx, &ranks->executor);
    ranks->traffic.bytes_in += bytes;
    return count(ranks, &call, begin,
                 table_of(ranks)->receive(ranks->executor.self, cx, from, tag, bytes, data));
}

int mn__rank_send(struct mn__ranks *ranks, struct mn_cx *cx, int to, const struct mn__head *head,
                  const void *body) {
    const int status = send_part(ranks, cx, to, HEADS, sizeof *head, head);
    return status != MN_OK || head->bytes == 0
               ? status
               : send_part(ranks, cx, to, BODIES, head->bytes, body);
}

int mn__rank_poll(struct mn__ranks *ranks, struct mn_cx *cx, int *from, struct mn__head *head) {
    struct mn_arrival arrival = {.size = sizeof arrival, .from = -1};
    struct mn__call call = mn__call_begin(cx, &ranks->executor);
    int status =
        mn__call_end(&call, table_of(ranks)->probe(ranks->executor.self, cx, HEADS, &arrival));
    ranks->lost |= status != MN_OK;
    *from = status == MN_OK ? arrival.from : -1;
    if (*from < 0) {
        return status;
    }
    if (*from >= ranks->n || arrival.bytes != (int64_t)sizeof *head) {
        return mn_fail(cx, MN_INTERNAL, "a message of %lld bytes from rank %d is not one of ours",
                       (long long)arrival.bytes, *from);
    }
    status = receive_part(ranks, cx, *from, HEADS, sizeof *head, head);
    if (status == MN_OK && head->bytes < 0) {
        ranks->lost = 1;
        return mn_fail(cx, MN_INTERNAL, "rank %d announces %lld bytes, which no message has", *from,
                       (long long)head->bytes);
    }
    if (status == MN_OK && ranks->at != NULL) {
        ranks->at[*from].heard = mn__seconds();
    }
    return status;
}

int mn__rank_body(struct mn__ranks *ranks, struct mn_cx *cx, int from, int64_t bytes, void *out) {
    return bytes > 0 ? receive_part(ranks, cx, from, BODIES, bytes, out) : MN_OK;
}

int mn__rank_text(struct mn__ranks *ranks, struct mn_cx *cx, int from, int64_t bytes, char **out) {
    if (bytes > MOST_TEXT) {
        return mn_fail(cx, MN_INTERNAL, "rank %d announces %lld bytes, which no message has", from,
                       (long long)bytes);
    }
    char *text = malloc((size_t)bytes + 1);
    if (text == NULL) {
        return mn_fail(cx, MN_NOMEM, "no memory for a message of %lld bytes", (long long)bytes);
    }
    const int status = mn__rank_body(ranks, cx, from, bytes, text);
    text[bytes] = '\0';
    *out = text;
    return status;
}

int mn__rank_signal(struct mn_cx *cx, int from, const struct mn__head *head) {
    if (head->index < 1 || head->index > 64 || head->bytes != 0) {
        return mn_fail(cx, MN_INTERNAL, "rank %d tells of signal %lld, which there is not", from,
                       (long long)head->index);
    }
    mn__cancel((int)head->index);
    return MN_OK;
}

int64_t mn__rank_state_bytes(const struct mn__experiment *e, const struct mn__state *state) {
    struct mn__state_part parts[MN__MOST_NAMED + 3];
    const int n = mn__state_parts(e, state, parts);
    int64_t bytes = 0;
    for (int i = 0; i < n; i++) {
        bytes += parts[i].bytes;
    }
    return bytes;
}

int mn__rank_state(struct mn__ranks *ranks, struct mn_cx *cx, const struct mn__experiment *e,
                   const struct mn__state *state) {
    struct mn__state_part parts[MN__MOST_NAMED + 3];
    const int n = mn__state_parts(e, state, parts);
    const double begin = mn__seconds();
    int status = MN_OK;
    if (ranks->n == 1) {
        return MN_OK;
    }
    struct mn__call call = mn__call_begin(cx, &ranks->executor);
    for (int i = 0; status == MN_OK && i < n; i++) {
        status = table_of(ranks)->broadcast(ranks->executor.self, cx, parts[i].bytes, parts[i].at);
        *(ranks->rank == 0 ? &ranks->traffic.bytes_out : &ranks->traffic.bytes_in) +=
            parts[i].bytes;
    }
    return count(ranks, &call, begin, status);
}

void mn__rank_nap(int *idle) {
    const long first = 20000, last = 1000000; /* nanoseconds */
    const long nap = *idle < 6 ? first << *idle : last;
    *idle += *idle < 6;
    nanosleep(&(struct timespec){0, nap < last ? nap : last}, NULL);
}

/* ---- joining ------------------------------------------------------------------------------ */

static int introduce(struct mn_cx *cx, struct mn__hello *out) {
    cpu_set_t allowed;
    memset(out, 0, sizeof *out);
    CPU_ZERO(&allowed);
    snprintf(out->version, sizeof out->version, "%s", MN__VERSION);
    if (gethostname(out->host, sizeof out->host - 1) != 0) {
        snprintf(out->host, sizeof out->host, "?");
    }
    out->processors = mn__launch_processors();
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        _Static_assert(sizeof allowed <= sizeof out->allowed, "the mask has room");
        memcpy(out->allowed, &allowed, sizeof allowed);
    }
    return mn__origin_checksum(cx, "/proc/self/exe", &out->program);
}

/* Ranks of a node that may use the same processors share them. */
static void look_at_nodes(struct mn__ranks *ranks, const struct mn__hello *hellos) {
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

static int check_program(struct mn_cx *cx, const struct mn__hello *hellos, int rank) {
    const struct mn__hello *a = &hellos[0], *b = &hellos[rank];
    return strcmp(a->version, b->version) == 0 && a->program == b->program
               ? MN_OK
               : mn_fail(cx, MN_CONFIG,
                         "rank %d (%s) runs metanas %s (file crc32 %08x), rank 0 (%s) %s (%08x): "
                         "install the same program on every node",
                         rank, b->host, b->version, b->program, a->host, a->version, a->program);
}

/* Rank 0 hears all others out before it says what is wrong. */
static int gather(struct mn__ranks *ranks, struct mn_cx *cx, struct mn__hello *hellos) {
    int status = introduce(cx, &hellos[0]), idle = 0;
    for (int heard = 1; status == MN_OK && heard < ranks->n;) {
        struct mn__head head;
        int from;
        status = mn__rank_poll(ranks, cx, &from, &head);
        if (status == MN_OK && from >= 0 &&
            (head.word != MN__HELLO || head.bytes != (int64_t)sizeof *hellos)) {
            return mn_fail(cx, MN_CONFIG,
                           "rank %d does not speak as this program does: install the same program "
                           "on every node",
                           from);
        }
        if (status == MN_OK && from >= 0) {
            status = mn__rank_body(ranks, cx, from, head.bytes, &hellos[from]);
            heard++;
            idle = 0;
        } else if (status == MN_OK) {
            mn__rank_nap(&idle);
        }
    }
    for (int i = 1; status == MN_OK && i < ranks->n; i++) {
        status = check_program(cx, hellos, i);
    }
    return status;
}

static int greet(struct mn__ranks *ranks, struct mn_cx *cx) {
    struct mn__hello hello;
    if (ranks->rank > 0) {
        const struct mn__head head = {.word = MN__HELLO, .bytes = sizeof hello};
        const int status = introduce(cx, &hello);
        return status != MN_OK ? status : mn__rank_send(ranks, cx, 0, &head, &hello);
    }
    struct mn__hello *hellos = calloc((size_t)ranks->n, sizeof *hellos);
    ranks->at = calloc((size_t)ranks->n, sizeof *ranks->at);
    int status = hellos != NULL && ranks->at != NULL
                     ? gather(ranks, cx, hellos)
                     : mn_fail(cx, MN_NOMEM, "no memory for %d ranks", ranks->n);
    if (status == MN_OK) {
        look_at_nodes(ranks, hellos);
        mn__cx_of(cx)->sharing = !ranks->at[0].alone;
    }
    free(hellos);
    return status;
}

/* A launcher of another MPI starts processes that do not find each other: each would lead. */
static int check_launch(struct mn__ranks *ranks, struct mn_cx *cx) {
    const struct mn__launch launch = mn__launch_read();
    if (ranks->n == 1 && launch.processes > 1) {
        return mn_fail(cx, MN_CONFIG,
                       "%d processes were started (%s), but %s finds this one alone: it was built "
                       "with another MPI library than that of the mpirun in use; start it with the "
                       "one it was built with (with srun: --mpi=...)",
                       launch.processes, launch.variable, ranks->executor.label);
    }
    if (ranks->n == 1) {
        mn_log(cx, MN_LOG_WARN,
               "%s: there is one rank only; mpirun -n N metanas ... or srun starts more",
               ranks->executor.label);
    }
    return MN_OK;
}

static int load(struct mn__ranks *ranks, struct mn_cx *cx, const char *use, struct mn__mark mark,
                const char *const *plugin_dirs) {
    struct mn__arena arena = {0};
    struct mn__faults faults = {.arena = &arena};
    int status = mn__registry_new(cx, plugin_dirs, &ranks->registry);
    if (status == MN_OK) {
        status = mn__instance_init(&ranks->executor, cx, ranks->registry, MN_EXECUTOR, NULL, NULL,
                                   use, mark, &faults);
    }
    if (status == MN_OK && faults.count > 0) {
        status = mn_fail(cx, MN_CONFIG,
                         "%s\n  the executor mpi is built where meson finds MPI (option mpi); "
                         "--set run.executor=threads lets every process work alone",
                         faults.first->text);
    }
    mn__arena_fini(&arena);
    return status;
}

static int start(struct mn__ranks *ranks, struct mn_cx *cx) {
    struct mn_ranks about = {.size = sizeof about, .patience = MN__SILENCE};
    struct mn__call call = mn__call_begin(cx, &ranks->executor);
    const int status =
        mn__call_end(&call, table_of(ranks)->start(ranks->executor.self, cx, &about));
    if (status != MN_OK) {
        return status;
    }
    ranks->started = 1;
    ranks->rank = about.rank;
    ranks->n = about.ranks;
    return about.ranks >= 1 && about.rank >= 0 && about.rank < about.ranks
               ? MN_OK
               : mn_fail(cx, MN_INTERNAL, "%s: this is rank %d of %d: an error of the plugin",
                         ranks->executor.label, about.rank, about.ranks);
}

int mn__ranks_join(struct mn_cx *cx, const char *use, struct mn__mark mark,
                   const char *const *plugin_dirs, struct mn__ranks **out) {
    struct mn__ranks *ranks = calloc(1, sizeof *ranks);
    if (ranks == NULL) {
        return mn_fail(cx, MN_NOMEM, "no memory for the ranks");
    }
    *out = ranks;
    int status = load(ranks, cx, use, mark, plugin_dirs);
    if (status == MN_OK) {
        status = start(ranks, cx);
    }
    if (status == MN_OK) {
        status = check_launch(ranks, cx);
    }
    if (status == MN_OK) {
        status = greet(ranks, cx);
    }
    return status;
}

int mn__ranks_rank(const struct mn__ranks *ranks) {
    return ranks->started ? ranks->rank : -1;
}

/* ---- leaving ------------------------------------------------------------------------------ */

static void disconnect(struct mn__ranks *ranks, int code) {
    struct mn__cx cx;
    mn__cx_init(&cx);
    const struct mn__head end = {.word = MN__END, .index = code};
    for (int i = 1; ranks->rank == 0 && !ranks->lost && i < ranks->n; i++) {
        mn__rank_send(ranks, &cx.pub, i, &end, NULL);
    }
    if (ranks->lost) {
        fflush(NULL);
        table_of(ranks)->abort(ranks->executor.self, code);
    } else {
        table_of(ranks)->stop(ranks->executor.self);
    }
    mn__cx_fini(&cx);
}

void mn__ranks_leave(struct mn__ranks *ranks, int code) {
    if (ranks == NULL) {
        return;
    }
    if (ranks->started) {
        disconnect(ranks, code);
    }
    mn__instance_fini(&ranks->executor);
    mn__registry_free(ranks->registry);
    for (int i = 0; ranks->at != NULL && i < ranks->n; i++) {
        free(ranks->at[i].why);
    }
    free(ranks->at);
    free(ranks->opened);
    free(ranks);
}
