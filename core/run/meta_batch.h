/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_META_BATCH_H
#define MN__RUN_META_BATCH_H

/* One meta-epoch: the tasks of a meta-batch (Algorithm 2, lines 5-12) and the update from them. */

#include "run/train_job.h"

struct mn__meta_batch {
    const struct mn__experiment *e;
    struct mn__executor *executor;
    struct mn__job job;         /* the tasks of the meta-epoch that runs */
    struct mn__direction *used; /* [n_used] of the tasks that count */
    const mn_real **learners;   /* [n_used] their optimiser states */
    int64_t n_used;
    int64_t culprit; /* the task whose numbers ended the last meta-epoch; -1 = none did */
    struct mn__arena arena;
};

/* Memory and an executor for meta-batches. `fini` takes a zeroed one, too. */
int mn__meta_batch_new(const struct mn__experiment *experiment, struct mn_cx *cx,
                       struct mn__meta_batch *out);
void mn__meta_batch_fini(struct mn__meta_batch *batch);

/* What task i of the last meta-epoch has left. */
struct mn__task_slot mn__meta_batch_slot(const struct mn__meta_batch *batch, int64_t i);

/* Where the tasks of state->meta_epoch stand. Their seed is run.seed + rollbacks * 2^53: after a
 * rollback all are drawn anew. */
struct mn_where mn__meta_batch_where(const struct mn__experiment *experiment,
                                     const struct mn__state *state);

/* Do the meta-epoch state->meta_epoch and count it. Tasks that are left out count nowhere: the
 * direction, the optimiser state and the means are those of the others, in the order of tasks. On
 * a failure the state is unchanged. MN_NUMERIC where a task fails and none may be skipped, where
 * all are, or where the update is not finite. */
int mn__meta_batch_run(struct mn__meta_batch *batch, struct mn_cx *cx, struct mn__state *state);

/* Task `task` of state->meta_epoch alone, its steps to slot `task`; with moments carried from task
 * to task those before it, too. The state is unchanged. */
int mn__meta_batch_task(struct mn__meta_batch *batch, struct mn_cx *cx,
                        const struct mn__state *state, int64_t task);

#endif
