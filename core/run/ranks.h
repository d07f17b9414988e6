/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_RANKS_H
#define MN__RUN_RANKS_H

/* The processes of a job, connected by a plugin of kind executor. Rank 0 carries out the command:
 * it alone reads command lines, writes files and prints. The others serve: they open the
 * configuration that they are sent, work on the tasks that they are given, and send the results
 * back. */

#include "run/executor.h"

struct mn__ranks;

/* Connect through the executor plugin `use`, which stands at `mark`. All ranks call it. *out is
 * also set on failure, for mn__ranks_rank and mn__ranks_leave. */
int mn__ranks_join(struct mn_cx *cx, const char *use, struct mn__mark mark,
                   const char *const *plugin_dirs, struct mn__ranks **out);
/* Of this process; -1 where it could not be connected. */
int mn__ranks_rank(const struct mn__ranks *ranks);

/* All ranks but the first: serve until rank 0 ends, and give its exit code. */
int mn__ranks_serve(struct mn__ranks *ranks, struct mn_cx *cx, const char *const *plugin_dirs,
                    int *code);

/* Disconnect; the other ranks end with this exit code, too. Where a rank is lost, all processes are
 * ended at once, this one as well. Takes NULL. */
void mn__ranks_leave(struct mn__ranks *ranks, int code);

/* Rank 0: the executor of an experiment on all ranks. One at a time. Ranks that have the same
 * configuration open from before keep it. */
int mn__ranks_executor(struct mn_cx *cx, const struct mn__experiment *experiment,
                       struct mn__executor **out);

#endif
