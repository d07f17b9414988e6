/* SPDX-License-Identifier: MIT */
#include "exec/launch.h"

#include "base/text.h"
#include "config/override.h"
#include "config/renamed.h"

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

void nas_launch_transport(const char *config, const char *const *sets, const int *set_arguments,
                          struct nas_arena *arena, const char **use, struct nas_mark *mark) {
    struct nas_faults faults = {.arena = arena}; /* reported when the configuration is opened */
    struct nas_yaml *root = nas_yaml_read(arena, config, &faults);
    const struct nas_launch launch = nas_launch_read();
    const struct nas_yaml *value = NULL;
    for (int i = 0; root != NULL && sets != NULL && sets[i] != NULL; i++) {
        nas_override_apply(arena, root, sets[i], set_arguments != NULL ? set_arguments[i] : i + 1,
                           &faults);
    }
    if (root != NULL) {
        nas_renamed_apply(root, NULL);
        value = nas_yaml_get(nas_yaml_get(root, "run"), "transport");
    }
    *use = launch.processes > 1 ? "mpi" : "none";
    *mark = (struct nas_mark){.file = launch.variable};
    if (value != NULL && value->kind == NAS_YAML_SCALAR && value->text[0] != '\0' &&
        strcmp(value->text, "auto") != 0) {
        *use = value->text;
        *mark = value->mark;
    }
}

/* ---- processors --------------------------------------------------------------------------- */

/* The first numbers of a file, at most n, "max" among them -1; how many there were. */
static int numbers(const char *path, int n, double *out) {
    char word[32];
    int found = 0;
    FILE *file = fopen(path, "re");
    while (file != NULL && found < n && fscanf(file, "%31s", word) == 1) {
        int64_t value;
        if (strcmp(word, "max") == 0) {
            value = -1;
        } else if (!nas_text_int(word, &value)) {
            break;
        }
        out[found++] = (double)value;
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

/* Processors that a folder of the control groups grants; 0 = as many as there are. */
static double quota_of(const char *folder, int version) {
    const char *const files[][2] = {{"cpu.cfs_quota_us", "cpu.cfs_period_us"}, {"cpu.max", NULL}};
    char path[PATH_MAX + 32];
    double v[2] = {-1, 0};
    snprintf(path, sizeof path, "%s/%s", folder, files[version - 1][0]);
    int found = numbers(path, version == 2 ? 2 : 1, v);
    if (version == 1) {
        snprintf(path, sizeof path, "%s/%s", folder, files[0][1]);
        found += numbers(path, 1, &v[1]);
    }
    return found == 2 && v[0] > 0 && v[1] > 0 ? v[0] / v[1] : 0;
}

/* The least of a group and of those that it lies in. In a container the path may be that of the
 * host, of which only the top is to be seen. */
static double least_quota(const char *top, const char *group, int version, double least) {
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s%s", top, group) >= (int)sizeof folder) {
        return least;
    }
    for (;;) {
        const double quota = quota_of(folder, version);
        if (quota > 0 && (least == 0 || quota < least)) {
            least = quota;
        }
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= strlen(top) || slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

static int has_controller(const char *list, size_t length, const char *name) {
    const size_t n = strlen(name);
    for (const char *at = list; at < list + length; at += strcspn(at, ",:") + 1) {
        if (strncmp(at, name, n) == 0 && (at[n] == ',' || at[n] == ':')) {
            return 1;
        }
    }
    return 0;
}

/* Lines of /proc/self/cgroup: "0::/path" of version 2, "4:cpu,cpuacct:/path" of version 1. */
static double cgroup_quota(void) {
    static const char *const tops[][2] = {{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"},
                                          {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}};
    char *line = NULL;
    size_t room = 0;
    double least = 0;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file != NULL && getline(&line, &room, file) > 0) {
        const char *controllers = strchr(line, ':');
        char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (group == NULL) {
            continue;
        }
        const int version = controllers + 1 == group ? 2 : 1;
        if (version == 1 &&
            !has_controller(controllers + 1, (size_t)(group - controllers - 1), "cpu")) {
            continue;
        }
        group++;
        group[strcspn(group, "\n")] = '\0';
        for (int i = 0; i < 2; i++) {
            least = least_quota(tops[version - 1][i], strcmp(group, "/") == 0 ? "" : group, version,
                                least);
        }
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
    return least;
}

int nas_launch_processors(void) {
    cpu_set_t allowed;
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    int n = online > 0 ? (int)online : 1;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0) {
        n = CPU_COUNT(&allowed);
    }
    const double quota = cgroup_quota();
    return quota > 0 && quota < n ? (int)ceil(quota) : n;
}
