/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_RUNDIR_H
#define MN__RUN_RUNDIR_H

/* The files of a run (docs/configuration.md, run directory). */

#include "run/metatrain.h"
#include "run/metrics.h"

struct mn__rundir {
    const char *path;
    struct mn__metrics metrics, timing;
    struct mn__metrics architecture; /* open where something is searched */
    int64_t saved;                   /* meta-epoch of the checkpoint; -1 = there is none */
    int64_t evaluated;               /* the last validation it knows of */
};

/* Make the folder and its files, for a new state; for one that was loaded, cut the metrics back to
 * its checkpoint. Refused: a new state where there is a checkpoint, and a checkpoint of another
 * seed. `close` takes one that could not be opened, too. */
int mn__rundir_open(struct mn__rundir *dir, const struct mn__experiment *experiment,
                    struct mn_cx *cx, const struct mn__state *state, const char *path);
void mn__rundir_close(struct mn__rundir *dir);

/* Write the checkpoint, unless the one that is there holds this state. */
int mn__rundir_save(struct mn__rundir *dir, const struct mn__experiment *experiment,
                    struct mn_cx *cx, const struct mn__state *state);
/* Write best.safetensors: the state that `validation` was made with, and its accuracy. */
int mn__rundir_save_best(struct mn__rundir *dir, const struct mn__experiment *experiment,
                         struct mn_cx *cx, const struct mn__state *state,
                         const struct mn__evaluation *validation);

#endif
