/* SPDX-License-Identifier: MIT */
#include "job.h"

#include "base/folder.h"
#include "config/override.h"
#include "config/renamed.h"
#include "exec/cluster/serve.h"
#include "exec/launch.h"
#include "learn/jobs.h"

#include <string.h>
#include <sys/stat.h>

int job_speaks(const struct job *job) {
    const int rank = job->cluster != NULL ? nas_cluster_rank(job->cluster) : -1;
    return rank >= 0 ? rank == 0 : nas_launch_read().process == 0;
}

/* run.transport of a configuration that is still to be checked, after the assignments of --set,
 * with `auto` decided: "none" or the name of a plugin, and where it was said. A configuration that
 * cannot be read counts as `auto`. */
static void find_transport(const char *config, const struct arguments *arguments,
                           struct nas_arena *arena, const char **use, struct nas_mark *mark) {
    struct nas_faults faults = {.arena = arena}; /* reported when the configuration is opened */
    struct nas_yaml *root = nas_yaml_read(arena, config, &faults);
    const struct nas_launch launch = nas_launch_read();
    const struct nas_yaml *value = NULL;
    const char *const *sets = arguments->sets.at;
    for (int i = 0; root != NULL && sets != NULL && sets[i] != NULL; i++) {
        nas_override_apply(arena, root, sets[i], arguments->sets.argument[i], &faults);
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

static int connect(struct mn_ctx *ctx, struct arguments *arguments, const char *config,
                   struct nas_arena *arena, struct job *job) {
    const char *const *dirs = plugin_folders(arguments);
    const char *use;
    struct nas_mark mark;
    find_transport(config, arguments, arena, &use, &mark);
    if (strcmp(use, "none") == 0) {
        return MN_OK;
    }
    const int joined = nas_cluster_join(ctx, use, mark, dirs, &job->cluster);
    job->serves = !job_speaks(job);
    TRY(joined);
    if (!job->serves) {
        arguments->cluster = job->cluster;
        return MN_OK;
    }
    const int served = nas_cluster_serve(job->cluster, ctx, &nas_jobs_of_ranks, dirs, &job->code);
    job->serves = served == MN_OK; /* rank 0 is lost: someone has to say so */
    return served;
}

/* Before anything in the run is read. What is no folder the command itself complains of. */
static int hold(struct mn_ctx *ctx, const struct command *command,
                const struct arguments *arguments, struct job *job) {
    struct stat about;
    return command->holds != NULL && command->holds(arguments) && job_speaks(job) &&
                   stat(arguments->operand, &about) == 0 && S_ISDIR(about.st_mode)
               ? nas_folder_lock(ctx, arguments->operand, &job->folder)
               : MN_OK;
}

int job_join(struct mn_ctx *ctx, const struct command *command, struct arguments *arguments,
             struct job *job) {
    struct nas_arena arena = {0};
    const char *config = NULL;
    int status = hold(ctx, command, arguments, job);
    if (status == MN_OK && command->config != NULL) {
        status = command->config(ctx, &arena, arguments, &config);
    }
    if (status == MN_OK && config != NULL) {
        status = connect(ctx, arguments, config, &arena, job);
    }
    nas_arena_fini(&arena);
    return status;
}

void job_leave(struct job *job, struct mn_ctx *ctx, int code) {
    nas_folder_unlock(ctx, &job->folder);
    nas_cluster_leave(job->cluster, code);
    job->cluster = NULL;
}
