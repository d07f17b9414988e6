/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_REPLAY_H
#define MN__RUN_REPLAY_H

/* One task of a run, done again. */

#include "run/meta_batch.h"

#include <limits.h>

struct mn__replay {
    int64_t from;                /* meta-epoch it was gone on from; 0 = maybe the beginning */
    char source[PATH_MAX];       /* that checkpoint's file; "" = the beginning */
    uint64_t seed;               /* of the task */
    int64_t n_steps;             /* that were done */
    struct mn__task_step *steps; /* [n_steps] */
};

/* Do task `task` of meta-epoch `meta_epoch` (counted from 0, as in messages) of the run in `dir`
 * again: from the nearest checkpoint at or before it, or else from the beginning, the meta-epochs
 * between are repeated. Nothing in `dir` changes. The status is that of the task; steps before a
 * failure are in `out` all the same. MN_CONFIG where the run never was there, or where it was
 * rolled back since and no checkpoint is early enough; and as mn__origin_check says, with
 * `accept`. */
int mn__replay(const struct mn__experiment *experiment, struct mn_cx *cx, const char *dir,
               int64_t meta_epoch, int64_t task, int accept, struct mn__replay *out);
void mn__replay_fini(struct mn__replay *replay);

#endif
