/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_RUNDIR_H
#define NAS_STORE_RUNDIR_H

/* The files of a run (docs/guide.md, run directory). */

#include "base/folder.h"
#include "store/checkpoint.h"
#include "store/jsonl.h"

/* What a run wants of its directory. */
struct nas_rundir_plan {
    const char *config; /* text of config.resolved.yaml */
    size_t config_length;
    int searches;             /* there is an architecture to write down */
    int64_t checkpoint_every; /* meta-epochs; 0 = only at the end */
    int64_t keep_checkpoints; /* the newest and those before it */
};

/* The checkpoint that a run goes on from; a new run has none. */
struct nas_rundir_start {
    const char *source; /* its file; NULL = a new run */
    int64_t meta_epoch, evaluated;
    int n_meta;
    const struct nas_metadata *metadata;
};

struct nas_rundir {
    const char *path;
    struct nas_rundir_plan plan;
    struct nas_append_log metrics, timing;
    struct nas_append_log architecture; /* open where something is searched */
    struct nas_append_log steps;        /* open once it has a line */
    int64_t saved;                      /* meta-epoch of the checkpoint; -1 = there is none */
    int64_t evaluated;                  /* the last validation it knows of */
    int behind;                         /* the run went back: the checkpoint is of what was left */
    struct nas_folder folder;           /* locked, where ctx had not locked it before */
};

/* Make the folder and its files, for a new run; for one that goes on, cut the files of lines back
 * to its checkpoint and make that the newest. ctx has the folder locked until it is closed; `path`
 * and the text of the configuration are not copied. Refused: a new run where there is a checkpoint,
 * and a folder in which another process is at work. `close` takes one that could not be opened,
 * too. */
int nas_rundir_open(struct nas_rundir *dir, struct mn_ctx *ctx, const char *path,
                    const struct nas_rundir_plan *plan, const struct nas_rundir_start *start);
void nas_rundir_close(struct nas_rundir *dir, struct mn_ctx *ctx);
/* Meta-epoch of the checkpoint as it is on the disk; -1 = there is none that can be read, or the
 * folder was moved away. */
int64_t nas_rundir_on_disk(const struct nas_rundir *dir, struct mn_ctx *ctx);

/* Cut the files of an open one back to an earlier start. The next save writes in any case. */
int nas_rundir_back(struct nas_rundir *dir, struct mn_ctx *ctx,
                    const struct nas_rundir_start *start);

/* steps.csv, made where it is not there yet. NULL = it cannot be made; a message says why. */
struct nas_append_log *nas_rundir_steps(struct nas_rundir *dir, struct mn_ctx *ctx);

/* Whether the checkpoint that is there is that of these meta-epochs. */
int nas_rundir_has(const struct nas_rundir *dir, int64_t meta_epoch, int64_t evaluated);
/* Write the checkpoint, unless it is there; the one before stays under its second name as the plan
 * says. */
int nas_rundir_save(struct nas_rundir *dir, struct mn_ctx *ctx,
                    const struct nas_checkpoint *checkpoint);

#endif
