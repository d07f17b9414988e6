/* SPDX-License-Identifier: MIT */
#ifndef METANAS_JOB_H
#define METANAS_JOB_H

/* This process among those that mpirun or srun has started. */

#include "command.h"

#include "base/folder.h"
#include "exec/cluster/join.h"

struct job {
    struct nas_cluster *cluster; /* NULL = this process is alone */
    int serves;                  /* another one carries out the command, and speaks */
    int code;                    /* where it does: its exit code */
    struct nas_folder folder;    /* the run that the command writes into */
};

/* Connect with the other processes of the job, if the configuration of the command or the launcher
 * says that there are some: arguments->cluster. Of ranks other than the first it returns when all
 * is done. */
int job_join(struct mn_ctx *ctx, const struct command *command, struct arguments *arguments,
             struct job *job);
/* Whether this process is the one that says what is wrong, as far as it is known yet. */
int job_speaks(const struct job *job);
/* Disconnect. The other processes end with `code`, too. */
void job_leave(struct job *job, struct mn_ctx *ctx, int code);

#endif
