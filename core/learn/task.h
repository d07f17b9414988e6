/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_TASK_H
#define NAS_LEARN_TASK_H

/* Tasks: sampling them and drawing their mini-batches. */

#include "learn/experiment.h"

/* Put task_steps, task_batch and step_done into the host table. Once, at start. */
void nas_episode_install(struct mn_host *host);

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
