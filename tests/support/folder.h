/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

/* A new empty folder for a test, and its removal with all that is in it. */

#include "base/ctx.h"

#include <limits.h>

struct folder {
    char path[PATH_MAX / 2];
};

void folder_new(struct folder *folder);
void folder_remove(struct folder *folder);
/* folder/name, in one of a few buffers that are used in turn. */
const char *folder_path(const struct folder *folder, const char *name);
/* Names in the folder. */
int folder_count(const struct folder *folder);

/* Whole files; the caller frees what is read. */
void file_put(const char *path, const void *data, size_t length);
uint8_t *file_get(const char *path, size_t *length);
int file_exists(const char *path);

#endif
