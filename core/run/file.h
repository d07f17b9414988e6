/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_FILE_H
#define MN__RUN_FILE_H

/* Files that are whole or absent: written under a temporary name in the same folder, fsynced,
 * renamed, the folder fsynced. */

#include "base/cx.h"

#include <limits.h>

struct mn__file {
    int fd;
    int error;         /* errno of the first failure, 0 = none */
    const char *doing; /* what failed */
    char path[PATH_MAX];
    char temporary[PATH_MAX];
};

/* Begin to write `path`. After a successful begin, commit must follow; it removes the temporary
 * file and leaves `path` untouched if anything failed. */
int mn__file_begin(struct mn__file *file, struct mn_cx *cx, const char *path);
void mn__file_put(struct mn__file *file, const void *data, size_t length);
int mn__file_commit(struct mn__file *file, struct mn_cx *cx);

/* A whole file of at most `most` bytes into malloc'ed memory. */
int mn__file_read(struct mn_cx *cx, const char *path, size_t most, uint8_t **data, size_t *length);

/* Make a folder and those above it. */
int mn__file_folder(struct mn_cx *cx, const char *path);

/* Fail because the path does not fit. */
int mn__file_too_long(struct mn_cx *cx, const char *path);

/* What the user can do about an errno, beginning with "; ", or "". */
const char *mn__file_advice(int error);

#endif
