/* SPDX-License-Identifier: MIT */
#ifndef NAS_EXEC_CLUSTER_WIRE_H
#define NAS_EXEC_CLUSTER_WIRE_H

/* What ranks say to each other. Every message is a head, and a body where head.bytes > 0. Ranks run
 * the same program (checked when they join), so structs travel as they lie in memory. */

#include "exec/cluster/cluster.h"

enum nas_word {
    NAS_HELLO = 1, /* to rank 0, first of all; body: struct nas_hello */
    NAS_OPEN,   /* from rank 0; index: processors to use; status: 1 = others of the node will want
                   the data; body: struct nas_opening and a configuration */
    NAS_READY,  /* to rank 0: it is open; index: threads; body: struct nas_shm with its data and
                   the provenance, or why it is not open */
    NAS_ROUND,  /* from rank 0; body: struct nas_round_order and the packed job; then the parts of
                   the state are broadcast */
    NAS_TASK,   /* from rank 0: work on task index */
    NAS_RESULT, /* to rank 0, of task index; body: the slot, if there is one */
    NAS_WHY,    /* to rank 0, before the result of a task that failed; body: the reason */
    NAS_OVER,   /* from rank 0: no more tasks in this round */
    NAS_BEAT,   /* to rank 0, now and then in a round: still there */
    NAS_CANCEL, /* any way: signal number index has come */
    NAS_END     /* from rank 0: end with exit code index */
};

struct nas_head {
    int32_t word, status;
    int64_t index, bytes;
    double seconds; /* RESULT: of the task */
};

struct nas_hello {
    char version[32], host[64];
    uint32_t program; /* crc32 of the file */
    uint32_t reserved;
    int32_t processors, reserved_2;
    unsigned char allowed[128]; /* which ones, as sched_getaffinity tells */
};

struct nas_opening {
    struct nas_shm share;       /* data of the node, as far as there is some */
    struct nas_batches batches; /* images of the largest passes */
};

struct nas_round_order {
    struct mn_where where;
    int64_t kind; /* index in nas_cluster_work.kinds */
    int64_t n, slot_bytes, part_bytes;
};

/* Seconds: a rank that is silent so long in a round is lost; how often it shows signs of life; how
 * long a cancelled round waits for tasks to stop. */
enum { NAS_SILENCE = 30, NAS_PULSE = 5, NAS_GRACE = 5 };

/* What rank 0 knows of a rank. */
struct nas_rank {
    char host[64];
    int first;            /* rank of its node */
    int alone;            /* there */
    struct nas_shm share; /* data that it has open */
    int processors;       /* its share of those of its node */
    int threads;          /* that work on the tasks of the experiment that is open */
    int given;            /* tasks under way there */
    double heard;         /* when it was last heard of */
    char *why;            /* its next result is a failure, or NULL */
};

struct nas_cluster {
    struct nas_registry *registry;
    struct nas_instance transport;
    int started;
    int rank, n;
    int lost;            /* a rank is; nothing can be sent any more */
    int idle;            /* times that nothing had come; 0 after something happened */
    struct nas_rank *at; /* [n], in rank 0 */
    char *opened;        /* the configuration that all have open, or NULL; in rank 0 */
    struct nas_batches opened_batches; /* its largest passes */
    struct nas_traffic traffic;
};

/* These fail with the status of the transport; then the connection is lost. */
int nas_wire_send(struct nas_cluster *cluster, struct mn_ctx *ctx, int to, struct nas_head head,
                  const void *body);
/* A body in two pieces, as one. */
int nas_wire_send_two(struct nas_cluster *cluster, struct mn_ctx *ctx, int to, struct nas_head head,
                      const void *first, size_t n_first, const void *second, size_t n_second);
/* The next head from any rank. Its body is to be received before anything else from that rank.
 * Where there is none, *from is -1 after a short sleep, longer from time to time. */
int nas_wire_poll(struct nas_cluster *cluster, struct mn_ctx *ctx, int *from,
                  struct nas_head *head);
int nas_wire_body(struct nas_cluster *cluster, struct mn_ctx *ctx, int from, int64_t bytes,
                  void *out);
/* A body as text with a zero behind it. For free. */
int nas_wire_text(struct nas_cluster *cluster, struct mn_ctx *ctx, int from, int64_t bytes,
                  char **out);
/* A message NAS_CANCEL: cancels here, too. */
int nas_wire_signal(struct mn_ctx *ctx, int from, const struct nas_head *head);
/* What the tasks of a job start from, from rank 0 to all; and how many bytes that are. */
int nas_wire_parts(struct nas_cluster *cluster, struct mn_ctx *ctx, const struct nas_job *job);
int64_t nas_wire_part_bytes(const struct nas_job *job);

#endif
