/* SPDX-License-Identifier: MIT */
#include "network/drop_path.h"

int nas_drop_path_draw(const struct mn_model *m, const struct mn_ctx *ctx,
                       const struct mn_pass *pass, int n, mn_real *factors) {
    const struct mn_where *w = &ctx->where;
    double rate = m->drop_path;
    if (m->drop_ramp && w->meta_epochs > 0) {
        rate *= (double)w->meta_epoch / (double)w->meta_epochs;
    }
    if (!(rate > 0) || (pass->flags & MN_PASS_TRAINING) == 0 || w->split != MN_TRAIN) {
        return 0;
    }
    for (int path = 0; path < m->n_paths; path++) {
        /* Every path has its own stream, so that skipping one moves no other. */
        struct mn_rng rng =
            mn_rng_make(w->seed, MN_RNG_DROP_PATH, (uint32_t)w->split, (uint64_t)w->meta_epoch,
                        (uint32_t)w->task, (uint32_t)pass->step);
        rng.counter[0] = (uint32_t)path << 12;
        for (int i = 0; i < n; i++) {
            factors[(int64_t)path * m->dims.max_batch + i] =
                mn_rng_uniform(&rng) < rate ? 0 : (mn_real)(1 / (1 - rate));
        }
    }
    return 1;
}

const mn_real *nas_drop_path_factors(const struct mn_model *m, const struct nas_path *path,
                                     const mn_real *factors) {
    return factors == NULL || path->op == NULL || (path->identity && path->n_inner == 0)
               ? NULL
               : factors + (int64_t)path->index * m->dims.max_batch;
}
