/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_FOLDER_H
#define NAS_BASE_FOLDER_H

/* Folders: making them, and locking one for this process. */

#include "base/ctx.h"

#include <limits.h>

/* A locked folder, open from before its first file is read. While ctx has it locked, every file in
 * it is reached through its descriptor: another folder that takes its path gets none of them. */
struct nas_folder {
    int fd;
    char path[PATH_MAX]; /* without slashes at its end */
};

/* Lock an existing folder; ctx keeps the pointer. MN_IO where another process has it locked. */
int nas_folder_lock(struct mn_ctx *ctx, const char *path, struct nas_folder *folder);
/* Takes one that is zeroed or could not be locked, too. */
void nas_folder_unlock(struct mn_ctx *ctx, struct nas_folder *folder);
/* 1 = ctx has the folder locked, and its path still leads to it. */
int nas_folder_is_locked(struct mn_ctx *ctx, const char *path);
/* Where a path begins, for openat: in the locked folder, or AT_FDCWD. *name is the rest of it. */
int nas_folder_at(struct mn_ctx *ctx, const char *path, const char **name);

/* Make a folder and those above it. */
int nas_folder_make(struct mn_ctx *ctx, const char *path);
/* DIR/NAME into out. MN_IO where it is too long. */
int nas_folder_file(struct mn_ctx *ctx, const char *dir, const char *name, char out[PATH_MAX]);

#endif
