/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_METATRAIN_H
#define MN__RUN_METATRAIN_H

/* Algorithm 1 and 2: the outer loop, with logging, validation and checkpoints in a run directory.
 */

#include "run/checkpoint.h"
#include "run/evaluate.h"

enum { MN__MOST_NAMED = 32 };

/* The state that a checkpoint holds. */
struct mn__state {
    struct mn_point meta; /* w, a */
    mn_real *learner;     /* [n_state] task learner's optimiser state */
    int n_named;          /* meta learner's named state */
    struct mn__named {
        const char *name;
        mn_real *at;
        int64_t n;
    } named[MN__MOST_NAMED];
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
    struct mn__arena arena;
};

/* Initial state, or the one of a checkpoint. Loading checks names and shapes against the experiment
 * and names what differs. */
int mn__state_new(const struct mn__experiment *experiment, struct mn_cx *cx, struct mn__state *out);
int mn__state_load(const struct mn__experiment *experiment, struct mn_cx *cx, const char *path,
                   struct mn__state *out);
int mn__state_save(const struct mn__experiment *experiment, struct mn_cx *cx, const char *path,
                   const struct mn__state *state, int n_extra, const struct mn__meta *extra);
void mn__state_fini(struct mn__state *state);

/* The memory that tasks start from: w, a, the optimiser state, the named states. Returns how many
 * of out[MN__MOST_NAMED + 3]. */
struct mn__state_part {
    void *at;
    int64_t bytes;
};
int mn__state_parts(const struct mn__experiment *experiment, const struct mn__state *state,
                    struct mn__state_part *out);

/* Copies of the meta point and of the optimiser state (zero where it is reset) for a task, in cx's
 * scratch. MN_NOMEM. */
int mn__adapt_start(const struct mn__experiment *experiment, struct mn_cx *cx,
                    const struct mn_point *meta, const mn_real *state, struct mn_point *params,
                    mn_real **learner);

/* The task learner over one task, in place on params and its optimiser state, as the loop does it.
 */
int mn__adapt(const struct mn__experiment *experiment, struct mn_cx *cx, const struct mn_task *task,
              struct mn_point *params, mn_real *learner);

/* The direction of one task: what the meta learners' delta gives. */
struct mn__direction {
    struct mn_point to;
    mn_real *own; /* [n_own] of the meta learners' own parameters */
};
/* Room for one; 0 = no memory. */
int mn__direction_new(const struct mn__experiment *experiment, struct mn__arena *arena,
                      struct mn__direction *out);

/* The task learner over one task of meta-training, as mn__adapt, then the meta learners' direction
 * for it; what the task learner does not adapt has the direction zero. */
int mn__task_direction(const struct mn__experiment *experiment, struct mn_cx *cx,
                       const struct mn_task *task, const struct mn_point *meta,
                       struct mn_point *params, mn_real *learner, struct mn__direction *out);

/* The mean of n arrays of `count` reals, summed in order in double. */
void mn__mean(int64_t n, const mn_real *const *rows, int64_t count, mn_real *out);

/* The meta learners' update from the mean of n directions, summed in order. */
int mn__meta_update(const struct mn__experiment *experiment, struct mn_cx *cx,
                    struct mn_point *meta, int64_t n, const struct mn__direction *directions);

/* 1 when nothing is left to do: all meta-epochs are done and the last one is validated. */
int mn__state_finished(const struct mn__experiment *experiment, const struct mn__state *state);

/* Meta-train from `state` until run.meta_epochs are done, writing to the run directory `dir`
 * (run/rundir.h). Returns MN_CANCELLED after saving when a signal asked to stop. On any failure the
 * last checkpoint stays and the message says how to go on. */
int mn__metatrain(const struct mn__experiment *experiment, struct mn_cx *cx,
                  struct mn__state *state, const char *dir);

#endif
