/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include "base/named_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

const char *nas_file_advice(int error) {
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

int nas_file_too_long(struct mn_ctx *ctx, const char *path) {
    return mn_fail(ctx, MN_IO, "a path of %zu bytes is too long: %.80s...", strlen(path), path);
}

/* ---- a folder that is held ---------------------------------------------------------------- */

static int same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static size_t without_slashes(const char *path) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') {
        n--;
    }
    return n;
}

int nas_hold(struct mn_ctx *ctx, const char *path, struct nas_held *held) {
    *held = (struct nas_held){.fd = -1};
    const size_t n = without_slashes(path);
    if (n >= sizeof held->path) {
        return nas_file_too_long(ctx, path);
    }
    memcpy(held->path, path, n);
    held->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (held->fd < 0) {
        const int error = errno;
        return mn_fail(ctx, MN_IO, "%s: cannot open the folder: %s%s", path, strerror(error),
                       nas_file_advice(error));
    }
    /* File systems without locks are used without. */
    if (flock(held->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(held->fd);
        held->fd = -1;
        return mn_fail(ctx, MN_IO, "%s: another metanas is at work in this folder", path);
    }
    nas_ctx_of(ctx)->held = held;
    return MN_OK;
}

void nas_let_go(struct mn_ctx *ctx, struct nas_held *held) {
    if (held->path[0] != '\0' && held->fd >= 0) {
        close(held->fd);
    }
    if (nas_ctx_of(ctx)->held == held) {
        nas_ctx_of(ctx)->held = NULL;
    }
    held->fd = -1;
}

int nas_holds(struct mn_ctx *ctx, const char *path) {
    const struct nas_held *held = nas_ctx_of(ctx)->held;
    struct stat here, there;
    return held != NULL && fstat(held->fd, &here) == 0 && stat(path, &there) == 0 &&
           same_file(&here, &there);
}

int nas_file_at(struct mn_ctx *ctx, const char *path, const char **name) {
    const struct nas_held *held = nas_ctx_of(ctx)->held;
    const size_t n = held != NULL ? strlen(held->path) : 0;
    *name = path;
    if (held == NULL || strncmp(path, held->path, n) != 0 ||
        (path[n] != '/' && path[n] != '\0' && held->path[n - 1] != '/')) {
        return AT_FDCWD;
    }
    const char *rest = path + n + strspn(path + n, "/");
    if (*rest == '\0') {
        rest = ".";
    }
    *name = rest;
    return held->fd;
}

/* ---- writing ------------------------------------------------------------------------------ */

static int failed(struct nas_file *file, struct mn_ctx *ctx) {
    return mn_fail(ctx, MN_IO, "%s: cannot %s: %s%s", file->path, file->doing,
                   strerror(file->error), nas_file_advice(file->error));
}

static void note(struct nas_file *file, const char *doing) {
    if (file->error == 0) {
        file->error = errno != 0 ? errno : EIO;
        file->doing = doing;
    }
}

/* The folder that the file is in, and its name there. One that may be written but not read can be
 * opened all the same, only not synced. */
static int open_place(struct nas_file *file, struct mn_ctx *ctx) {
    const int at = nas_file_at(ctx, file->path, &file->name);
    const char *slash = strrchr(file->name, '/');
    if (slash == NULL && at != AT_FDCWD) {
        file->folder = at;
        return 1;
    }
    char folder[PATH_MAX] = ".";
    if (slash != NULL) {
        const size_t n = slash == file->name ? 1 : (size_t)(slash - file->name);
        memcpy(folder, file->name, n);
        folder[n] = '\0';
        file->name = slash + 1;
    }
    file->folder = openat(at, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file->folder < 0 && errno == EACCES) {
        file->folder = openat(at, folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    file->own = 1;
    return file->folder >= 0;
}

/* A name that nobody has foreseen, nor a process that was killed has left. */
static int open_temporary(struct nas_file *file) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int tries = 0; tries < 100; tries++) {
        unsigned char noise[6];
        if (getrandom(noise, sizeof noise, 0) != (ssize_t)sizeof noise) {
            return -1;
        }
        const int n = snprintf(file->temporary, sizeof file->temporary, "%s.tmp-", file->name);
        if (n + (int)sizeof noise >= (int)sizeof file->temporary) {
            errno = ENAMETOOLONG;
            return -1;
        }
        for (size_t i = 0; i < sizeof noise; i++) {
            file->temporary[n + (int)i] = letters[noise[i] % (sizeof letters - 1)];
        }
        file->temporary[n + (int)sizeof noise] = '\0';
        const int fd = openat(file->folder, file->temporary,
                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

static void close_place(struct nas_file *file) {
    if (file->own && file->folder >= 0) {
        close(file->folder);
    }
    file->folder = -1;
}

int nas_file_begin(struct nas_file *file, struct mn_ctx *ctx, const char *path) {
    struct stat s;
    *file = (struct nas_file){.fd = -1, .folder = -1};
    if (snprintf(file->path, sizeof file->path, "%s", path) >= (int)sizeof file->path) {
        return nas_file_too_long(ctx, path);
    }
    if (!open_place(file, ctx)) {
        note(file, "create a temporary file beside it");
    } else if (fstatat(file->folder, file->name, &s, 0) == 0 && !S_ISREG(s.st_mode)) {
        close_place(file);
        return mn_fail(ctx, MN_IO, "%s: cannot write it: it is %s", path,
                       S_ISDIR(s.st_mode) ? "a folder" : "no regular file");
    } else if ((file->fd = open_temporary(file)) < 0) {
        note(file, "create a temporary file beside it");
    }
    if (file->error != 0) {
        close_place(file);
        return failed(file, ctx);
    }
    return MN_OK;
}

void nas_file_put(struct nas_file *file, const void *data, size_t length) {
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
static void sync_folder(struct nas_file *file) {
    if (fsync(file->folder) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP &&
        errno != ENOSYS && errno != EBADF) {
        note(file, "sync its folder");
    }
}

static void finish(struct nas_file *file) {
    errno = 0;
    if (file->error == 0 && fsync(file->fd) != 0) {
        note(file, "sync it to disk");
    }
    if (close(file->fd) != 0) {
        note(file, "close it");
    }
    file->fd = -1;
}

void nas_file_drop(struct nas_file *file) {
    if (file->folder < 0) {
        return;
    }
    if (file->fd >= 0) {
        close(file->fd);
    }
    unlinkat(file->folder, file->temporary, 0);
    close_place(file);
}

int nas_files_commit(struct nas_file *files, int n, struct mn_ctx *ctx) {
    struct nas_file *wrong = NULL;
    for (int i = 0; i < n; i++) {
        finish(&files[i]);
        wrong = wrong == NULL && files[i].error != 0 ? &files[i] : wrong;
    }
    if (wrong == NULL && n > 1 && unlinkat(files[n - 1].folder, files[n - 1].name, 0) != 0 &&
        errno != ENOENT) {
        wrong = &files[n - 1];
        note(wrong, "remove the old one");
    }
    for (int i = 0; i < n && wrong == NULL; i++) {
        if (renameat(files[i].folder, files[i].temporary, files[i].folder, files[i].name) != 0) {
            wrong = &files[i];
            note(wrong, "rename the temporary file to it");
        }
    }
    for (int i = 0; i < n && wrong == NULL; i++) {
        sync_folder(&files[i]);
        wrong = files[i].error != 0 ? &files[i] : NULL;
    }
    const int status = wrong != NULL ? failed(wrong, ctx) : MN_OK;
    for (int i = 0; i < n; i++) {
        nas_file_drop(&files[i]); /* what took its place has no temporary file any more */
    }
    return status;
}

int nas_file_commit(struct nas_file *file, struct mn_ctx *ctx) {
    return nas_files_commit(file, 1, ctx);
}

int nas_file_replace(struct mn_ctx *ctx, const char *path, const void *data, size_t length) {
    struct nas_file file;
    const int status = nas_file_begin(&file, ctx, path);
    if (status != MN_OK) {
        return status;
    }
    nas_file_put(&file, data, length);
    return nas_file_commit(&file, ctx);
}

/* ---- reading ------------------------------------------------------------------------------ */

static int read_all(struct mn_ctx *ctx, const char *path, int fd, size_t size, uint8_t *out) {
    size_t done = 0;
    while (done < size) {
        const ssize_t n = read(fd, out + done, size - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return mn_fail(ctx, MN_IO, "%s: cannot read byte %zu of %zu: %s", path, done, size,
                           n == 0 ? "the file ended" : strerror(errno));
        }
        done += (size_t)n;
    }
    return MN_OK;
}

int nas_file_exists(struct mn_ctx *ctx, const char *path) {
    const char *name;
    const int at = nas_file_at(ctx, path, &name);
    return faccessat(at, name, F_OK, 0) == 0;
}

int nas_file_read(struct mn_ctx *ctx, const char *path, size_t most, uint8_t **data,
                  size_t *length) {
    struct stat s;
    const char *name;
    const int at = nas_file_at(ctx, path, &name);
    const int fd = nas_source_open(at, name);
    if (fd < 0 || fstat(fd, &s) != 0) {
        const int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return mn_fail(ctx, MN_IO, "%s: cannot read: %s%s", path,
                       error == EISDIR   ? "it is a folder"
                       : error == ESPIPE ? "it is no regular file"
                                         : strerror(error),
                       nas_file_advice(error));
    }
    const size_t size = (size_t)s.st_size;
    uint8_t *bytes = size > most ? NULL : malloc(size + 1);
    int status = MN_OK;
    if (bytes == NULL) {
        status =
            mn_fail(ctx, size > most ? MN_IO : MN_NOMEM, "%s: %zu bytes are too many", path, size);
    } else {
        status = read_all(ctx, path, fd, size, bytes);
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

int nas_file_folder(struct mn_ctx *ctx, const char *path) {
    char part[PATH_MAX];
    struct stat s;
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part) {
        return nas_file_too_long(ctx, path);
    }
    if (part[0] == '\0') {
        return mn_fail(ctx, MN_IO, "the name of the folder is empty");
    }
    for (char *at = part + 1;; at++) {
        const char here = *at;
        if (here != '/' && here != '\0') {
            continue;
        }
        *at = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            return mn_fail(ctx, MN_IO, "%s: cannot make the folder: %s%s", part, strerror(errno),
                           nas_file_advice(errno));
        }
        *at = here;
        if (here == '\0') {
            break;
        }
    }
    if (stat(path, &s) != 0 || !S_ISDIR(s.st_mode)) {
        return mn_fail(ctx, MN_IO, "%s: not a folder", path);
    }
    return MN_OK;
}
