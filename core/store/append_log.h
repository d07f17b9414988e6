/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_APPEND_LOG_H
#define NAS_STORE_APPEND_LOG_H

/* A file of lines that a resumed run cuts back to its checkpoint and goes on with. */

#include "base/buffer.h"

#include <limits.h>

struct nas_append_log {
    int fd;
    int64_t length; /* bytes so far */
    char path[PATH_MAX];
    struct nas_buffer line; /* that is being built; without `out` where there was no memory */
};

/* Open for appending after `length` bytes; what follows them is cut off. A file in which they are
 * not there, or do not end a line, is cut after the last whole line before, with a warning. One
 * that another process writes to is an error that names it. */
int nas_append_log_open(struct nas_append_log *log, struct mn_ctx *ctx, const char *path,
                        int64_t length);
void nas_append_log_close(struct nas_append_log *log);

/* Start a line, add text, write it with a line feed. */
void nas_append_log_start(struct nas_append_log *log);
MN_PRINTF(2, 3) void nas_append_log_put(struct nas_append_log *log, const char *format, ...);
int nas_append_log_write(struct nas_append_log *log, struct mn_ctx *ctx);
/* Write what was added as it is: whole lines. */
int nas_append_log_flush(struct nas_append_log *log, struct mn_ctx *ctx);

/* Bring what was written to the disk. */
int nas_append_log_sync(struct nas_append_log *log, struct mn_ctx *ctx);

#endif
