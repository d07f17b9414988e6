/* SPDX-License-Identifier: MIT */
#ifndef METANAS_RUNDIR_H
#define METANAS_RUNDIR_H

/* The run directory (docs/guide.md): making one, finding one, what is in it. */

#include "command.h"

#include "learn/evaluate.h"
#include "learn/state.h"
#include "store/jsonl.h"

#include <jansson.h>

/* Make the directory for a new run: `out`, or with NULL runs/NAME-N with the first N that is free.
 * Refused where a run is in it already. */
int rundir_make(struct mn_ctx *ctx, struct nas_arena *arena, const char *out, const char *name,
                const char **dir);
/* MN_IO with a message where `dir` is no folder. */
int rundir_check_folder(struct mn_ctx *ctx, const char *dir);
/* The same, also where it is that of a sweep. */
int rundir_check(struct mn_ctx *ctx, const char *dir);
/* DIR/NAME in arena. */
int rundir_file(struct mn_ctx *ctx, struct nas_arena *arena, const char *dir, const char *name,
                const char **out);
/* A JSON file of it, `path` as from rundir_file. For json_decref. A missing file is an error that
 * names the command that makes it. */
int rundir_json(struct mn_ctx *ctx, const char *path, json_t **out);
/* `object`, which is taken (NULL = it could not be made), as text of `length` bytes, which no zero
 * follows; for free(). `path` is for the message. */
int rundir_json_text(struct mn_ctx *ctx, const char *path, json_t *object, char **out,
                     size_t *length);
/* Write `object`, which is taken (NULL = it could not be made), to the file in one step; to `echo`
 * as well unless that is NULL. */
int rundir_json_write(struct mn_ctx *ctx, const char *path, json_t *object, FILE *echo);
/* The texts as an array, an empty one without any. NULL = no memory. */
json_t *rundir_texts(const struct texts *texts);
/* Seconds that a line of timing.jsonl stands for: those of a validation, or of the meta-epochs
 * since the line before, whose last meta-epoch is in *meta_epoch (0 at first) and is moved on. */
double rundir_seconds(const json_t *line, int64_t *meta_epoch);
/* The file behind --state: "last" (as NULL) or "best" of the run, or a file of its own. MN_IO where
 * the best one is not there. */
int rundir_state(struct mn_ctx *ctx, struct nas_arena *arena, const char *dir, const char *name,
                 const char **out);
/* Its configuration and the state called `name`, as in rundir_state, made ready. With
 * NAS_OPEN_NO_DATA in more->flags the data is left alone where the checkpoint tells the shape of
 * its images; `more` may be NULL. */
int rundir_open(struct mn_ctx *ctx, const struct arguments *arguments, const char *dir,
                const char *name, const struct nas_open *more, struct nas_experiment *experiment,
                struct nas_state *state);
/* The operand is a run that is written into: struct command, holds. */
int rundir_holds(const struct arguments *arguments);
/* The configuration of the run that arguments->operand is: struct command, config. */
int rundir_config(struct mn_ctx *ctx, struct nas_arena *arena, const struct arguments *arguments,
                  const char **out);
/* nas_jsonl_read of a file that nothing hangs on: one that is missing has no lines, and of a
 * damaged one those before the damage count, with a warning. */
int rundir_lines(struct mn_ctx *ctx, const char *path, nas_jsonl_fn each, void *data);
/* Print the last validation result of a run and how to test it. */
int rundir_report(struct mn_ctx *ctx, const char *dir);

/* Where a signal came before the run had begun or after it was done, and there is a run to go on
 * with: says so, and the exit code is that of a run that goes on. Returns the status. */
int rundir_goes_on(struct mn_ctx *ctx, const char *dir, int status);

#endif
