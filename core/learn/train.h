/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_TRAIN_H
#define NAS_LEARN_TRAIN_H

/* Algorithm 1 and 2: the outer loop, with logging, validation and checkpoints in a run directory.
 */

#include "learn/state.h"

/* 1 when nothing is left to do: all meta-epochs are done and the last one is validated. */
int nas_state_finished(const struct nas_experiment *experiment, const struct nas_state *state);

/* Meta-train from `state` until run.meta_epochs are done, writing to the run directory `dir`
 * (run/rundir.h). Returns MN_CANCELLED after saving when a signal asked to stop. On any failure the
 * last checkpoint stays and the message says how to go on. */
int nas_metatrain(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                  struct nas_state *state, const char *dir);

#endif
