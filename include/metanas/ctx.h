/* SPDX-License-Identifier: MIT */
#ifndef METANAS_CTX_H
#define METANAS_CTX_H

/* The context handed to every call: where in the experiment it happens, and the way to the host's
 * services (host.h). A context belongs to one thread. */

#include "abi.h"
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mn_host;

enum mn_split { MN_TRAIN = 0, MN_VAL = 1, MN_TEST = 2 };
enum mn_log_level { MN_LOG_ERROR = 0, MN_LOG_WARN = 1, MN_LOG_INFO = 2, MN_LOG_DEBUG = 3 };
enum mn_adapts { MN_ADAPTS_W = 1, MN_ADAPTS_A = 2 };

/* Where in the experiment a call happens. */
struct mn_where {
    uint32_t size;
    int32_t split;       /* enum mn_split: MN_TRAIN while meta-training, else evaluation */
    uint64_t seed;       /* run.seed */
    int64_t meta_epoch;  /* 0.. ; evaluation: 0 */
    int64_t meta_epochs; /* of the run */
    int64_t task;        /* index in the meta-batch, or of the evaluation task */
    int64_t step;        /* task step */
    uint32_t adapts;     /* enum mn_adapts: what the task learner changes in this task; in
                            meta_learner.delta only those parts that this meta learner updates */
    uint32_t reserved;
};

struct mn_ctx {
    uint32_t size;
    uint32_t reserved;
    const struct mn_host *host;
    void *host_data; /* the host's own */
    struct mn_where where;
};

#ifdef __cplusplus
}
#endif

#endif
