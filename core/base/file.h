/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_FILE_H
#define NAS_BASE_FILE_H

/* Files that are whole or absent: written under a temporary name in the same folder, fsynced,
 * renamed, the folder fsynced. */

#include "base/ctx.h"

#include <limits.h>

struct nas_file {
    int fd;
    int folder;         /* where it lies, for openat */
    int closes_folder;  /* with the file */
    int error;          /* errno of the first failure, 0 = none */
    const char *action; /* what failed */
    const char *name;   /* in the folder: the end of `path` */
    char path[PATH_MAX];
    char temporary[NAME_MAX + 1]; /* in the folder, of this file alone */
};

/* Begin to write `path`. After a successful begin, commit or drop must follow; they remove the
 * temporary file and leave `path` untouched if anything failed. Refused where `path` is a folder, a
 * device or a pipe. */
int nas_file_begin(struct nas_file *file, struct mn_ctx *ctx, const char *path);
void nas_file_put(struct nas_file *file, const void *data, size_t length);
int nas_file_commit(struct nas_file *file, struct mn_ctx *ctx);
void nas_file_drop(struct nas_file *file);

/* Commit n files together: none takes its place before all are on the disk. Before the first does,
 * the last one's place is empty, so where that one stands, the others are those written with it. */
int nas_files_commit(struct nas_file *files, int n, struct mn_ctx *ctx);

/* A small file at once. */
int nas_file_replace(struct mn_ctx *ctx, const char *path, const void *data, size_t length);

/* All of it to a descriptor; 0 = it failed, with errno. */
int nas_file_write(int fd, const void *data, size_t length);

/* A whole regular file of at most `most` bytes into malloc'ed memory; a zero follows them. */
int nas_file_read(struct mn_ctx *ctx, const char *path, size_t most, uint8_t **data,
                  size_t *length);
int nas_file_exists(struct mn_ctx *ctx, const char *path);

/* What the user can do about an errno, beginning with "; ", or "". */
const char *nas_file_advice(int error);
/* Fail with MN_IO: "PATH: cannot ACTION: " and what errno says, with what can be done about it. */
int nas_file_failed(struct mn_ctx *ctx, const char *path, const char *action);
/* Fail because the path does not fit. */
int nas_file_too_long(struct mn_ctx *ctx, const char *path);

#endif
