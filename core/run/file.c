/* SPDX-License-Identifier: MIT */
#include "run/file.h"

#include "run/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *mn__file_advice(int error) {
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return "; free some space and go on with metanas resume";
    case EFBIG:
        return "; a limit on the size of files stops it: ulimit -f";
    case EACCES:
    case EPERM:
        return "; check the permissions of the folder";
    case EROFS:
        return "; the file system is read-only: choose another --out";
    case ENOENT:
        return "; is the path right?";
    default:
        return "";
    }
}

int mn__file_too_long(struct mn_cx *cx, const char *path) {
    return mn_fail(cx, MN_IO, "a path of %zu bytes is too long: %.80s...", strlen(path), path);
}

static int failed(struct mn__file *file, struct mn_cx *cx) {
    return mn_fail(cx, MN_IO, "%s: cannot %s: %s%s", file->path, file->doing, strerror(file->error),
                   mn__file_advice(file->error));
}

static void note(struct mn__file *file, const char *doing) {
    if (file->error == 0) {
        file->error = errno != 0 ? errno : EIO;
        file->doing = doing;
    }
}

int mn__file_begin(struct mn__file *file, struct mn_cx *cx, const char *path) {
    *file = (struct mn__file){.fd = -1};
    const int n = snprintf(file->path, sizeof file->path, "%s", path);
    const int m = snprintf(file->temporary, sizeof file->temporary, "%s.tmp", path);
    if (n >= (int)sizeof file->path || m >= (int)sizeof file->temporary) {
        return mn__file_too_long(cx, path);
    }
    file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file->fd < 0) {
        note(file, "create a temporary file beside it");
        return failed(file, cx);
    }
    return MN_OK;
}

void mn__file_put(struct mn__file *file, const void *data, size_t length) {
    const char *at = data;
    while (length > 0 && file->error == 0) {
        const ssize_t n = write(file->fd, at, length);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            note(file, "write it");
            return;
        }
        at += n;
        length -= (size_t)n;
    }
}

/* The folder's entry must reach the disk too. Some file systems cannot sync folders: that is no
 * failure. */
static void sync_folder(struct mn__file *file) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", file->path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        snprintf(folder, sizeof folder, ".");
    } else {
        slash[slash == folder] = '\0';
    }
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        note(file, "open its folder to sync it");
        return;
    }
    if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS) {
        note(file, "sync its folder");
    }
    close(fd);
}

int mn__file_commit(struct mn__file *file, struct mn_cx *cx) {
    errno = 0;
    if (file->error == 0 && fsync(file->fd) != 0) {
        note(file, "sync it to disk");
    }
    if (close(file->fd) != 0) {
        note(file, "close it");
    }
    if (file->error == 0 && rename(file->temporary, file->path) != 0) {
        note(file, "rename the temporary file to it");
    }
    if (file->error != 0) {
        unlink(file->temporary);
        return failed(file, cx);
    }
    sync_folder(file);
    return file->error != 0 ? failed(file, cx) : MN_OK;
}

int mn__file_replace(struct mn_cx *cx, const char *path, const void *data, size_t length) {
    struct mn__file file;
    const int status = mn__file_begin(&file, cx, path);
    if (status != MN_OK) {
        return status;
    }
    mn__file_put(&file, data, length);
    return mn__file_commit(&file, cx);
}

static int read_all(struct mn_cx *cx, const char *path, int fd, size_t size, uint8_t *out) {
    size_t done = 0;
    while (done < size) {
        const ssize_t n = read(fd, out + done, size - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return mn_fail(cx, MN_IO, "%s: cannot read byte %zu of %zu: %s", path, done, size,
                           n == 0 ? "the file ended" : strerror(errno));
        }
        done += (size_t)n;
    }
    return MN_OK;
}

int mn__file_read(struct mn_cx *cx, const char *path, size_t most, uint8_t **data, size_t *length) {
    struct stat s;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would block */
    if (fd < 0 || fstat(fd, &s) != 0) {
        const int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return mn_fail(cx, MN_IO, "%s: cannot read: %s%s", path, strerror(error),
                       mn__file_advice(error));
    }
    if (!S_ISREG(s.st_mode)) {
        close(fd);
        return mn_fail(cx, MN_IO, "%s: cannot read: %s", path,
                       S_ISDIR(s.st_mode) ? "it is a folder" : "it is no regular file");
    }
    const size_t size = (size_t)s.st_size;
    uint8_t *bytes = size > most ? NULL : malloc(size + 1);
    int status = MN_OK;
    if (bytes == NULL) {
        status =
            mn_fail(cx, size > most ? MN_IO : MN_NOMEM, "%s: %zu bytes are too many", path, size);
    } else {
        status = read_all(cx, path, fd, size, bytes);
    }
    close(fd);
    if (status != MN_OK) {
        free(bytes);
        return status;
    }
    bytes[size] = '\0';
    *data = bytes;
    *length = size;
    return MN_OK;
}

int mn__file_folder(struct mn_cx *cx, const char *path) {
    char part[PATH_MAX];
    struct stat s;
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part) {
        return mn__file_too_long(cx, path);
    }
    if (part[0] == '\0') {
        return mn_fail(cx, MN_IO, "the name of the folder is empty");
    }
    for (char *at = part + 1;; at++) {
        const char here = *at;
        if (here != '/' && here != '\0') {
            continue;
        }
        *at = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            return mn_fail(cx, MN_IO, "%s: cannot make the folder: %s%s", part, strerror(errno),
                           mn__file_advice(errno));
        }
        *at = here;
        if (here == '\0') {
            break;
        }
    }
    if (stat(path, &s) != 0 || !S_ISDIR(s.st_mode)) {
        return mn_fail(cx, MN_IO, "%s: not a folder", path);
    }
    return MN_OK;
}
