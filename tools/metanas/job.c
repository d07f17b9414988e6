/* SPDX-License-Identifier: MIT */
#include "job.h"

#include "exec/launch.h"

#include "base/folder.h"
#include <string.h>
#include <sys/stat.h>

int job_speaks(const struct job *job) {
    return job->ranks != NULL && nas_ranks_rank(job->ranks) >= 0 ? nas_ranks_rank(job->ranks) == 0
                                                                 : nas_launch_read().process == 0;
}

static int connect(struct mn_ctx *ctx, const struct arguments *arguments, const char *config,
                   struct nas_arena *arena, struct job *job) {
    const struct nas_open open = {
        .config = config, .sets = arguments->sets.at, .set_arguments = arguments->sets.argument};
    const char *const *dirs = arguments->plugin_dirs.n > 0 ? arguments->plugin_dirs.at : NULL;
    const char *use;
    struct nas_mark mark;
    nas_launch_transport(&open, arena, &use, &mark);
    if (strcmp(use, "none") == 0) {
        return MN_OK;
    }
    int status = nas_ranks_join(ctx, use, mark, dirs, &job->ranks);
    job->serves = !job_speaks(job);
    if (status == MN_OK && job->serves) {
        status = nas_ranks_serve(job->ranks, ctx, dirs, &job->code);
        job->serves = status == MN_OK; /* rank 0 is lost: someone has to say so */
    }
    if (status == MN_OK && !job->serves) {
        nas_ctx_of(ctx)->ranks = job->ranks;
    }
    return status;
}

/* Before anything in the run is read. What is no folder the command itself complains of. */
static int hold(struct mn_ctx *ctx, const struct command *command,
                const struct arguments *arguments, struct job *job) {
    struct stat about;
    return command->holds && arguments->out == NULL && job_speaks(job) &&
                   stat(arguments->operand, &about) == 0 && S_ISDIR(about.st_mode)
               ? nas_folder_lock(ctx, arguments->operand, &job->folder)
               : MN_OK;
}

int job_join(struct mn_ctx *ctx, const struct command *command, const struct arguments *arguments,
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
    nas_ranks_leave(job->ranks, code);
    job->ranks = NULL;
}
