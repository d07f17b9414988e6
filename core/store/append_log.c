/* SPDX-License-Identifier: MIT */
#include "store/append_log.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(struct nas_append_log *m, struct mn_ctx *ctx, const char *action) {
    return nas_file_failed(ctx, m->path, action);
}

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

static int open_checked(struct nas_append_log *m, struct mn_ctx *ctx) {
    struct stat s;
    const char *name;
    const int at = nas_folder_at(ctx, m->path, &name);
    m->fd = openat(at, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0666);
    if (m->fd < 0) {
        return failed(m, ctx, "open it");
    }
    if (fstat(m->fd, &s) != 0) {
        return failed(m, ctx, "look at it");
    }
    return S_ISREG(s.st_mode) ? MN_OK : mn_fail(ctx, MN_IO, "%s: it is no regular file", m->path);
}

int nas_append_log_open(struct nas_append_log *m, struct mn_ctx *ctx, const char *path,
                        int64_t length) {
    memset(m, 0, sizeof *m);
    snprintf(m->path, sizeof m->path, "%s", path);
    const int status = open_checked(m, ctx);
    if (status != MN_OK) {
        return status;
    }
    /* Of a folder that cannot be locked, as on some network file systems, this file may be. */
    if (flock(m->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return mn_fail(ctx, MN_IO, "%s: another metanas is writing to it", path);
    }
    const off_t size = lseek(m->fd, 0, SEEK_END);
    m->length = whole_lines(m->fd, size < length ? size : length);
    if (size < 0 || m->length < 0) {
        return failed(m, ctx, "read it");
    }
    if (m->length < length) {
        mn_log(ctx, MN_LOG_WARN,
               "%s: the checkpoint was written after %" PRId64 " bytes of it, but only %" PRId64
               " are there in whole lines; what is lost stays lost, and the run goes on",
               path, length, m->length);
    }
    if (ftruncate(m->fd, m->length) != 0 || lseek(m->fd, 0, SEEK_END) < 0) {
        return failed(m, ctx, "cut it back to the checkpoint");
    }
    return MN_OK;
}

/* A line without its line feed. */
static int belongs(const char *line, size_t length, int64_t meta_epoch, int64_t evaluated) {
    static const char key[] = "\"meta_epoch\":", validation[] = "{\"kind\":\"validation\"";
    const int is_validation =
        length >= sizeof validation - 1 && memcmp(line, validation, sizeof validation - 1) == 0;
    const char *value = memmem(line, length, key, sizeof key - 1);
    char digits[24];
    int64_t at;
    if (value == NULL) {
        return 0;
    }
    value += sizeof key - 1;
    const size_t rest = length - (size_t)(value - line);
    snprintf(digits, sizeof digits, "%.*s", (int)(rest < sizeof digits ? rest : sizeof digits),
             value);
    digits[strspn(digits, "0123456789")] = '\0';
    return nas_text_int(digits, &at) && at <= (is_validation ? evaluated : meta_epoch);
}

int64_t nas_jsonl_fitting(const char *text, size_t length, int64_t meta_epoch, int64_t evaluated) {
    const char *at = text, *end;
    while ((end = memchr(at, '\n', length - (size_t)(at - text))) != NULL &&
           belongs(at, (size_t)(end - at), meta_epoch, evaluated)) {
        at = end + 1;
    }
    return at - text;
}

int nas_jsonl_until(struct mn_ctx *ctx, const char *path, int64_t meta_epoch, int64_t evaluated,
                    int64_t *length) {
    uint8_t *text;
    size_t bytes;
    *length = 0;
    if (!nas_file_exists(ctx, path)) {
        return MN_OK;
    }
    const int status = nas_file_read(ctx, path, SIZE_MAX / 2, &text, &bytes);
    if (status == MN_OK) {
        *length = nas_jsonl_fitting((const char *)text, bytes, meta_epoch, evaluated);
        free(text);
    }
    return status;
}

void nas_append_log_close(struct nas_append_log *m) {
    if (m->path[0] != '\0' && m->fd >= 0) {
        close(m->fd);
        m->fd = -1;
    }
    free(m->line);
    m->line = NULL;
    m->room = m->used = 0;
}

static int grow(struct nas_append_log *m, size_t need) {
    size_t room = m->room > 0 ? m->room : 1024;
    while (room < need) {
        room *= 2;
    }
    char *line = realloc(m->line, room);
    if (line == NULL) {
        m->no_memory = 1;
        return 0;
    }
    m->line = line;
    m->room = room;
    return 1;
}

void nas_append_log_start(struct nas_append_log *m) {
    m->used = 0;
    m->no_memory = 0;
}

void nas_append_log_put(struct nas_append_log *m, const char *format, ...) {
    for (int round = 0; round < 2; round++) {
        va_list args;
        va_start(args, format);
        const size_t room = m->room - m->used;
        const int n = vsnprintf(room > 0 ? m->line + m->used : NULL, room, format, args);
        va_end(args);
        if (n >= 0 && (size_t)n < room) {
            m->used += (size_t)n;
            return;
        }
        if (n < 0 || !grow(m, m->used + (size_t)n + 1)) {
            return;
        }
    }
}

void nas_jsonl_begin(struct nas_append_log *m, const char *kind) {
    nas_append_log_start(m);
    nas_append_log_put(m, "{\"kind\":\"%s\"", kind);
}

void nas_jsonl_int(struct nas_append_log *m, const char *key, int64_t value) {
    nas_append_log_put(m, ",\"%s\":%" PRId64, key, value);
}

void nas_jsonl_real(struct nas_append_log *m, const char *key, double value) {
    char text[40];
    nas_append_log_put(m, ",\"%s\":%s", key, nas_text_finite(value, "null", text, sizeof text));
}

void nas_jsonl_text(struct nas_append_log *m, const char *key, const char *value) {
    nas_append_log_put(m, ",\"%s\":\"%s\"", key, value);
}

int nas_append_log_flush(struct nas_append_log *m, struct mn_ctx *ctx) {
    if (m->no_memory) {
        return mn_fail(ctx, MN_NOMEM, "%s: no memory for a line", m->path);
    }
    for (size_t done = 0; done < m->used;) {
        const ssize_t n = write(m->fd, m->line + done, m->used - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return failed(m, ctx, "write a line");
        }
        done += (size_t)n;
    }
    m->length += (int64_t)m->used;
    return MN_OK;
}

int nas_append_log_write(struct nas_append_log *m, struct mn_ctx *ctx) {
    nas_append_log_put(m, "\n");
    return nas_append_log_flush(m, ctx);
}

int nas_jsonl_end(struct nas_append_log *m, struct mn_ctx *ctx) {
    nas_append_log_put(m, "}");
    return nas_append_log_write(m, ctx);
}

int nas_append_log_sync(struct nas_append_log *m, struct mn_ctx *ctx) {
    return fsync(m->fd) == 0 || errno == EINVAL || errno == EROFS ? MN_OK
                                                                  : failed(m, ctx, "sync it");
}
