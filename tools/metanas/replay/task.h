/* SPDX-License-Identifier: MIT */
#ifndef METANAS_REPLAY_TASK_H
#define METANAS_REPLAY_TASK_H

/* One task of a run, done again. */

#include "learn/meta_step.h"

#include <limits.h>

struct replay {
    const struct nas_experiment *e;
    struct mn_ctx *ctx;
    const char *dir;
    int64_t meta_epoch, task; /* that is done again, counted from 0 as in messages */
    int accept_changes;
    /* what was done */
    struct nas_state state;      /* at meta_epoch, if it was reached */
    struct nas_meta_batch batch; /* with the task in its slot */
    int64_t from;                /* meta-epoch it was gone on from */
    char source[PATH_MAX];       /* that checkpoint's file; "" = the beginning */
};

/* Do the task again: from the nearest checkpoint at or before its meta-epoch, or else from the
 * beginning, the meta-epochs between are repeated. Nothing in `dir` changes. The status is that of
 * the task; steps before a failure are in its slot all the same. MN_CONFIG where the run never was
 * there, or where it was rolled back since and no checkpoint is early enough; and as
 * nas_run_check says, with accept_changes. */
int replay_task(struct replay *replay);
/* What it has allocated, also after a failure. */
void replay_fini(struct replay *replay);

#endif
