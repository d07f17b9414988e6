/* SPDX-License-Identifier: MIT */
#ifndef NAS_EXEC_LAUNCH_H
#define NAS_EXEC_LAUNCH_H

/* How this process was started, before anything is connected. */

/* What mpirun, srun and their like say of it in the environment. */
struct nas_launch {
    int processes, process; /* of the job; 1 and 0 where it was started alone */
    const char *variable;   /* "PMI_SIZE": what told it, or NULL */
};
struct nas_launch nas_launch_read(void);

/* Processors that this process may use: of its affinity, and no more than the quota of its control
 * groups (docker --cpus, Slurm, systemd) rounded up. */
int nas_launch_processors(void);

#endif
