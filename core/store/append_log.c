/* SPDX-License-Identifier: MIT */
#include "store/append_log.h"

#include "base/file.h"
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of whole lines among the first `length`; -1 with errno. */
static int64_t whole_lines(int fd, int64_t length) {
    char block[4096];
    while (length > 0) {
        const int64_t most = (int64_t)sizeof block, begin = length > most ? length - most : 0;
        const ssize_t n = pread(fd, block, (size_t)(length - begin), begin);
        if (n <= 0) {
            return n == 0 ? begin : -1;
        }
        const char *end = memrchr(block, '\n', (size_t)n);
        if (end != NULL) {
            return begin + (end - block) + 1;
        }
        length = begin;
    }
    return 0;
}

int nas_append_log_open(struct nas_append_log *log, struct mn_ctx *ctx, const char *path,
                        int64_t length) {
    struct stat s;
    const char *name;
    const int at = nas_folder_at(ctx, path, &name);
    *log = (struct nas_append_log){0};
    snprintf(log->path, sizeof log->path, "%s", path);
    log->fd = openat(at, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0666);
    if (log->fd < 0) {
        return nas_file_failed(ctx, path, "open it");
    }
    if (fstat(log->fd, &s) != 0) {
        return nas_file_failed(ctx, path, "look at it");
    }
    if (!S_ISREG(s.st_mode)) {
        return mn_fail(ctx, MN_IO, "%s: it is no regular file", path);
    }
    /* Of a folder that cannot be locked, as on some network file systems, this file may be. */
    if (flock(log->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return mn_fail(ctx, MN_IO, "%s: another metanas is writing to it", path);
    }
    log->length = whole_lines(log->fd, s.st_size < length ? s.st_size : length);
    if (log->length < 0) {
        return nas_file_failed(ctx, path, "read it");
    }
    if (log->length < length) {
        mn_log(ctx, MN_LOG_WARN,
               "%s: the checkpoint was written after %" PRId64 " bytes of it, but only %" PRId64
               " are there in whole lines; what is lost stays lost, and the run goes on",
               path, length, log->length);
    }
    return ftruncate(log->fd, log->length) == 0 && lseek(log->fd, 0, SEEK_END) >= 0
               ? MN_OK
               : nas_file_failed(ctx, path, "cut it back to the checkpoint");
}

void nas_append_log_close(struct nas_append_log *log) {
    if (log->path[0] != '\0' && log->fd >= 0) {
        close(log->fd);
        log->fd = -1;
    }
    nas_buffer_free(&log->line);
}

void nas_append_log_start(struct nas_append_log *log) {
    nas_buffer_free(&log->line);
    log->line.out = open_memstream(&log->line.text, &log->line.length);
}

void nas_append_log_put(struct nas_append_log *log, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (log->line.out != NULL) {
        vfprintf(log->line.out, format, args);
    }
    va_end(args);
}

int nas_append_log_flush(struct nas_append_log *log, struct mn_ctx *ctx) {
    if (log->line.out == NULL || nas_buffer_close(&log->line, ctx) != MN_OK) {
        return mn_fail(ctx, MN_NOMEM, "%s: no memory for a line", log->path);
    }
    if (!nas_file_write(log->fd, log->line.text, log->line.length)) {
        return nas_file_failed(ctx, log->path, "write a line");
    }
    log->length += (int64_t)log->line.length;
    return MN_OK;
}

int nas_append_log_write(struct nas_append_log *log, struct mn_ctx *ctx) {
    nas_append_log_put(log, "\n");
    return nas_append_log_flush(log, ctx);
}

int nas_append_log_sync(struct nas_append_log *log, struct mn_ctx *ctx) {
    return fsync(log->fd) == 0 || errno == EINVAL || errno == EROFS
               ? MN_OK
               : nas_file_failed(ctx, log->path, "sync it");
}
