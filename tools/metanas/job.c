/* SPDX-License-Identifier: MIT */
#include "job.h"

#include "run/launch.h"

#include <string.h>
#include <sys/stat.h>

int job_speaks(const struct job *job) {
    return job->ranks != NULL && mn__ranks_rank(job->ranks) >= 0 ? mn__ranks_rank(job->ranks) == 0
                                                                 : mn__launch_read().process == 0;
}

static int connect(struct mn_cx *cx, const struct arguments *arguments, const char *config,
                   struct mn__arena *arena, struct job *job) {
    const struct mn__open open = {
        .config = config, .sets = arguments->sets.at, .set_arguments = arguments->sets.argument};
    const char *const *dirs = arguments->plugin_dirs.n > 0 ? arguments->plugin_dirs.at : NULL;
    const char *use;
    struct mn__mark mark;
    mn__launch_executor(&open, arena, &use, &mark);
    if (strcmp(use, "threads") == 0) {
        return MN_OK;
    }
    int status = mn__ranks_join(cx, use, mark, dirs, &job->ranks);
    job->serves = !job_speaks(job);
    if (status == MN_OK && job->serves) {
        status = mn__ranks_serve(job->ranks, cx, dirs, &job->code);
        job->serves = status == MN_OK; /* rank 0 is lost: someone has to say so */
    }
    if (status == MN_OK && !job->serves) {
        mn__cx_of(cx)->ranks = job->ranks;
    }
    return status;
}

/* Before anything in the run is read. What is no folder the command itself complains of. */
static int hold(struct mn_cx *cx, const struct command *command, const struct arguments *arguments,
                struct job *job) {
    struct stat about;
    return command->holds && arguments->out == NULL && job_speaks(job) &&
                   stat(arguments->operand, &about) == 0 && S_ISDIR(about.st_mode)
               ? mn__hold(cx, arguments->operand, &job->held)
               : MN_OK;
}

int job_join(struct mn_cx *cx, const struct command *command, const struct arguments *arguments,
             struct job *job) {
    struct mn__arena arena = {0};
    const char *config = NULL;
    int status = hold(cx, command, arguments, job);
    if (status == MN_OK && command->config != NULL) {
        status = command->config(cx, &arena, arguments, &config);
    }
    if (status == MN_OK && config != NULL) {
        status = connect(cx, arguments, config, &arena, job);
    }
    mn__arena_fini(&arena);
    return status;
}

void job_leave(struct job *job, struct mn_cx *cx, int code) {
    mn__let_go(cx, &job->held);
    mn__ranks_leave(job->ranks, code);
    job->ranks = NULL;
}
