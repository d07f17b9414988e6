/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include "base/folder.h"
#include "base/input_file.h"

#include <errno.h>
#include <fcntl.h>
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

int nas_file_failed(struct mn_ctx *ctx, const char *path, const char *action) {
    const int error = errno;
    return mn_fail(ctx, MN_IO, "%s: cannot %s: %s%s", path, action, strerror(error),
                   nas_file_advice(error));
}

int nas_file_too_long(struct mn_ctx *ctx, const char *path) {
    return mn_fail(ctx, MN_IO, "a path of %zu bytes is too long: %.80s...", strlen(path), path);
}

/* ---- writing ------------------------------------------------------------------------------ */

/* Note the first failure; the others follow from it. */
static void note(struct nas_file *file, const char *action) {
    if (file->error == 0) {
        file->error = errno != 0 ? errno : EIO;
        file->action = action;
    }
}

static int failed(struct nas_file *file, struct mn_ctx *ctx) {
    errno = file->error;
    return nas_file_failed(ctx, file->path, file->action);
}

/* Open the folder of the file; 0 with errno. One that may be written but not read can be opened all
 * the same, only not synced. */
static int open_folder(struct nas_file *file, struct mn_ctx *ctx) {
    const int at = nas_folder_at(ctx, file->path, &file->name);
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
    file->closes_folder = 1;
    return file->folder >= 0;
}

static void close_folder(struct nas_file *file) {
    if (file->closes_folder && file->folder >= 0) {
        close(file->folder);
    }
    file->folder = -1;
}

/* Under a random name: one that can be foreseen may be planted, or left by a process that was
 * killed. */
static int open_temporary(struct nas_file *file) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int tries = 0; tries < 100; tries++) {
        unsigned char noise[6];
        char suffix[sizeof noise + 1] = "";
        if (getrandom(noise, sizeof noise, 0) != (ssize_t)sizeof noise) {
            return -1;
        }
        for (size_t i = 0; i < sizeof noise; i++) {
            suffix[i] = letters[noise[i] % (sizeof letters - 1)];
        }
        if (snprintf(file->temporary, sizeof file->temporary, "%s.tmp-%s", file->name, suffix) >=
            (int)sizeof file->temporary) {
            errno = ENAMETOOLONG;
            return -1;
        }
        const int fd = openat(file->folder, file->temporary,
                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

int nas_file_begin(struct nas_file *file, struct mn_ctx *ctx, const char *path) {
    struct stat s;
    *file = (struct nas_file){.fd = -1, .folder = -1};
    if (snprintf(file->path, sizeof file->path, "%s", path) >= (int)sizeof file->path) {
        return nas_file_too_long(ctx, path);
    }
    const int opened = open_folder(file, ctx);
    if (opened && fstatat(file->folder, file->name, &s, 0) == 0 && !S_ISREG(s.st_mode)) {
        close_folder(file);
        return mn_fail(ctx, MN_IO, "%s: cannot write it: it is %s", path,
                       S_ISDIR(s.st_mode) ? "a folder" : "no regular file");
    }
    if (!opened || (file->fd = open_temporary(file)) < 0) {
        note(file, "create a temporary file beside it");
        close_folder(file);
        return failed(file, ctx);
    }
    return MN_OK;
}

int nas_file_write(int fd, const void *data, size_t length) {
    const char *at = data;
    while (length > 0) {
        const ssize_t n = write(fd, at, length);
        if (n > 0) {
            at += n;
            length -= (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            errno = n == 0 ? ENOSPC : errno;
            return 0;
        }
    }
    return 1;
}

void nas_file_put(struct nas_file *file, const void *data, size_t length) {
    if (file->error == 0 && !nas_file_write(file->fd, data, length)) {
        note(file, "write it");
    }
}

void nas_file_drop(struct nas_file *file) {
    if (file->folder < 0) {
        return;
    }
    if (file->fd >= 0) {
        close(file->fd);
    }
    unlinkat(file->folder, file->temporary, 0);
    close_folder(file);
}

int nas_files_commit(struct nas_file *files, int n, struct mn_ctx *ctx) {
    struct nas_file *wrong = NULL;
    for (int i = 0; i < n; i++) {
        errno = 0;
        if (files[i].error == 0 && fsync(files[i].fd) != 0) {
            note(&files[i], "sync it to disk");
        }
        if (close(files[i].fd) != 0) {
            note(&files[i], "close it");
        }
        files[i].fd = -1;
        wrong = wrong == NULL && files[i].error != 0 ? &files[i] : wrong;
    }
    struct nas_file *last = &files[n - 1];
    if (wrong == NULL && n > 1 && unlinkat(last->folder, last->name, 0) != 0 && errno != ENOENT) {
        wrong = last;
        note(wrong, "remove the old one");
    }
    for (int i = 0; i < n && wrong == NULL; i++) {
        if (renameat(files[i].folder, files[i].temporary, files[i].folder, files[i].name) != 0) {
            wrong = &files[i];
            note(wrong, "rename the temporary file to it");
        }
    }
    /* The folder's entry must reach the disk too, on file systems that can sync folders. */
    for (int i = 0; i < n && wrong == NULL; i++) {
        if (fsync(files[i].folder) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP &&
            errno != ENOSYS && errno != EBADF) {
            wrong = &files[i];
            note(wrong, "sync its folder");
        }
    }
    const int status = wrong != NULL ? failed(wrong, ctx) : MN_OK;
    for (int i = 0; i < n; i++) {
        nas_file_drop(&files[i]); /* a file that was renamed has no temporary name any more */
    }
    return status;
}

int nas_file_commit(struct nas_file *file, struct mn_ctx *ctx) {
    return nas_files_commit(file, 1, ctx);
}

int nas_file_replace(struct mn_ctx *ctx, const char *path, const void *data, size_t length) {
    struct nas_file file;
    TRY(nas_file_begin(&file, ctx, path));
    nas_file_put(&file, data, length);
    return nas_file_commit(&file, ctx);
}

/* ---- reading ------------------------------------------------------------------------------ */

int nas_file_exists(struct mn_ctx *ctx, const char *path) {
    const char *name;
    const int at = nas_folder_at(ctx, path, &name);
    return faccessat(at, name, F_OK, 0) == 0;
}

int nas_file_read(struct mn_ctx *ctx, const char *path, size_t most, uint8_t **data,
                  size_t *length) {
    struct stat s;
    const char *name;
    const int at = nas_folder_at(ctx, path, &name);
    CLEANUP(nas_close) const int fd = nas_input_file_open(at, name);
    if (fd < 0 || fstat(fd, &s) != 0) {
        const int error = errno;
        return mn_fail(ctx, MN_IO, "%s: cannot read: %s%s", path,
                       error == EISDIR   ? "it is a folder"
                       : error == ESPIPE ? "it is no regular file"
                                         : strerror(error),
                       nas_file_advice(error));
    }
    const size_t size = (size_t)s.st_size;
    CLEANUP(nas_free) uint8_t *bytes = size > most ? NULL : malloc(size + 1);
    if (bytes == NULL) {
        return mn_fail(ctx, size > most ? MN_IO : MN_NOMEM, "%s: %zu bytes are too many", path,
                       size);
    }
    for (size_t done = 0; done < size;) {
        const ssize_t n = read(fd, bytes + done, size - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            return mn_fail(ctx, MN_IO, "%s: cannot read byte %zu of %zu: %s", path, done, size,
                           n == 0 ? "the file ended" : strerror(errno));
        }
    }
    bytes[size] = '\0';
    *data = bytes;
    *length = size;
    bytes = NULL;
    return MN_OK;
}
