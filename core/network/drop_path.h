/* SPDX-License-Identifier: MIT */
#ifndef NAS_NETWORK_DROP_PATH_H
#define NAS_NETWORK_DROP_PATH_H

/* Drop path: in meta-training a path of an image is left out at random, and counts more where it
 * stays. */

#include "network/graph.h"

/* Draw factors[n_paths][max_batch] for n images; 0 = this pass drops nothing. */
int nas_drop_path_draw(const struct mn_model *model, const struct mn_ctx *ctx,
                       const struct mn_pass *pass, int n, mn_real *factors);

/* Those of the images on this path, NULL = 1. `factors` is NULL where nothing is dropped. */
const mn_real *nas_drop_path_factors(const struct mn_model *model, const struct nas_path *path,
                                     const mn_real *factors);

#endif
