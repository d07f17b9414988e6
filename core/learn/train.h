/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_TRAIN_H
#define NAS_LEARN_TRAIN_H

/* Algorithms 1 and 2: the outer loop, with logging, validation and checkpoints in a run directory.
 */

#include "learn/evaluate.h"
#include "learn/state.h"

/* Who is told of the progress of meta-training, and for how long. Each function may be NULL. */
struct nas_train_observer {
    void *data;
    int64_t stop_after; /* leave the run with a checkpoint once so many meta-epochs are done, and
                           what is due there is validated; 0 = at its end */
    void (*begin)(void *data, int64_t meta_epoch); /* here; again after a rollback */
    void (*meta_epoch)(void *data, int64_t done, double loss, double accuracy);
    void (*queries)(void *data, double accuracy); /* on query sets, with a line of metrics */
    void (*validation)(void *data, int64_t done, const struct nas_evaluation *validation);
    void (*end)(void *data); /* whatever came of it; before each but the first begin, too */
};

/* 1 when nothing is left to do: all meta-epochs are done and the last one is validated. */
int nas_train_finished(const struct nas_experiment *experiment, const struct nas_state *state);

/* Meta-train from `state` until run.meta_epochs, or observer->stop_after, are done, writing to the
 * run directory `dir` (store/rundir.h). `observer` may be NULL. Returns MN_CANCELLED after saving
 * when a signal asked to stop. On any failure the last checkpoint stays and the message says how to
 * go on. */
int nas_train(const struct nas_experiment *experiment, struct mn_ctx *ctx, struct nas_state *state,
              const char *dir, const struct nas_train_observer *observer);

#endif
