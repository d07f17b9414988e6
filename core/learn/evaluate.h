/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_EVALUATE_H
#define NAS_LEARN_EVALUATE_H

/* Algorithm 3 over many tasks: adapt, prune, predict the query set. */

#include "exec/executor.h"
#include "learn/episode_list.h"
#include "learn/task.h"
#include "store/records.h"

/* What to evaluate. */
struct nas_evaluation_plan {
    int split;
    int64_t tasks;                       /* 0..tasks-1 */
    const struct nas_episodes *episodes; /* a checked list to take them from, with its seed; NULL =
                                            drawn with run.seed */
    const int64_t *steps; /* ascending task steps after which to evaluate the network, too; 0 =
                             before the first */
    int n_steps;
    const uint8_t *keeps; /* [tasks][n_choices] the network that a task adapts and is predicted
                             with, in place of one that it finds and prunes; or NULL */
    int skips;            /* a task whose numbers are not finite is left out, not the end */
    int both_norms;       /* predict in the other mode of batch norm, too */
    void (*finished)(void *data, int64_t n); /* n tasks are done; one call at a time; or NULL */
    void *finished_data;
};

/* Of the predictions of one adapted network. */
struct nas_score {
    double accuracy;              /* of the pruned network on the query set */
    double accuracy_before_prune; /* of the same network just before the hard prune */
    double loss;                  /* of the pruned network */
};

/* One task's result. */
struct nas_task_result {
    struct nas_score score; /* in the mode of batch norm of the configuration */
    struct nas_score other; /* in the other one, where the plan asks for it */
    int64_t failed;         /* left out: its numbers were not finite */
    int64_t parameters;
    const char *genotype; /* in the evaluation's arena; "" where nothing is searched */
    uint64_t episode;     /* nas_episode_hash: tasks of one hash can be compared in pairs */
};

struct nas_evaluation {
    int64_t tasks;                   /* that have a result */
    struct nas_task_result *results; /* [tasks] */
    size_t n_choices;
    uint8_t *keeps;           /* [tasks][n_choices] what pruning left */
    int64_t skipped;          /* tasks left out */
    const char *why;          /* the first of them */
    struct nas_record record; /* but for its `state`, which the caller names */
    struct nas_record other;  /* scores in the other mode of batch norm, where the plan asks */
    struct nas_evaluation *intermediate; /* [plan.n_steps], after these; without genotypes and
                                           intermediate ones */
    struct nas_arena arena;
};

/* What one task leaves. */
struct nas_solution {
    const uint8_t *fixed;   /* the caller's: the network, see `keeps` of a plan; or NULL */
    int both_norms;         /* the caller's, as in a plan */
    struct nas_watch watch; /* the caller's: of the steps */
    uint8_t *keep;          /* [n_choices], the caller's: what pruning left */
    mn_real *logits;        /* [query images][ways], the caller's, or NULL: of the pruned network */
    struct mn_point at;     /* adapted, in scratch */
    struct nas_task_result result; /* without the genotype */
};

/* Algorithm 3 on one task from the meta state (w, a) and the optimiser state [n_state]: adapt a
 * copy, predict, prune, predict. In a context with a workspace, standing at the task. */
int nas_solve(const struct nas_experiment *experiment, struct mn_ctx *ctx,
              const struct mn_point *meta, const mn_real *state, const struct mn_task *task,
              struct nas_solution *out);

/* Prediction of the query set by the network that `keep` leaves (NULL = all), in the batch norm
 * mode of the configuration. */
int nas_predict(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                const struct mn_task *task, const struct mn_point *at, const uint8_t *keep,
                struct mn_outcome *out);

/* Algorithm 3 as a job. job->what is the plan. */
extern const struct nas_job_kind nas_evaluate_job;

/* Evaluate tasks 0..n-1 of a split from the meta point and the optimiser state of a state (copied
 * for each task). Results do not depend on the executor. `out` is the caller's to release, also
 * after a failure. */
int nas_evaluate(const struct nas_experiment *experiment, struct nas_executor *executor,
                 struct mn_ctx *ctx, const struct nas_state *state, int split, int64_t n,
                 struct nas_evaluation *out);
/* The same as a plan says. An intermediate result is a prediction with and without the hard prune
 * at progress 1, and leaves the adaptation alone; those of the last step equal the result itself. A
 * step that the task learner does not reach is MN_CONFIG. */
int nas_evaluate_plan(const struct nas_experiment *experiment, struct nas_executor *executor,
                      struct mn_ctx *ctx, const struct nas_state *state,
                      const struct nas_evaluation_plan *plan, struct nas_evaluation *out);
void nas_evaluation_fini(struct nas_evaluation *evaluation);

#endif
