/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_STATE_H
#define NAS_LEARN_STATE_H

/* The state of meta-training: the meta point, the optimiser state, and what the run has counted. */

#include "exec/executor.h"
#include "learn/experiment.h"
#include "store/checkpoint.h"

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
    int n_metadata;     /* of that file */
    const struct nas_metadata *metadata;
    int accept_changes; /* go on although configuration or plugins differ from the checkpoint's */
    int64_t meta_epoch; /* done so far */
    int64_t evaluated;  /* meta-epoch of the last validation */
    double best;        /* highest validation accuracy so far, -1 = none */
    int64_t best_epoch; /* its meta-epoch; of equals the first */
    int64_t rollbacks;  /* so far (run.on_nan) */
    double
        log[4]; /* since the last metrics line: meta-epochs, sums of loss, accuracy, skip share */
    int n_tensors; /* where a checkpoint's lie in it */
    struct nas_safetensor *tensors;
    struct nas_arena arena;
};

/* Initial state, or the one of a checkpoint. Loading checks names and shapes against the experiment
 * and names what differs. */
int nas_state_new(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                  struct nas_state *out);
int nas_state_load(const struct nas_experiment *experiment, struct mn_ctx *ctx, const char *path,
                   struct nas_state *out);
int nas_state_save(const struct nas_experiment *experiment, struct mn_ctx *ctx, const char *path,
                   const struct nas_state *state, int n_extra, const struct nas_metadata *extra);
/* The state as a checkpoint, which is valid as long as it and what is taken from arena. MN_NOMEM.
 */
int nas_state_checkpoint(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                         const struct nas_state *state, struct nas_arena *arena,
                         struct nas_checkpoint *out);
void nas_state_fini(struct nas_state *state);

/* That of the newest checkpoint in a run directory: nas_checkpoint_store_load. A checkpoint that is
 * whole but of another configuration ends the search: MN_CONFIG. *out is untouched where none is
 * found. */
int nas_state_load_newest(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                          const char *dir, int64_t last, int64_t every, struct nas_state *out,
                          int *found);
/* The newest that can be read. Where there is none at all, in a run that ended before its first
 * one, the initial state, with a warning. */
int nas_state_resume(const struct nas_experiment *experiment, struct mn_ctx *ctx, const char *dir,
                     struct nas_state *out);

/* `parts` of a kind of jobs: w, a, the optimiser state and the named states of job->state. */
int nas_state_parts(const struct nas_job *job, struct nas_job_part *out);

/* Service of struct mn_host. */
mn_real *nas_service_state(struct mn_ctx *ctx, const char *name, int64_t n);

#endif
