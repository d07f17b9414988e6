/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_TASK_H
#define NAS_LEARN_TASK_H

/* Tasks: sampling them and drawing their mini-batches. */

#include "learn/experiment.h"

/* Services of struct mn_host. */
int64_t nas_service_task_steps(struct mn_ctx *ctx, const struct mn_task *task, int64_t steps);
int nas_service_task_batch(struct mn_ctx *ctx, const struct mn_task *task, int64_t step, int32_t n,
                           struct mn_set *out);
int nas_service_step_done(struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                          double skip_share, const struct mn_point *now);

/* Classes and images a class of a task of this split. */
void nas_episode_spec(const struct nas_experiment *experiment, int split,
                      struct mn_episode_spec *spec);

/* A task and its memory, in ctx's scratch: lives until the scratch is released. Sampled from
 * ctx->where's split, meta-epoch and task. classes[ways] may be NULL. */
int nas_episode_sample(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                       struct mn_task *out, int64_t *classes);

/* The same in parts: buffers in ctx's scratch, drawing into them, and the task that they hold. */
int nas_episode_room(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                     const struct mn_episode_spec *spec, struct mn_episode *out);
int nas_episode_draw(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                     const struct mn_episode_spec *spec, struct mn_episode *out);
void nas_episode_task(const struct nas_experiment *experiment, const struct mn_episode_spec *spec,
                      const struct mn_episode *episode, struct mn_task *out);

/* A fingerprint of the images and labels of a task; the same in both precisions. */
uint64_t nas_episode_hash(const struct nas_experiment *experiment, const struct mn_task *task);

#endif
