/* SPDX-License-Identifier: MIT */
#ifndef NAS_EXEC_CLUSTER_SERVE_H
#define NAS_EXEC_CLUSTER_SERVE_H

/* Ranks other than the first. */

#include "exec/cluster/cluster.h"

/* Do what rank 0 says until it ends, and give its exit code. */
int nas_cluster_serve(struct nas_cluster *cluster, struct mn_ctx *ctx,
                      const struct nas_cluster_work *work, const char *const *plugin_dirs,
                      int *code);

#endif
