/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_FILE_H
#define MN__RUN_FILE_H

/* Files that are whole or absent: written under a temporary name in the same folder, fsynced,
 * renamed, the folder fsynced. */

#include "base/cx.h"

#include <limits.h>

struct mn__file {
    int fd;
    int folder;        /* where it lies, for openat */
    int own;           /* the folder is closed with the file */
    int error;         /* errno of the first failure, 0 = none */
    const char *doing; /* what failed */
    const char *name;  /* in the folder: the end of `path` */
    char path[PATH_MAX];
    char temporary[NAME_MAX + 1]; /* in the folder, of this file alone */
};

/* Begin to write `path`. After a successful begin, commit or drop must follow; they remove the
 * temporary file and leave `path` untouched if anything failed. Refused where `path` is a folder, a
 * device or a pipe. */
int mn__file_begin(struct mn__file *file, struct mn_cx *cx, const char *path);
void mn__file_put(struct mn__file *file, const void *data, size_t length);
int mn__file_commit(struct mn__file *file, struct mn_cx *cx);
void mn__file_drop(struct mn__file *file);

/* Commit n files together: none takes its place before all are on the disk. Before the first does,
 * the last one's place is empty, so where that one stands, the others are those written with it. */
int mn__files_commit(struct mn__file *files, int n, struct mn_cx *cx);

/* A small file at once. */
int mn__file_replace(struct mn_cx *cx, const char *path, const void *data, size_t length);

/* A whole regular file of at most `most` bytes into malloc'ed memory. */
int mn__file_read(struct mn_cx *cx, const char *path, size_t most, uint8_t **data, size_t *length);
int mn__file_exists(struct mn_cx *cx, const char *path);

/* Make a folder and those above it. */
int mn__file_folder(struct mn_cx *cx, const char *path);

/* Fail because the path does not fit. */
int mn__file_too_long(struct mn_cx *cx, const char *path);

/* What the user can do about an errno, beginning with "; ", or "". */
const char *mn__file_advice(int error);

/* ---- a folder that is held ---------------------------------------------------------------- */

/* A folder for one process alone, open from before its first file is read. While cx holds it, every
 * file in it is reached through it, so that no other folder of that name gets the files. */
struct mn__held {
    int fd;
    char path[PATH_MAX]; /* without slashes at its end */
};

/* Hold an existing folder; cx keeps the pointer. MN_IO where another process holds it. */
int mn__hold(struct mn_cx *cx, const char *path, struct mn__held *held);
/* Takes one that is zeroed or could not be held, too. */
void mn__let_go(struct mn_cx *cx, struct mn__held *held);
/* 1 = cx holds the folder, and its path leads to it still. */
int mn__holds(struct mn_cx *cx, const char *path);
/* Where a path begins, for openat: in the folder that is held, or anywhere. *name is the rest. */
int mn__file_at(struct mn_cx *cx, const char *path, const char **name);

#endif
