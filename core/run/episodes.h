/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_EPISODES_H
#define MN__RUN_EPISODES_H

/* Frozen lists of episodes: which images of which classes every task holds, in a text file that
 * people can read (docs/experiments.md, episode lists). Two fingerprints guard them: one of the
 * data set (its shape, and the names and numbers of images of the split's classes), and one of the
 * images of every task. */

#include "run/experiment.h"

struct mn__episodes {
    const char *path;            /* of the file; NULL for a new list */
    struct mn_episode_spec spec; /* of every task */
    uint64_t seed;               /* they were drawn with; it also keys their mini-batches */
    const char *dataset;         /* unit */
    uint64_t data;               /* fingerprint of the data set */
    int64_t tasks;
    int64_t *classes;   /* [tasks][ways] */
    int64_t *samples;   /* [tasks][ways][support + query] */
    const char **names; /* [tasks][ways], of the classes */
    uint64_t *hashes;   /* [tasks], of their images (mn__episode_hash) */
    struct mn__arena arena;
};

/* A list to draw n tasks of a split into, those that mn__evaluate draws with the same run.seed.
 * MN_UNSUPPORTED where the data set cannot name its images. */
int mn__episodes_new(const struct mn__experiment *experiment, struct mn_cx *cx, int split,
                     int64_t n, struct mn__episodes *out);
/* Draw task `index`. On one thread. */
int mn__episodes_draw(struct mn__episodes *episodes, const struct mn__experiment *experiment,
                      struct mn_cx *cx, int64_t index);
int mn__episodes_write(const struct mn__episodes *episodes, struct mn_cx *cx, const char *path);

/* Read a list. MN_IO with file:line:column and what was expected there. Memory is bounded by the
 * size of the file. */
int mn__episodes_read(struct mn_cx *cx, const char *path, struct mn__episodes *out);
/* Whether its tasks are of the shape of the experiment and its data set the one they were drawn
 * from. MN_CONFIG. */
int mn__episodes_check(const struct mn__episodes *episodes, const struct mn__experiment *experiment,
                       struct mn_cx *cx);
/* Task `index` of a checked list, in cx's scratch. [worker] MN_IO where an image has changed. */
int mn__episodes_task(const struct mn__episodes *episodes, const struct mn__experiment *experiment,
                      struct mn_cx *cx, int64_t index, struct mn_task *out);

/* Memory for `tasks` tasks of the shape `spec`. */
int mn__episodes_room(struct mn__episodes *episodes, struct mn_cx *cx);

/* Takes a zeroed list, too. */
void mn__episodes_fini(struct mn__episodes *episodes);

#endif
