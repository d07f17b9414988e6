/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_METRICS_H
#define MN__RUN_METRICS_H

/* A file of lines, JSON or others, that a resumed run cuts back to its checkpoint and goes on with.
 */

#include "base/cx.h"

#include <limits.h>

struct mn__metrics {
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
int mn__metrics_open(struct mn__metrics *metrics, struct mn_cx *cx, const char *path,
                     int64_t length);
/* Bytes of a file of JSON lines up to the first that is not whole or tells of more than these
 * meta-epochs (in a line of validation, than `evaluated`); 0 where there is no file. MN_IO. */
int mn__metrics_until(struct mn_cx *cx, const char *path, int64_t meta_epoch, int64_t evaluated,
                      int64_t *length);
/* The same of such lines in memory. */
int64_t mn__metrics_fitting(const char *text, size_t length, int64_t meta_epoch, int64_t evaluated);
void mn__metrics_close(struct mn__metrics *metrics);

/* Build one line: {"kind":"train", ...}; numbers are written so that they read back exactly. */
void mn__metrics_begin(struct mn__metrics *metrics, const char *kind);
void mn__metrics_int(struct mn__metrics *metrics, const char *key, int64_t value);
void mn__metrics_real(struct mn__metrics *metrics, const char *key, double value);
void mn__metrics_text(struct mn__metrics *metrics, const char *key, const char *value);
/* Write the line. */
int mn__metrics_end(struct mn__metrics *metrics, struct mn_cx *cx);

/* A line of another form: start, add text, write it with a line feed. */
void mn__metrics_start(struct mn__metrics *metrics);
__attribute__((format(printf, 2, 3))) void mn__metrics_put(struct mn__metrics *metrics,
                                                           const char *format, ...);
int mn__metrics_write(struct mn__metrics *metrics, struct mn_cx *cx);
/* Write what was added as it is: whole lines. */
int mn__metrics_flush(struct mn__metrics *metrics, struct mn_cx *cx);

/* Bring what was written to the disk. */
int mn__metrics_sync(struct mn__metrics *metrics, struct mn_cx *cx);

#endif
