/* SPDX-License-Identifier: MIT */
#include "base/folder.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int nas_folder_lock(struct mn_ctx *ctx, const char *path, struct nas_folder *folder) {
    *folder = (struct nas_folder){.fd = -1};
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') {
        n--;
    }
    if (n >= sizeof folder->path) {
        return nas_file_too_long(ctx, path);
    }
    memcpy(folder->path, path, n);
    folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd < 0) {
        return nas_file_failed(ctx, path, "open the folder");
    }
    /* File systems without locks are used without. */
    if (flock(folder->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(folder->fd);
        folder->fd = -1;
        return mn_fail(ctx, MN_IO, "%s: another metanas is at work in this folder", path);
    }
    nas_ctx_of(ctx)->folder = folder;
    return MN_OK;
}

void nas_folder_unlock(struct mn_ctx *ctx, struct nas_folder *folder) {
    if (folder->path[0] != '\0' && folder->fd >= 0) {
        close(folder->fd);
    }
    if (nas_ctx_of(ctx)->folder == folder) {
        nas_ctx_of(ctx)->folder = NULL;
    }
    folder->fd = -1;
}

int nas_folder_is_locked(struct mn_ctx *ctx, const char *path) {
    const struct nas_folder *folder = nas_ctx_of(ctx)->folder;
    struct stat here, there;
    return folder != NULL && fstat(folder->fd, &here) == 0 && stat(path, &there) == 0 &&
           here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

int nas_folder_at(struct mn_ctx *ctx, const char *path, const char **name) {
    const struct nas_folder *folder = nas_ctx_of(ctx)->folder;
    const size_t n = folder != NULL ? strlen(folder->path) : 0;
    *name = path;
    if (folder == NULL || strncmp(path, folder->path, n) != 0 ||
        (path[n] != '/' && path[n] != '\0' && folder->path[n - 1] != '/')) {
        return AT_FDCWD;
    }
    path += n + strspn(path + n, "/");
    *name = *path != '\0' ? path : ".";
    return folder->fd;
}

int nas_folder_make(struct mn_ctx *ctx, const char *path) {
    char part[PATH_MAX];
    struct stat s;
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part) {
        return nas_file_too_long(ctx, path);
    }
    if (part[0] == '\0') {
        return mn_fail(ctx, MN_IO, "the name of the folder is empty");
    }
    for (char *at = part; *at != '\0'; *at = path[at - part]) {
        at += 1 + strcspn(at + 1, "/");
        *at = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            return nas_file_failed(ctx, part, "make the folder");
        }
    }
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode)
               ? MN_OK
               : mn_fail(ctx, MN_IO, "%s: not a folder", path);
}

int nas_folder_file(struct mn_ctx *ctx, const char *dir, const char *name, char out[PATH_MAX]) {
    return snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX ? MN_OK
                                                                  : nas_file_too_long(ctx, dir);
}
