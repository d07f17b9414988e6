/* SPDX-License-Identifier: MIT */
#ifndef METANAS_META_LEARNER_H
#define METANAS_META_LEARNER_H

/* meta_learner: the outer update (Eq. 4; Algorithm 1, lines 8-9). */

#include "cx.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mn_meta_learner {
    uint32_t size;
    uint32_t reserved;

    /* Optional. Rules across options; use mn_bad_option. [setup] */
    int (*check)(const void *self, struct mn_cx *cx);
    /* Optional. Claim named state with mn_state. [setup] */
    int (*start)(void *self, struct mn_cx *cx, const struct mn_dims *dims);
    /* This task's descent direction: out.w[n_w], out.a[n_a], to be written whole. `meta` is the
     * point the task started from, `adapted` where it ended. [worker] */
    int (*delta)(const void *self, struct mn_cx *cx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out);
    /* Apply the mean of the directions, summed in task order, to `meta`. cx->where tells the
     * meta-epoch. [main] */
    int (*update)(void *self, struct mn_cx *cx, struct mn_point *meta,
                  const struct mn_point *mean_delta);
};

#ifdef __cplusplus
}
#endif

#endif
