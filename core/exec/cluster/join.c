/* SPDX-License-Identifier: MIT */
#include "exec/cluster/join.h"

#include "exec/cluster/wire.h"
#include "exec/launch.h"
#include "store/provenance.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- who is there ------------------------------------------------------------------------- */

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

/* Rank 0 hears all others out before it says what is wrong. */
static int gather(struct nas_cluster *cluster, struct mn_ctx *ctx, struct nas_hello *hellos) {
    const struct nas_hello *a = &hellos[0];
    TRY(introduce(ctx, &hellos[0]));
    for (int heard = 1; heard < cluster->n;) {
        struct nas_head head;
        int from;
        TRY(nas_wire_poll(cluster, ctx, &from, &head));
        if (from < 0) {
            continue;
        }
        if (head.word != NAS_HELLO || head.bytes != (int64_t)sizeof *hellos) {
            return mn_fail(ctx, MN_CONFIG,
                           "rank %d does not speak as this program does: install the same program "
                           "on every node",
                           from);
        }
        TRY(nas_wire_body(cluster, ctx, from, head.bytes, &hellos[from]));
        heard++;
    }
    for (int i = 1; i < cluster->n; i++) {
        const struct nas_hello *b = &hellos[i];
        if (strcmp(a->version, b->version) != 0 || a->program != b->program) {
            return mn_fail(ctx, MN_CONFIG,
                           "rank %d (%s) runs metanas %s (file crc32 %08x), rank 0 (%s) %s (%08x): "
                           "install the same program on every node",
                           i, b->host, b->version, b->program, a->host, a->version, a->program);
        }
    }
    /* Ranks of a node that may use the same processors share them. */
    for (int i = 0; i < cluster->n; i++) {
        struct nas_rank *rank = &cluster->at[i];
        int sharing = 0, there = 0;
        rank->first = -1;
        for (int k = 0; k < cluster->n; k++) {
            const int same = strcmp(hellos[i].host, hellos[k].host) == 0;
            rank->first = same && rank->first < 0 ? k : rank->first;
            there += same;
            sharing +=
                same && memcmp(hellos[i].allowed, hellos[k].allowed, sizeof hellos[i].allowed) == 0;
        }
        rank->alone = there == 1;
        const int share = hellos[i].processors / sharing;
        rank->processors = share > 0 ? share : 1;
        memcpy(rank->host, hellos[i].host, sizeof rank->host);
    }
    return MN_OK;
}

/* ---- joining ------------------------------------------------------------------------------ */

static int start(struct nas_cluster *cluster, struct mn_ctx *ctx) {
    struct mn_ranks about = {.size = sizeof about, .patience = NAS_SILENCE};
    const struct nas_launch launch = nas_launch_read();
    const char *label = cluster->transport.label;
    struct nas_call call = nas_call_begin(ctx, &cluster->transport);
    TRY(nas_call_end(
        &call, cluster->transport.table.transport.start(cluster->transport.self, ctx, &about)));
    cluster->started = 1;
    cluster->rank = about.rank;
    cluster->n = about.ranks;
    if (about.ranks < 1 || about.rank < 0 || about.rank >= about.ranks) {
        return mn_fail(ctx, MN_INTERNAL, "%s: this is rank %d of %d: an error of the plugin", label,
                       about.rank, about.ranks);
    }
    /* A launcher of another MPI starts processes that do not find each other: each would lead. */
    if (cluster->n == 1 && launch.processes > 1) {
        return mn_fail(ctx, MN_CONFIG,
                       "%d processes were started (%s), but %s finds this one alone: it was built "
                       "with another MPI library than that of the mpirun in use; start it with the "
                       "one it was built with (with srun: --mpi=...)",
                       launch.processes, launch.variable, label);
    }
    if (cluster->n == 1) {
        mn_log(ctx, MN_LOG_WARN,
               "%s: there is one rank only; mpirun -n N metanas ... or srun starts more", label);
    }
    return MN_OK;
}

int nas_cluster_join(struct mn_ctx *ctx, const char *use, struct nas_mark mark,
                     const char *const *plugin_dirs, struct nas_cluster **out) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    struct nas_faults faults = {.arena = &arena};
    struct nas_cluster *cluster = *out = calloc(1, sizeof *cluster);
    if (cluster == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for the ranks");
    }
    TRY(nas_registry_new(ctx, plugin_dirs, &cluster->registry));
    TRY(nas_instance_init(&cluster->transport, ctx, cluster->registry, MN_TRANSPORT, NULL, NULL,
                          use, mark, &faults));
    if (faults.count > 0) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s\n  the transport mpi is built where meson finds MPI (option mpi); "
                       "--set run.transport=none lets every process work alone",
                       faults.first->text);
    }
    TRY(start(cluster, ctx));
    if (cluster->rank > 0) {
        struct nas_hello hello;
        TRY(introduce(ctx, &hello));
        return nas_wire_send(cluster, ctx, 0,
                             (struct nas_head){.word = NAS_HELLO, .bytes = sizeof hello}, &hello);
    }
    CLEANUP(nas_free) struct nas_hello *hellos = calloc((size_t)cluster->n, sizeof *hellos);
    cluster->at = calloc((size_t)cluster->n, sizeof *cluster->at);
    return hellos != NULL && cluster->at != NULL
               ? gather(cluster, ctx, hellos)
               : mn_fail(ctx, MN_NOMEM, "no memory for %d ranks", cluster->n);
}

int nas_cluster_rank(const struct nas_cluster *cluster) {
    return cluster->started ? cluster->rank : -1;
}

int nas_cluster_processors(const struct nas_cluster *cluster) {
    return cluster->at[0].processors;
}

int nas_cluster_shares(const struct nas_cluster *cluster) {
    return !cluster->at[0].alone;
}

/* ---- leaving ------------------------------------------------------------------------------ */

void nas_cluster_leave(struct nas_cluster *cluster, int code) {
    if (cluster == NULL) {
        return;
    }
    if (cluster->started) {
        const struct mn_transport *table = &cluster->transport.table.transport;
        CLEANUP(nas_ctx_fini) struct nas_ctx ctx;
        nas_ctx_init(&ctx, NULL);
        for (int i = 1; cluster->rank == 0 && !cluster->lost && i < cluster->n; i++) {
            nas_wire_send(cluster, &ctx.pub, i, (struct nas_head){.word = NAS_END, .index = code},
                          NULL);
        }
        if (cluster->lost) {
            fflush(NULL);
            table->abort(cluster->transport.self, code);
        } else {
            table->stop(cluster->transport.self);
        }
    }
    nas_instance_fini(&cluster->transport);
    nas_registry_free(cluster->registry);
    for (int i = 0; cluster->at != NULL && i < cluster->n; i++) {
        free(cluster->at[i].why);
    }
    free(cluster->at);
    free(cluster->opened);
    free(cluster);
}
