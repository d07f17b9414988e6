/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_STATE_H
#define TESTS_FUZZ_STATE_H

/* The experiment that the checkpoints of fuzz_checkpoint.c belong to. */

#include "learn/experiment.h"

/* Open it; its data set is never started. */
int fuzz_experiment(struct nas_experiment *experiment, struct mn_ctx *ctx);

#endif
