/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_JOBS_H
#define NAS_LEARN_JOBS_H

/* The tasks of learning as jobs of an executor, and who works on them. */

#include "exec/cluster/cluster.h"
#include "learn/experiment.h"

/* The executor of an experiment: all ranks of its cluster where it has one and the configuration
 * agrees, else run.workers threads. */
int nas_jobs_executor(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                      struct nas_executor **out);

/* For ranks other than the first: the kinds of jobs, and how an experiment is opened. */
extern const struct nas_cluster_work nas_jobs_of_ranks;

#endif
