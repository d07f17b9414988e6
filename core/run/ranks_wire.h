/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_RANKS_WIRE_H
#define MN__RUN_RANKS_WIRE_H

/* What ranks say to each other. Every message is a head, and a body where head.bytes > 0. Ranks run
 * the same program (checked when they join), so structs travel as they lie in memory. */

#include "plugin/instance.h"
#include "run/ranks.h"

enum mn__word {
    MN__HELLO = 1, /* to rank 0, first of all; body: struct mn__hello */
    MN__OPEN,   /* from rank 0; index: processors to use; status: 1 = others of the node will want
                   the data; body: struct mn__opening and a configuration */
    MN__READY,  /* to rank 0: it is open; body: struct mn__share with its data and what made it
                   (mn__origin_text), or why it is not open */
    MN__ROUND,  /* from rank 0; body: struct mn__round_order and the packed job; then the parts of
                   the state are broadcast */
    MN__TASK,   /* from rank 0: work on task index */
    MN__RESULT, /* to rank 0, of task index; body: the slot, if there is one */
    MN__WHY,    /* to rank 0, before the result of a task that failed; body: the reason */
    MN__OVER,   /* from rank 0: no more tasks in this round */
    MN__BEAT,   /* to rank 0, now and then in a round: still there */
    MN__CANCEL, /* any way: signal number index has come */
    MN__END     /* from rank 0: end with exit code index */
};

struct mn__head {
    int32_t word, status;
    int64_t index, bytes;
    double seconds; /* RESULT: of the task */
};

struct mn__hello {
    char version[32], host[64];
    uint32_t program; /* crc32 of the file */
    uint32_t reserved;
    int32_t processors, reserved_2;
    unsigned char allowed[128]; /* which ones, as sched_getaffinity tells */
};

struct mn__opening {
    struct mn__share share; /* data of the node, as far as there is some */
    int64_t max_batch;      /* images of the largest pass */
};

struct mn__round_order {
    struct mn_where where;
    int64_t kind; /* mn__rank_kind */
    int64_t n, slot_bytes, state_bytes;
};

/* Seconds: a rank that is silent so long in a round is lost; how often it shows signs of life; how
 * long a cancelled round waits for tasks to stop. */
enum { MN__SILENCE = 30, MN__PULSE = 5, MN__GRACE = 5 };

/* What rank 0 knows of a rank. */
struct mn__rank {
    char host[64];
    int first;              /* rank of its node */
    int alone;              /* there */
    struct mn__share share; /* data that it has open */
    int processors;         /* its share of those of its node */
    int threads;            /* that work on the tasks of the experiment that is open */
    int given;              /* tasks under way there */
    double heard;           /* when it was last heard of */
    char *why;              /* its next result is a failure, or NULL */
};

struct mn__ranks {
    struct mn__registry *registry;
    struct mn__instance executor;
    int started;
    int rank, n;
    int lost;             /* a rank is; nothing can be sent any more */
    struct mn__rank *at;  /* [n], in rank 0 */
    char *opened;         /* the configuration that all have open, or NULL; in rank 0 */
    int64_t opened_batch; /* its largest pass */
    struct mn__traffic traffic;
};

/* Job kinds that can be sent, by number; NULL = no such. -1 = is not among them. */
const struct mn__job_kind *mn__rank_kind(int64_t number);
int64_t mn__rank_kind_number(const struct mn__job_kind *kind);

/* These fail with the status of the executor; then the connection is lost. */
int mn__rank_send(struct mn__ranks *ranks, struct mn_cx *cx, int to, const struct mn__head *head,
                  const void *body);
/* The next head from any rank, without waiting; *from is -1 where there is none. Its body is to be
 * received before anything else from that rank. */
int mn__rank_poll(struct mn__ranks *ranks, struct mn_cx *cx, int *from, struct mn__head *head);
int mn__rank_body(struct mn__ranks *ranks, struct mn_cx *cx, int from, int64_t bytes, void *out);
/* A body as text with a zero behind it. For free. */
int mn__rank_text(struct mn__ranks *ranks, struct mn_cx *cx, int from, int64_t bytes, char **out);
/* A message MN__CANCEL: cancels here, too. */
int mn__rank_signal(struct mn_cx *cx, int from, const struct mn__head *head);
/* The state of a job from rank 0 to all. */
int mn__rank_state(struct mn__ranks *ranks, struct mn_cx *cx, const struct mn__experiment *e,
                   const struct mn__state *state);
int64_t mn__rank_state_bytes(const struct mn__experiment *e, const struct mn__state *state);

/* Rank 0: have the configuration of an experiment opened by all ranks, unless they have it open. */
int mn__rank_open(struct mn__ranks *ranks, struct mn_cx *cx,
                  const struct mn__experiment *experiment);

/* Sleep where nothing happened, longer from time to time; *idle is 0 after something did. */
void mn__rank_nap(int *idle);

#endif
