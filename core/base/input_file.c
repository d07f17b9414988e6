/* SPDX-License-Identifier: MIT */
#include "base/input_file.h"

#include "base/ctx.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP = 1 << 16, PATIENCE = 200 /* ms between looks at whether to stop */ };

/* ---- reading ------------------------------------------------------------------------------ */

/* Wait until there is something to read. Whoever writes into a pipe may come late. */
static int wait_for(int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    for (;;) {
        if (nas_cancel_signal() != 0) {
            return EINTR;
        }
        const int n = poll(&poll_fd, 1, PATIENCE);
        if (n > 0) {
            return 0;
        }
        if (n < 0 && errno != EINTR) {
            return errno;
        }
    }
}

static int read_all(int fd, size_t most, char **text, size_t *length) {
    char *all = NULL;
    size_t room = 0, n = 0;
    for (;;) {
        if (room - n < 2) {
            room = room > 0 ? 2 * room : STEP;
            char *more = realloc(all, room);
            if (more == NULL) {
                free(all);
                return ENOMEM;
            }
            all = more;
        }
        const size_t want = room - n - 1 < most - n ? room - n - 1 : most - n;
        const int error = want > 0 ? wait_for(fd) : 0;
        const ssize_t got = error != 0 || want == 0 ? 0 : read(fd, all + n, want);
        if (error != 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
            const int why = error != 0 ? error : errno;
            free(all);
            return why;
        }
        if (got == 0) {
            break;
        }
        n += got > 0 ? (size_t)got : 0;
    }
    all[n] = '\0';
    *text = all;
    *length = n;
    return 0;
}

/* ---- once --------------------------------------------------------------------------------- */

struct cached {
    struct cached *next;
    char *path, *text;
    size_t length;
};

static int caching;
static struct cached *cache;

void nas_input_file_cache(void) {
    caching = 1;
}

static char *copy_of(const char *bytes, size_t length) {
    char *copy = malloc(length + 1);
    if (copy != NULL) {
        memcpy(copy, bytes, length);
        copy[length] = '\0';
    }
    return copy;
}

int nas_input_file_read(const char *path, size_t most, char **text, size_t *length) {
    const struct cached *c = cache;
    while (c != NULL && strcmp(c->path, path) != 0) {
        c = c->next;
    }
    if (c != NULL) {
        *length = c->length < most ? c->length : most;
        *text = copy_of(c->text, *length);
        return *text != NULL ? 0 : ENOMEM;
    }
    CLEANUP(nas_close) const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const int error = fd < 0 ? errno : read_all(fd, most, text, length);
    if (error != 0 || !caching) {
        return error;
    }
    struct cached entry = {cache, strdup(path), copy_of(*text, *length), *length};
    struct cached *copy = malloc(sizeof *copy);
    if (entry.path == NULL || entry.text == NULL || copy == NULL) {
        free(entry.path);
        free(entry.text);
        free(copy);
        free(*text);
        *text = NULL;
        return ENOMEM;
    }
    *copy = entry;
    cache = copy;
    return 0;
}

/* ---- regular files ------------------------------------------------------------------------ */

int nas_input_file_open(int at, const char *path) {
    struct stat s;
    const int fd = openat(at, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would block */
    if (fd < 0) {
        return -1;
    }
    int error = 0;
    if (fstat(fd, &s) != 0) {
        error = errno;
    } else if (!S_ISREG(s.st_mode)) {
        error = S_ISDIR(s.st_mode) ? EISDIR : ESPIPE;
    }
    if (error != 0) {
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

FILE *nas_input_file_stream(const char *path) {
    const int fd = nas_input_file_open(AT_FDCWD, path);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (file == NULL && fd >= 0) {
        close(fd);
    }
    return file;
}
