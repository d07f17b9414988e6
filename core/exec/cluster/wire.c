/* SPDX-License-Identifier: MIT */
#include "exec/cluster/wire.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { HEADS, BODIES }; /* tags */

/* Of a message that is not results: a configuration, a plan, a reason. */
enum { MOST_TEXT = 1 << 24 };

static const struct mn_transport *table_of(const struct nas_cluster *cluster) {
    return &cluster->transport.table.transport;
}

/* After a call that moves bytes. */
static int moved(struct nas_cluster *cluster, struct nas_call *call, double begin, int status) {
    cluster->traffic.communication += nas_now() - begin;
    status = nas_call_end(call, status);
    cluster->lost |= status != MN_OK;
    return status;
}

static int send_part(struct nas_cluster *cluster, struct mn_ctx *ctx, int to, int tag,
                     int64_t bytes, const void *data) {
    const double begin = nas_now();
    struct nas_call call = nas_call_begin(ctx, &cluster->transport);
    cluster->traffic.bytes_out += bytes;
    return moved(cluster, &call, begin,
                 table_of(cluster)->send(cluster->transport.self, ctx, to, tag, bytes, data));
}

static int receive_part(struct nas_cluster *cluster, struct mn_ctx *ctx, int from, int tag,
                        int64_t bytes, void *data) {
    const double begin = nas_now();
    struct nas_call call = nas_call_begin(ctx, &cluster->transport);
    cluster->traffic.bytes_in += bytes;
    return moved(cluster, &call, begin,
                 table_of(cluster)->receive(cluster->transport.self, ctx, from, tag, bytes, data));
}

int nas_wire_send(struct nas_cluster *cluster, struct mn_ctx *ctx, int to, struct nas_head head,
                  const void *body) {
    TRY(send_part(cluster, ctx, to, HEADS, sizeof head, &head));
    return head.bytes > 0 ? send_part(cluster, ctx, to, BODIES, head.bytes, body) : MN_OK;
}

int nas_wire_send_two(struct nas_cluster *cluster, struct mn_ctx *ctx, int to, struct nas_head head,
                      const void *first, size_t n_first, const void *second, size_t n_second) {
    CLEANUP(nas_free) char *body = malloc(n_first + n_second);
    if (body == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a message");
    }
    memcpy(body, first, n_first);
    if (n_second > 0) {
        memcpy(body + n_first, second, n_second);
    }
    head.bytes = (int64_t)(n_first + n_second);
    return nas_wire_send(cluster, ctx, to, head, body);
}

int nas_wire_poll(struct nas_cluster *cluster, struct mn_ctx *ctx, int *from,
                  struct nas_head *head) {
    struct mn_arrival arrival = {.size = sizeof arrival, .from = -1};
    struct nas_call call = nas_call_begin(ctx, &cluster->transport);
    const int status = nas_call_end(
        &call, table_of(cluster)->probe(cluster->transport.self, ctx, HEADS, &arrival));
    cluster->lost |= status != MN_OK;
    *from = -1;
    TRY(status);
    if (arrival.from < 0) {
        const long first = 20000, last = 1000000; /* nanoseconds */
        const long nap = first << cluster->idle;
        cluster->idle += nap < last;
        nanosleep(&(struct timespec){0, nap < last ? nap : last}, NULL);
        return MN_OK;
    }
    *from = arrival.from;
    cluster->idle = 0;
    if (*from >= cluster->n || arrival.bytes != (int64_t)sizeof *head) {
        return mn_fail(ctx, MN_INTERNAL, "a message of %lld bytes from rank %d is not one of ours",
                       (long long)arrival.bytes, *from);
    }
    TRY(receive_part(cluster, ctx, *from, HEADS, sizeof *head, head));
    if (head->bytes < 0) {
        cluster->lost = 1;
        return mn_fail(ctx, MN_INTERNAL, "rank %d announces %lld bytes, which no message has",
                       *from, (long long)head->bytes);
    }
    if (cluster->at != NULL) {
        cluster->at[*from].heard = nas_now();
    }
    return MN_OK;
}

int nas_wire_body(struct nas_cluster *cluster, struct mn_ctx *ctx, int from, int64_t bytes,
                  void *out) {
    return bytes > 0 ? receive_part(cluster, ctx, from, BODIES, bytes, out) : MN_OK;
}

int nas_wire_text(struct nas_cluster *cluster, struct mn_ctx *ctx, int from, int64_t bytes,
                  char **out) {
    if (bytes > MOST_TEXT) {
        return mn_fail(ctx, MN_INTERNAL, "rank %d announces %lld bytes, which no message has", from,
                       (long long)bytes);
    }
    *out = malloc((size_t)bytes + 1);
    if (*out == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a message of %lld bytes", (long long)bytes);
    }
    (*out)[bytes] = '\0';
    return nas_wire_body(cluster, ctx, from, bytes, *out);
}

int nas_wire_signal(struct mn_ctx *ctx, int from, const struct nas_head *head) {
    if (head->index < 1 || head->index > 64 || head->bytes != 0) {
        return mn_fail(ctx, MN_INTERNAL, "rank %d tells of signal %lld, which there is not", from,
                       (long long)head->index);
    }
    nas_cancel((int)head->index);
    return MN_OK;
}

int64_t nas_wire_part_bytes(const struct nas_job *job) {
    struct nas_job_part parts[NAS_MOST_PARTS];
    int64_t bytes = 0;
    for (int i = job->kind->parts(job, parts); i-- > 0;) {
        bytes += parts[i].bytes;
    }
    return bytes;
}

int nas_wire_parts(struct nas_cluster *cluster, struct mn_ctx *ctx, const struct nas_job *job) {
    struct nas_job_part parts[NAS_MOST_PARTS];
    const int n = cluster->n > 1 ? job->kind->parts(job, parts) : 0;
    struct nas_traffic *traffic = &cluster->traffic;
    const double begin = nas_now();
    int status = MN_OK;
    struct nas_call call = nas_call_begin(ctx, &cluster->transport);
    for (int i = 0; status == MN_OK && i < n; i++) {
        status =
            table_of(cluster)->broadcast(cluster->transport.self, ctx, parts[i].bytes, parts[i].at);
        *(cluster->rank == 0 ? &traffic->bytes_out : &traffic->bytes_in) += parts[i].bytes;
    }
    return moved(cluster, &call, begin, status);
}
