/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_EPISODE_H
#define MN__RUN_EPISODE_H

/* Tasks: sampling them and drawing their mini-batches. */

#include "run/experiment.h"

/* Put task_steps, task_batch and step_done into the host table. Once, at start. */
void mn__episode_install(struct mn_host *host);

/* Classes and images a class of a task of this split. */
void mn__episode_spec(const struct mn__experiment *experiment, int split,
                      struct mn_episode_spec *spec);

/* A task and its memory, in cx's scratch: lives until the scratch is released. Sampled from
 * cx->where's split, meta-epoch and task. classes[ways] may be NULL. */
int mn__episode_sample(const struct mn__experiment *experiment, struct mn_cx *cx,
                       struct mn_task *out, int64_t *classes);

/* The same in parts: buffers in cx's scratch, drawing into them, and the task that they hold. */
int mn__episode_room(const struct mn__experiment *experiment, struct mn_cx *cx,
                     const struct mn_episode_spec *spec, struct mn_episode *out);
int mn__episode_draw(const struct mn__experiment *experiment, struct mn_cx *cx,
                     const struct mn_episode_spec *spec, struct mn_episode *out);
void mn__episode_task(const struct mn__experiment *experiment, const struct mn_episode_spec *spec,
                      const struct mn_episode *episode, struct mn_task *out);

/* A fingerprint of the images and labels of a task; the same in both precisions. */
uint64_t mn__episode_hash(const struct mn__experiment *experiment, const struct mn_task *task);

#endif
