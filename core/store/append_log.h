/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_APPEND_LOG_H
#define NAS_STORE_APPEND_LOG_H

/* A file of lines, JSON or others, that a resumed run cuts back to its checkpoint and goes on with.
 */

#include "base/ctx.h"

#include <limits.h>

struct nas_append_log {
    int fd;
    int64_t length; /* bytes so far */
    char path[PATH_MAX];
    char *line;
    size_t used, room;
    int no_memory; /* the line could not be built */
};

/* Open for appending after `length` bytes; what follows them is cut off. A file in which they are
 * not there, or do not end a line, is cut after the last whole line before, with a warning. One
 * that another process writes to is an error that names it. */
int nas_append_log_open(struct nas_append_log *metrics, struct mn_ctx *ctx, const char *path,
                        int64_t length);
/* Bytes of a file of JSON lines up to the first that is not whole or tells of more than these
 * meta-epochs (in a line of validation, than `evaluated`); 0 where there is no file. MN_IO. */
int nas_jsonl_until(struct mn_ctx *ctx, const char *path, int64_t meta_epoch, int64_t evaluated,
                    int64_t *length);
/* The same of such lines in memory. */
int64_t nas_jsonl_fitting(const char *text, size_t length, int64_t meta_epoch, int64_t evaluated);
void nas_append_log_close(struct nas_append_log *metrics);

/* Build one line: {"kind":"train", ...}; numbers are written so that they read back exactly. */
void nas_jsonl_begin(struct nas_append_log *metrics, const char *kind);
void nas_jsonl_int(struct nas_append_log *metrics, const char *key, int64_t value);
void nas_jsonl_real(struct nas_append_log *metrics, const char *key, double value);
void nas_jsonl_text(struct nas_append_log *metrics, const char *key, const char *value);
/* Write the line. */
int nas_jsonl_end(struct nas_append_log *metrics, struct mn_ctx *ctx);

/* A line of another form: start, add text, write it with a line feed. */
void nas_append_log_start(struct nas_append_log *metrics);
__attribute__((format(printf, 2, 3))) void nas_append_log_put(struct nas_append_log *metrics,
                                                              const char *format, ...);
int nas_append_log_write(struct nas_append_log *metrics, struct mn_ctx *ctx);
/* Write what was added as it is: whole lines. */
int nas_append_log_flush(struct nas_append_log *metrics, struct mn_ctx *ctx);

/* Bring what was written to the disk. */
int nas_append_log_sync(struct nas_append_log *metrics, struct mn_ctx *ctx);

#endif
