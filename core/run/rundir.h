/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_RUNDIR_H
#define MN__RUN_RUNDIR_H

/* The files of a run (docs/configuration.md, run directory). */

#include "run/file.h"
#include "run/metatrain.h"
#include "run/metrics.h"

struct mn__rundir {
    const char *path;
    struct mn__metrics metrics, timing;
    struct mn__metrics architecture; /* open where something is searched */
    struct mn__metrics steps;        /* open once it has a line */
    int64_t saved;                   /* meta-epoch of the checkpoint; -1 = there is none */
    int64_t evaluated;               /* the last validation it knows of */
    int behind;                      /* the run went back: the checkpoint is of what was left */
    struct mn__held held;            /* the folder, where cx did not hold it before */
};

/* Make the folder and its files, for a new state, which is saved; for one that was loaded, cut the
 * metrics back to its checkpoint and make that the newest. cx holds the folder until it is closed.
 * Refused: a new state where there is a checkpoint, a folder in which another process is at work,
 * and what mn__origin_check refuses. `close` takes one that could not be opened, too. */
int mn__rundir_open(struct mn__rundir *dir, const struct mn__experiment *experiment,
                    struct mn_cx *cx, const struct mn__state *state, const char *path);
void mn__rundir_close(struct mn__rundir *dir, struct mn_cx *cx);
/* Meta-epoch of the checkpoint as it is on the disk; -1 = there is none that can be read, or the
 * folder was moved away. */
int64_t mn__rundir_on_disk(const struct mn__rundir *dir, struct mn_cx *cx);

/* Cut the files of an open one back to an earlier state, a new one or one of its checkpoints. The
 * next save writes in any case. */
int mn__rundir_back(struct mn__rundir *dir, const struct mn__experiment *experiment,
                    struct mn_cx *cx, const struct mn__state *state);

/* steps.csv, made where it is not there yet. NULL = it cannot be made; a message says why. */
struct mn__metrics *mn__rundir_steps(struct mn__rundir *dir, struct mn_cx *cx);

/* Write the checkpoint, unless the one that is there holds this state; the one before stays under
 * its second name (run/kept.h) as run.keep_checkpoints says. */
int mn__rundir_save(struct mn__rundir *dir, const struct mn__experiment *experiment,
                    struct mn_cx *cx, const struct mn__state *state);
/* Write best.safetensors: the state that `validation` was made with, and its accuracy. */
int mn__rundir_save_best(struct mn__rundir *dir, const struct mn__experiment *experiment,
                         struct mn_cx *cx, const struct mn__state *state,
                         const struct mn__evaluation *validation);

#endif
