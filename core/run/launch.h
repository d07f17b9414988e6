/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_LAUNCH_H
#define MN__RUN_LAUNCH_H

/* How this process was started, before anything is connected. */

#include "run/experiment.h"

/* What mpirun, srun and their like say of it in the environment. */
struct mn__launch {
    int processes, process; /* of the job; 1 and 0 where it was started alone */
    const char *variable;   /* "PMI_SIZE": what told it, or NULL */
};
struct mn__launch mn__launch_read(void);

/* run.executor of a configuration that is still to be checked, with `auto` decided: "threads" or
 * the name of a plugin, and where it was said. A configuration that cannot be read counts as
 * `auto`. The texts live in `arena`. */
void mn__launch_executor(const struct mn__open *open, struct mn__arena *arena, const char **use,
                         struct mn__mark *mark);

/* Processors that this process may use: of its affinity, and no more than the quota of its control
 * groups (docker --cpus, Slurm, systemd) rounded up. */
int mn__launch_processors(void);

#endif
