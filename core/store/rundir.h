/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_RUNDIR_H
#define NAS_STORE_RUNDIR_H

/* The files of a run (docs/guide.md, run directory). */

#include "base/folder.h"
#include "learn/evaluate.h"
#include "learn/state.h"
#include "store/append_log.h"

struct nas_rundir {
    const char *path;
    struct nas_append_log metrics, timing;
    struct nas_append_log architecture; /* open where something is searched */
    struct nas_append_log steps;        /* open once it has a line */
    int64_t saved;                      /* meta-epoch of the checkpoint; -1 = there is none */
    int64_t evaluated;                  /* the last validation it knows of */
    int behind;                         /* the run went back: the checkpoint is of what was left */
    struct nas_folder folder;           /* the folder, where ctx did not hold it before */
};

/* Make the folder and its files, for a new state, which is saved; for one that was loaded, cut the
 * metrics back to its checkpoint and make that the newest. ctx holds the folder until it is closed.
 * Refused: a new state where there is a checkpoint, a folder in which another process is at work,
 * and what nas_provenance_check refuses. `close` takes one that could not be opened, too. */
int nas_rundir_open(struct nas_rundir *dir, const struct nas_experiment *experiment,
                    struct mn_ctx *ctx, const struct nas_state *state, const char *path);
void nas_rundir_close(struct nas_rundir *dir, struct mn_ctx *ctx);
/* Meta-epoch of the checkpoint as it is on the disk; -1 = there is none that can be read, or the
 * folder was moved away. */
int64_t nas_rundir_on_disk(const struct nas_rundir *dir, struct mn_ctx *ctx);

/* Cut the files of an open one back to an earlier state, a new one or one of its checkpoints. The
 * next save writes in any case. */
int nas_rundir_back(struct nas_rundir *dir, const struct nas_experiment *experiment,
                    struct mn_ctx *ctx, const struct nas_state *state);

/* steps.csv, made where it is not there yet. NULL = it cannot be made; a message says why. */
struct nas_append_log *nas_rundir_steps(struct nas_rundir *dir, struct mn_ctx *ctx);

/* Write the checkpoint, unless the one that is there holds this state; the one before stays under
 * its second name (run/kept.h) as run.keep_checkpoints says. */
int nas_rundir_save(struct nas_rundir *dir, const struct nas_experiment *experiment,
                    struct mn_ctx *ctx, const struct nas_state *state);
/* Write best.safetensors: the state that `validation` was made with, and its accuracy. */
int nas_rundir_save_best(struct nas_rundir *dir, const struct nas_experiment *experiment,
                         struct mn_ctx *ctx, const struct nas_state *state,
                         const struct nas_evaluation *validation);

#endif
