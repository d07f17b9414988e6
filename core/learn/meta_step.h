/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_META_STEP_H
#define NAS_LEARN_META_STEP_H

/* Algorithm 2: the tasks of a meta-batch (lines 5-12) and the update from them. */

#include "exec/executor.h"
#include "learn/adapt.h"
#include "learn/state.h"

/* Lines 5-12 as a job, from the meta point of the state. job->what is an int: whether a task whose
 * numbers are not finite is left out; NULL = as run.on_nan says. */
extern const struct nas_job_kind nas_train_job;

/* Whether a line of metrics.jsonl ends with a meta-epoch: then its tasks also predict their query
 * sets once they are adapted, and what units report is kept. */
int nas_meta_batch_looks(const struct nas_experiment *experiment, int64_t meta_epoch);

struct nas_task_step {
    double loss, accuracy;
};

/* What a task of meta-training tells. */
struct nas_task_outcome {
    int64_t n_steps;            /* that it did */
    struct nas_task_step last;  /* of these */
    double skip_share;          /* of the last one */
    struct nas_task_step query; /* after them, where nas_meta_batch_looks */
    struct nas_metrics metrics; /* of the units, there too */
    int64_t failed;             /* its numbers were not finite; `message` says which */
    char message[NAS_MESSAGE];
};

/* The slot of a task. */
struct nas_task_slot {
    struct nas_task_outcome *outcome;
    int64_t n_steps;             /* that are kept, the first ones */
    struct nas_task_step *steps; /* [n_steps] */
    struct nas_direction direction;
    mn_real *learner; /* [n_state] optimiser state after it */
};

struct nas_meta_batch {
    const struct nas_experiment *e;
    struct nas_executor *executor;
    struct nas_job job;         /* the tasks of the meta-epoch that runs */
    struct nas_direction *used; /* [n_used] of the tasks that count */
    const mn_real **learners;   /* [n_used] their optimiser states */
    int64_t n_used;
    /* Of the last meta-epoch where nas_meta_batch_looks: of its update, with the metrics of its
     * tasks; the mean of their query sets. */
    struct nas_update_report report;
    struct nas_task_step query;
    int64_t culprit; /* the task whose numbers ended the last meta-epoch; -1 = none did */
    struct nas_arena arena;
};

/* Memory and an executor for meta-batches. `fini` takes a zeroed one, too, and is called after a
 * failure. */
int nas_meta_batch_new(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                       struct nas_meta_batch *out);
void nas_meta_batch_fini(struct nas_meta_batch *batch);

/* What task i of the last meta-epoch has left. */
struct nas_task_slot nas_meta_batch_slot(const struct nas_meta_batch *batch, int64_t i);

/* Where the tasks of state->meta_epoch stand. Their seed is run.seed + rollbacks * 2^53: after a
 * rollback all are drawn anew. */
struct mn_where nas_meta_batch_where(const struct nas_experiment *experiment,
                                     const struct nas_state *state);

/* Do the meta-epoch state->meta_epoch with what run.shrink cuts after it, and count it. Tasks that
 * are left out count nowhere: the direction, the optimiser state and the means are those of the
 * others, in the order of tasks. On a failure the state is unchanged. MN_NUMERIC where a task fails
 * and none may be skipped, where all are, or where the update is not finite. */
int nas_meta_batch_run(struct nas_meta_batch *batch, struct mn_ctx *ctx, struct nas_state *state);

/* Task `task` of state->meta_epoch alone, its steps to slot `task`; with moments carried from task
 * to task those before it, too. The state is unchanged. */
int nas_meta_batch_task(struct nas_meta_batch *batch, struct mn_ctx *ctx,
                        const struct nas_state *state, int64_t task);

#endif
