/* SPDX-License-Identifier: MIT */
#ifndef NAS_EXEC_CLUSTER_CLUSTER_H
#define NAS_EXEC_CLUSTER_CLUSTER_H

/* The processes of a job, connected by a plugin of kind transport. Rank 0 carries out the command:
 * it alone reads command lines, writes files and prints. The others serve: they open the
 * configuration that they are sent, work on the tasks that they are given, and send the results
 * back. */

#include "exec/executor.h"

struct nas_ranks;

/* Connect through the transport plugin `use`, which stands at `mark`. All ranks call it. *out is
 * also set on failure, for nas_ranks_rank and nas_ranks_leave. */
int nas_ranks_join(struct mn_ctx *ctx, const char *use, struct nas_mark mark,
                   const char *const *plugin_dirs, struct nas_ranks **out);
/* Of this process; -1 where it could not be connected. */
int nas_ranks_rank(const struct nas_ranks *ranks);

/* All ranks but the first: serve until rank 0 ends, and give its exit code. */
int nas_ranks_serve(struct nas_ranks *ranks, struct mn_ctx *ctx, const char *const *plugin_dirs,
                    int *code);

/* Disconnect; the other ranks end with this exit code, too. Where a rank is lost, all processes are
 * ended at once, this one as well. Takes NULL. */
void nas_ranks_leave(struct nas_ranks *ranks, int code);

/* Rank 0: the executor of an experiment on all ranks. One at a time. Ranks that have the same
 * configuration open from before keep it. */
int nas_ranks_executor(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                       struct nas_executor **out);

#endif
