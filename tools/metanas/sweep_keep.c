/* SPDX-License-Identifier: MIT */
#include "rundir.h"
#include "sweep.h"

#include "run/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { MOST_FILE = 1 << 20 };

static int keep_copy(struct mn_cx *cx, struct sweep_job *job, const char *name, const char *from) {
    const char *path = NULL;
    uint8_t *text;
    size_t length;
    int status = rundir_file(cx, &job->arena, job->out, name, &path);
    if (status == MN_OK) {
        status = mn__file_read(cx, from, MOST_FILE, &text, &length);
    }
    if (status == MN_OK) {
        status = mn__file_replace(cx, path, text, length);
        free(text);
    }
    return status;
}

/* The command, for a report to repeat it. */
static int keep_command(struct mn_cx *cx, struct sweep_job *job) {
    const struct arguments *given = job->arguments;
    const char *path = NULL;
    const int status = rundir_file(cx, &job->arena, job->out, "sweep.json", &path);
    return status != MN_OK ? status
                           : rundir_json_write(
                                 cx, path,
                                 json_pack("{s:s, s:s, s:o, s:o}", "sweep", job->sweep.file, "base",
                                           job->sweep.base, "set", rundir_texts(&given->sets),
                                           "plugin_dir", rundir_texts(&given->plugin_dirs)),
                                 NULL);
}

int sweep_claim(struct mn_cx *cx, struct sweep_job *job) {
    const char *run = NULL;
    int status = rundir_file(cx, &job->arena, job->out, "config.resolved.yaml", &run);
    if (status == MN_OK && access(run, F_OK) == 0) {
        status =
            mn_fail(cx, MN_CONFIG, "%s is the directory of a run; give another --out", job->out);
    }
    if (status == MN_OK) {
        status = mn__file_folder(cx, job->out);
    }
    if (status != MN_OK) {
        return status;
    }
    job->lock = open(job->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* File systems without locks are used without. */
    if (job->lock >= 0 && flock(job->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return mn_fail(cx, MN_IO, "%s: another metanas is at work on this sweep", job->out);
    }
    return MN_OK;
}

int sweep_keep(struct mn_cx *cx, struct sweep_job *job) {
    int status = keep_copy(cx, job, "sweep.yaml", job->sweep.file);
    if (status == MN_OK) {
        status = keep_copy(cx, job, "base.yaml", job->sweep.base);
    }
    return status == MN_OK ? keep_command(cx, job) : status;
}
