/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_EPISODE_LIST_H
#define NAS_LEARN_EPISODE_LIST_H

/* Frozen lists of episodes: which images of which classes every task holds, in a text file that
 * people can read (docs/guide.md, episode lists). Two fingerprints guard them: one of the
 * data set (its shape, and the names and numbers of images of the split's classes), and one of the
 * images of every task. */

#include "learn/experiment.h"

struct nas_episodes {
    const char *path;            /* of the file; NULL for a new list */
    struct mn_episode_spec spec; /* of every task */
    uint64_t seed;               /* they were drawn with; it also keys their mini-batches */
    const char *dataset;         /* unit */
    uint64_t data;               /* fingerprint of the data set */
    int64_t tasks;
    int64_t *classes;   /* [tasks][ways] */
    int64_t *samples;   /* [tasks][ways][support + query] */
    const char **names; /* [tasks][ways], of the classes */
    uint64_t *hashes;   /* [tasks], of their images (nas_episode_hash) */
    struct nas_arena arena;
};

/* A list to draw n tasks of a split into, those that nas_evaluate draws with the same run.seed.
 * MN_UNSUPPORTED where the data set cannot name its images. */
int nas_episodes_new(const struct nas_experiment *experiment, struct mn_ctx *ctx, int split,
                     int64_t n, struct nas_episodes *out);
/* Draw task `index`. On one thread. */
int nas_episodes_draw(struct nas_episodes *episodes, const struct nas_experiment *experiment,
                      struct mn_ctx *ctx, int64_t index);
/* A list of n tasks, or of as many as the data set has images for, in which no image is in two
 * tasks: every class has its images in a drawn order and gives them out in turn, and a task takes
 * the classes that have most left, at random among equals. */
int nas_episodes_disjoint(const struct nas_experiment *experiment, struct mn_ctx *ctx, int split,
                          int64_t n, struct nas_episodes *out);
/* Whether no image of a list is in two of its tasks. 1, 0, or MN_NOMEM. */
int nas_episodes_are_disjoint(const struct nas_episodes *episodes, struct mn_ctx *ctx);
int nas_episodes_write(const struct nas_episodes *episodes, struct mn_ctx *ctx, const char *path);

/* Read a list. MN_IO with file:line:column and what was expected there. Memory is bounded by the
 * size of the file. */
int nas_episodes_read(struct mn_ctx *ctx, const char *path, struct nas_episodes *out);
/* Whether its tasks are of the shape of the experiment and its data set the one they were drawn
 * from. MN_CONFIG. */
int nas_episodes_check(const struct nas_episodes *episodes, const struct nas_experiment *experiment,
                       struct mn_ctx *ctx);
/* Task `index` of a checked list, in ctx's scratch. [worker] MN_IO where an image has changed. */
int nas_episodes_task(const struct nas_episodes *episodes, const struct nas_experiment *experiment,
                      struct mn_ctx *ctx, int64_t index, struct mn_task *out);

/* Memory for `tasks` tasks of the shape `spec`. */
int nas_episodes_room(struct nas_episodes *episodes, struct mn_ctx *ctx);

/* Takes a zeroed list, too. */
void nas_episodes_fini(struct nas_episodes *episodes);

#endif
