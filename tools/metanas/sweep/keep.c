/* SPDX-License-Identifier: MIT */
#include "../rundir.h"
#include "sweep.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/named_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { MOST_FILE = 1 << 20 };

/* The text of a file as it was read for the arms. For free. */
static int text_of(struct mn_ctx *ctx, const char *path, char **text, size_t *length) {
    const int error = nas_source_read(path, MOST_FILE, text, length);
    return error == 0 ? MN_OK : mn_fail(ctx, MN_IO, "%s: cannot read: %s", path, strerror(error));
}

static int keep_file(struct mn_ctx *ctx, struct sweep_job *job) {
    const char *path = NULL;
    char *text;
    size_t length;
    int status = rundir_file(ctx, &job->arena, job->out, "sweep.yaml", &path);
    if (status == MN_OK) {
        status = text_of(ctx, job->sweep.file, &text, &length);
    }
    if (status == MN_OK) {
        status = nas_file_replace(ctx, path, text, length);
        free(text);
    }
    return status;
}

/* The command and its base, for a report to repeat it. */
static int keep_command(struct mn_ctx *ctx, struct sweep_job *job) {
    const struct arguments *given = job->arguments;
    const char *path = NULL;
    char *base;
    size_t length;
    int status = rundir_file(ctx, &job->arena, job->out, "sweep.json", &path);
    if (status == MN_OK) {
        status = text_of(ctx, job->sweep.base, &base, &length);
    }
    if (status == MN_OK) {
        status = rundir_json_write(ctx, path,
                                   json_pack("{s:s, s:s, s:s, s:o, s:o}", "sweep", job->sweep.file,
                                             "base", job->sweep.base, "base_text", base, "set",
                                             rundir_texts(&given->sets), "plugin_dir",
                                             rundir_texts(&given->plugin_dirs)),
                                   NULL);
        free(base);
    }
    return status;
}

int sweep_claim(struct mn_ctx *ctx, struct sweep_job *job) {
    const char *run = NULL;
    int status = rundir_file(ctx, &job->arena, job->out, "config.resolved.yaml", &run);
    if (status == MN_OK && access(run, F_OK) == 0) {
        status =
            mn_fail(ctx, MN_CONFIG, "%s is the directory of a run; give another --out", job->out);
    }
    if (status == MN_OK) {
        status = nas_folder_make(ctx, job->out);
    }
    if (status != MN_OK) {
        return status;
    }
    job->lock = open(job->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* File systems without locks are used without. */
    if (job->lock >= 0 && flock(job->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return mn_fail(ctx, MN_IO, "%s: another metanas is at work on this sweep", job->out);
    }
    return MN_OK;
}

int sweep_keep(struct mn_ctx *ctx, struct sweep_job *job) {
    const int status = keep_file(ctx, job);
    return status == MN_OK ? keep_command(ctx, job) : status;
}
