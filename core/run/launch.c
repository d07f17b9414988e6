/* SPDX-License-Identifier: MIT */
#include "run/launch.h"

#include "base/text.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int number(const char *variable, int least, int *out) {
    const char *text = getenv(variable);
    int64_t value;
    if (text == NULL || !mn__text_int(text, &value) || value < least || value > INT32_MAX) {
        return 0;
    }
    *out = (int)value;
    return 1;
}

struct mn__launch mn__launch_read(void) {
    static const struct {
        const char *processes, *process;
    } known[] = {
        {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"}, /* Open MPI */
        {"PMI_SIZE", "PMI_RANK"},                         /* MPICH and what comes from it */
        {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},         /* srun */
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct mn__launch launch = {.variable = known[i].processes};
        if (number(known[i].processes, 2, &launch.processes) &&
            number(known[i].process, 0, &launch.process)) {
            return launch;
        }
    }
    return (struct mn__launch){.processes = 1};
}

static const struct mn__yaml *read_value(const struct mn__open *open, struct mn__arena *arena) {
    struct mn__faults faults = {.arena = arena}; /* reported when the configuration is opened */
    struct mn__yaml *root = mn__yaml_read(arena, open->config, &faults);
    if (root == NULL) {
        return NULL;
    }
    for (int i = 0; open->sets != NULL && open->sets[i] != NULL; i++) {
        mn__override_apply(arena, root, open->sets[i],
                           open->set_arguments != NULL ? open->set_arguments[i] : i + 1, &faults);
    }
    const struct mn__yaml *value = mn__yaml_get(mn__yaml_get(root, "run"), "executor");
    return value != NULL && value->kind == MN__YAML_SCALAR && value->text[0] != '\0' ? value : NULL;
}

void mn__launch_executor(const struct mn__open *open, struct mn__arena *arena, const char **use,
                         struct mn__mark *mark) {
    const struct mn__yaml *value = read_value(open, arena);
    const struct mn__launch launch = mn__launch_read();
    if (value != NULL && strcmp(value->text, "auto") != 0) {
        *use = value->text;
        *mark = value->mark;
        return;
    }
    *use = launch.processes > 1 ? "mpi" : "threads";
    *mark = (struct mn__mark){.file = launch.variable};
}

int mn__launch_processors(void) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0) {
        return CPU_COUNT(&allowed);
    }
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}
