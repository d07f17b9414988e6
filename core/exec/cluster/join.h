/* SPDX-License-Identifier: MIT */
#ifndef NAS_EXEC_CLUSTER_JOIN_H
#define NAS_EXEC_CLUSTER_JOIN_H

/* Connecting and disconnecting. */

#include "exec/cluster/cluster.h"

/* Connect through the transport plugin `use`, which stands at `mark`. All ranks call it. *out is
 * also set on failure, for nas_cluster_rank and nas_cluster_leave. */
int nas_cluster_join(struct mn_ctx *ctx, const char *use, struct nas_mark mark,
                     const char *const *plugin_dirs, struct nas_cluster **out);
/* Of this process; -1 where it could not be connected. */
int nas_cluster_rank(const struct nas_cluster *cluster);

/* Rank 0: its share of the processors of its node, and whether other ranks run there, which can
 * have its data. */
int nas_cluster_processors(const struct nas_cluster *cluster);
int nas_cluster_shares(const struct nas_cluster *cluster);

/* Disconnect; the other ranks end with this exit code, too. Where a rank is lost, all processes are
 * ended at once, this one as well. Takes NULL. */
void nas_cluster_leave(struct nas_cluster *cluster, int code);

#endif
