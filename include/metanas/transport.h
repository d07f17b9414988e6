/* SPDX-License-Identifier: MIT */
#ifndef METANAS_TRANSPORT_H
#define METANAS_TRANSPORT_H

/* transport: connects other processes that work on the tasks of a run (run.transport), numbered as
 * ranks from 0, and moves bytes between them. Rank 0 leads. Which process works on which task is
 * the host's to decide; it sums the results in task order. All functions are called by the thread
 * that called `start`.
 *
 * A function that waits for another rank gives up after ranks.patience seconds with MN_IO. After a
 * failure only `abort` is called. */

#include "ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mn_ranks {
    uint32_t size;
    int32_t rank, ranks; /* of this process, 0..ranks-1; how many there are */
    int32_t patience;    /* in: seconds to wait for another rank */
};

/* A message that has arrived. */
struct mn_arrival {
    uint32_t size;
    int32_t from; /* rank; -1 = none has arrived */
    int64_t bytes;
};

struct mn_transport {
    uint32_t size;
    uint32_t reserved;

    /* Optional. Rules across options; use mn_bad_option. [setup] */
    int (*check)(const void *self, struct mn_ctx *ctx);
    /* Connect with the other ranks of the job; all of them call it. Once in a process. [setup]
     * MN_IO, MN_UNSUPPORTED. */
    int (*start)(void *self, struct mn_ctx *ctx, struct mn_ranks *ranks);
    /* Disconnect; all ranks call it, and no message is under way. Not called after a `start` that
     * failed. [main] */
    void (*stop)(void *self);
    /* End all processes of the job at once, this one too, with an exit code of `code` as far as
     * that can be had. Called where ranks may be dead. [main] */
    void (*abort)(void *self, int code);
    /* From rank 0 to all others; all ranks call it with the same number of bytes. [main] MN_IO. */
    int (*broadcast)(void *self, struct mn_ctx *ctx, int64_t bytes, void *data);
    /* To one rank. Returns when `data` may be changed. Messages from one rank to another with one
     * tag (0..100) arrive in order. [main] MN_IO. */
    int (*send)(void *self, struct mn_ctx *ctx, int32_t to, int32_t tag, int64_t bytes,
                const void *data);
    /* Look for a message of this tag, from any rank, without waiting. [main] MN_IO. */
    int (*probe)(void *self, struct mn_ctx *ctx, int32_t tag, struct mn_arrival *out);
    /* The next message of this tag from this rank, which has `bytes` bytes. Waits for it. [main]
     * MN_IO. */
    int (*receive)(void *self, struct mn_ctx *ctx, int32_t from, int32_t tag, int64_t bytes,
                   void *data);
};

#ifdef __cplusplus
}
#endif

#endif
