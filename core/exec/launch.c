/* SPDX-License-Identifier: MIT */
#include "exec/launch.h"

#include "base/text.h"
#include "base/try.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int number(const char *variable, int least, int *out) {
    const char *text = getenv(variable);
    int64_t value;
    if (text == NULL || !nas_text_int(text, &value) || value < least || value > INT32_MAX) {
        return 0;
    }
    *out = (int)value;
    return 1;
}

struct nas_launch nas_launch_read(void) {
    static const struct {
        const char *processes, *process;
    } known[] = {
        {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"}, /* Open MPI */
        {"PMI_SIZE", "PMI_RANK"},                         /* MPICH and what comes from it */
        {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},         /* srun */
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct nas_launch launch = {.variable = known[i].processes};
        if (number(known[i].processes, 2, &launch.processes) &&
            number(known[i].process, 0, &launch.process)) {
            return launch;
        }
    }
    return (struct nas_launch){.processes = 1};
}

/* ---- processors --------------------------------------------------------------------------- */

/* The first numbers of a file, at most 2; how many there are. */
static int read_numbers(const char *folder, const char *name, int64_t out[2]) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    const int n = fscanf(file, "%" SCNd64 " %" SCNd64, &out[0], &out[1]);
    fclose(file);
    return n;
}

/* The least number of processors that a control group and those that it lies in grant; 0 = as many
 * as there are. In a container the path may be that of the host, of which only the top is to be
 * seen. */
static double least_quota(const char *top, const char *group, double least) {
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s%s", top, strcmp(group, "/") == 0 ? "" : group) >=
        (int)sizeof folder) {
        return least;
    }
    for (;;) {
        int64_t quota[2] = {0}, period[2] = {0};
        if (read_numbers(folder, "cpu.max", quota) == 2) {
            period[0] = quota[1];
        } else if (read_numbers(folder, "cpu.cfs_quota_us", quota) == 1) { /* version 1 */
            read_numbers(folder, "cpu.cfs_period_us", period);
        }
        const double granted = period[0] > 0 ? (double)quota[0] / (double)period[0] : 0;
        if (granted > 0 && (least == 0 || granted < least)) {
            least = granted;
        }
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= strlen(top) || slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

int nas_launch_processors(void) {
    static const char *const tops[][2] = {{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"},
                                          {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}};
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    CLEANUP(nas_free) char *line = NULL;
    size_t room = 0;
    double quota = 0;
    cpu_set_t allowed;
    /* Lines "0::/path" of version 2, "4:cpu,cpuacct:/path" of version 1. */
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file != NULL && getline(&line, &room, file) > 0) {
        char *rest = line;
        int version = 0;
        strsep(&rest, ":");
        char *controllers = strsep(&rest, ":"), *group = strsep(&rest, "\n");
        for (const char *word; group != NULL && (word = strsep(&controllers, ",")) != NULL;) {
            version = word[0] == '\0' ? 2 : strcmp(word, "cpu") == 0 ? 1 : version;
        }
        for (int i = 0; version > 0 && i < 2; i++) {
            quota = least_quota(tops[version - 1][i], group, quota);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    int n = online > 0 ? (int)online : 1;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0) {
        n = CPU_COUNT(&allowed);
    }
    return quota > 0 && quota < n ? (int)ceil(quota) : n;
}
