/* SPDX-License-Identifier: MIT */
#ifndef NAS_EXEC_CLUSTER_LEAD_H
#define NAS_EXEC_CLUSTER_LEAD_H

/* Rank 0. */

#include "exec/cluster/cluster.h"

/* An executor on all ranks; one at a time. They open the configuration of `basis`, unless they have
 * it open from before. MN_CONFIG where a rank would compute other bits than this one. */
int nas_cluster_lead(struct nas_cluster *cluster, struct mn_ctx *ctx,
                     const struct nas_cluster_work *work, const struct nas_cluster_basis *basis,
                     struct nas_executor **out);

#endif
