/* SPDX-License-Identifier: MIT */
#ifndef NAS_EXEC_LAUNCH_H
#define NAS_EXEC_LAUNCH_H

/* How this process was started, before anything is connected. */

#include "config/yaml.h"

/* What mpirun, srun and their like say of it in the environment. */
struct nas_launch {
    int processes, process; /* of the job; 1 and 0 where it was started alone */
    const char *variable;   /* "PMI_SIZE": what told it, or NULL */
};
struct nas_launch nas_launch_read(void);

/* run.transport of a configuration that is still to be checked, after the assignments of `sets`
 * (NULL-terminated or NULL, at `set_arguments` of the command line), with `auto` decided: "none" or
 * the name of a plugin, and where it was said. A configuration that cannot be read counts as
 * `auto`. The texts live in `arena`. */
void nas_launch_transport(const char *config, const char *const *sets, const int *set_arguments,
                          struct nas_arena *arena, const char **use, struct nas_mark *mark);

/* Processors that this process may use: of its affinity, and no more than the quota of its control
 * groups (docker --cpus, Slurm, systemd) rounded up. */
int nas_launch_processors(void);

#endif
