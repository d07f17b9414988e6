/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_RUN_H
#define NAS_LEARN_RUN_H

/* A run: an experiment and a state in a run directory. */

#include "learn/evaluate.h"
#include "learn/state.h"
#include "store/rundir.h"

/* Before going on from a state that was loaded. MN_CONFIG: it was made with another seed,
 * configuration (but for nas_config_may_change), plugin or other data; with accept = 1 only another
 * seed is refused and the rest warned of. Another program, BLAS or other kernels are always warned
 * of only. */
int nas_run_check(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                  const struct nas_state *state, int accept);

/* nas_rundir_open for a state; a new one is saved, one that was loaded checked. */
int nas_run_open(struct nas_rundir *dir, const struct nas_experiment *experiment,
                 struct mn_ctx *ctx, const struct nas_state *state, const char *path);
/* nas_rundir_back to a new state or one of its checkpoints. */
int nas_run_back(struct nas_rundir *dir, const struct nas_experiment *experiment,
                 struct mn_ctx *ctx, const struct nas_state *state);
/* nas_rundir_save of a state. */
int nas_run_save(struct nas_rundir *dir, const struct nas_experiment *experiment,
                 struct mn_ctx *ctx, const struct nas_state *state);
/* Write best.safetensors: the state that `validation` was made with, and its accuracy. */
int nas_run_save_best(struct nas_rundir *dir, const struct nas_experiment *experiment,
                      struct mn_ctx *ctx, const struct nas_state *state,
                      const struct nas_evaluation *validation);

#endif
