/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_REPLAY_H
#define NAS_LEARN_REPLAY_H

/* One task of a run, done again. */

#include "learn/meta_step.h"

#include <limits.h>

struct nas_replay {
    int64_t from;                /* meta-epoch it was gone on from; 0 = maybe the beginning */
    char source[PATH_MAX];       /* that checkpoint's file; "" = the beginning */
    uint64_t seed;               /* of the task */
    int64_t n_steps;             /* that were done */
    struct nas_task_step *steps; /* [n_steps] */
};

/* Do task `task` of meta-epoch `meta_epoch` (counted from 0, as in messages) of the run in `dir`
 * again: from the nearest checkpoint at or before it, or else from the beginning, the meta-epochs
 * between are repeated. Nothing in `dir` changes. The status is that of the task; steps before a
 * failure are in `out` all the same. MN_CONFIG where the run never was there, or where it was
 * rolled back since and no checkpoint is early enough; and as nas_provenance_check says, with
 * `accept`. */
int nas_replay(const struct nas_experiment *experiment, struct mn_ctx *ctx, const char *dir,
               int64_t meta_epoch, int64_t task, int accept, struct nas_replay *out);
void nas_replay_fini(struct nas_replay *replay);

#endif
