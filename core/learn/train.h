/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_TRAIN_H
#define NAS_LEARN_TRAIN_H

/* Algorithm 1 and 2: the outer loop, with logging, validation and checkpoints in a run directory.
 */

#include "learn/evaluate.h"
#include "store/safetensors.h"

enum { NAS_MOST_NAMED = 32 };

/* The state that a checkpoint holds. */
struct nas_state {
    struct mn_point meta; /* w, a */
    mn_real *learner;     /* [n_state] task learner's optimiser state */
    int n_named;          /* meta learner's named state */
    struct nas_named {
        const char *name;
        mn_real *at;
        int64_t n;
    } named[NAS_MOST_NAMED];
    const char *prefix; /* of the names that are being claimed */
    int loaded;         /* from a checkpoint */
    const char *source; /* the file it was loaded from, or NULL */
    const char *data;   /* the data that it was made with (run/fingerprint.h), or NULL */
    int accept_changes; /* go on although configuration or plugins differ from the checkpoint's */
    int64_t meta_epoch; /* done so far */
    int64_t evaluated;  /* meta-epoch of the last validation */
    double best;        /* highest validation accuracy so far, -1 = none */
    int64_t best_epoch; /* its meta-epoch; of equals the first */
    int64_t rollbacks;  /* so far (run.on_nan) */
    double
        log[4]; /* since the last metrics line: meta-epochs, sums of loss, accuracy, skip share */
    struct nas_arena arena;
};

/* Initial state, or the one of a checkpoint. Loading checks names and shapes against the experiment
 * and names what differs. */
int nas_state_new(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                  struct nas_state *out);
int nas_state_load(const struct nas_experiment *experiment, struct mn_ctx *ctx, const char *path,
                   struct nas_state *out);
int nas_state_save(const struct nas_experiment *experiment, struct mn_ctx *ctx, const char *path,
                   const struct nas_state *state, int n_extra, const struct nas_meta *extra);
void nas_state_fini(struct nas_state *state);

/* The memory that tasks start from: w, a, the optimiser state, the named states. Returns how many
 * of out[NAS_MOST_NAMED + 3]. */
struct nas_state_part {
    void *at;
    int64_t bytes;
};
int nas_state_parts(const struct nas_experiment *experiment, const struct nas_state *state,
                    struct nas_state_part *out);

/* Copies of the meta point and of the optimiser state (zero where it is reset) for a task, in ctx's
 * scratch. MN_NOMEM. */
int nas_adapt_start(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                    const struct mn_point *meta, const mn_real *state, struct mn_point *params,
                    mn_real **learner);

/* The task learner over one task, in place on params and its optimiser state, as the loop does it.
 */
int nas_adapt(const struct nas_experiment *experiment, struct mn_ctx *ctx,
              const struct mn_task *task, struct mn_point *params, mn_real *learner);

/* The direction of one task: what the meta learners' delta gives. */
struct nas_direction {
    struct mn_point to;
    mn_real *own; /* [n_own] of the meta learners' own parameters */
};
/* Room for one; 0 = no memory. */
int nas_direction_new(const struct nas_experiment *experiment, struct nas_arena *arena,
                      struct nas_direction *out);

/* The task learner over one task of meta-training, as nas_adapt, then the meta learners' direction
 * for it; what the task learner does not adapt has the direction zero. */
int nas_task_direction(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                       const struct mn_task *task, const struct mn_point *meta,
                       struct mn_point *params, mn_real *learner, struct nas_direction *out);

/* The mean of n arrays of `count` reals, summed in order in double. */
void nas_mean(int64_t n, const mn_real *const *rows, int64_t count, mn_real *out);

/* The meta learners' update from the mean of n directions, summed in order. */
int nas_meta_update(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                    struct mn_point *meta, int64_t n, const struct nas_direction *directions);

/* 1 when nothing is left to do: all meta-epochs are done and the last one is validated. */
int nas_state_finished(const struct nas_experiment *experiment, const struct nas_state *state);

/* Meta-train from `state` until run.meta_epochs are done, writing to the run directory `dir`
 * (run/rundir.h). Returns MN_CANCELLED after saving when a signal asked to stop. On any failure the
 * last checkpoint stays and the message says how to go on. */
int nas_metatrain(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                  struct nas_state *state, const char *dir);

#endif
