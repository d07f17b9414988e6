/* SPDX-License-Identifier: MIT */
#include "base/ownership.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_LINKS = 40 };

/* A path that is followed from the root. */
struct walk {
    struct mn_ctx *ctx;
    const char *path; /* as it was given, for messages */
    enum nas_ownership ownership;
    int at; /* the folder reached */
    struct stat above;
    char place[PATH_MAX]; /* its path */
    char rest[PATH_MAX];  /* what remains */
    int links;
    struct nas_other_owner other;
};

/* Who may change the program itself need not be kept from its plugins. */
static int is_trusted(uid_t user) {
    struct stat program;
    return user == 0 || user == geteuid() ||
           (stat("/proc/self/exe", &program) == 0 && user == program.st_uid);
}

static int is_trusted_group(gid_t group) {
    struct stat program;
    return group == 0 || group == getegid() ||
           (stat("/proc/self/exe", &program) == 0 && group == program.st_gid);
}

static int system_failed(const struct walk *w) {
    return mn_fail(w->ctx, MN_IO, "%s: %s", w->path, strerror(errno));
}

static int refuse_other(struct walk *w, uid_t user, const char *what) {
    w->other = (struct nas_other_owner){user, 1};
    return w->ownership == NAS_OWNERSHIP_NAMED
               ? MN_OK
               : mn_fail(w->ctx, MN_IO,
                         "%s: %s belongs to user %u, neither to root nor to you, so it is not "
                         "used: chown it, or name its folder by --plugin-dir or "
                         "METANAS_PLUGIN_PATH",
                         w->path, what, (unsigned)user);
}

static int check_wanted(struct walk *w, const struct stat *s) {
    const int folder = S_ISDIR(s->st_mode);
    if ((s->st_mode & S_IWOTH) != 0) {
        return mn_fail(w->ctx, MN_IO,
                       folder ? "%s: anyone may write in this folder, so nothing is loaded from "
                                "it: chmod o-w it"
                              : "%s: anyone may write this file, so it is not loaded: chmod o-w it",
                       w->path);
    }
    if (w->ownership == NAS_OWNERSHIP_FOUND && (s->st_mode & S_IWGRP) != 0 &&
        !is_trusted_group(s->st_gid)) {
        return mn_fail(w->ctx, MN_IO,
                       "%s: its group %u, which is not yours, may write it, so it is not used: "
                       "chmod g-w it",
                       w->path, (unsigned)s->st_gid);
    }
    return is_trusted(s->st_uid) ? MN_OK : refuse_other(w, s->st_uid, "it");
}

/* Go to a folder that was opened. */
static int enter(struct walk *w, int folder, const char *name) {
    const size_t used = strlen(w->place);
    nas_close(&w->at);
    w->at = folder;
    if (folder < 0 || fstat(folder, &w->above) != 0) {
        return system_failed(w);
    }
    if (name[0] == '/') {
        snprintf(w->place, sizeof w->place, "/");
    } else {
        snprintf(w->place + used, sizeof w->place - used, "%s%s", used > 1 ? "/" : "", name);
    }
    return MN_OK;
}

/* Put what a link says in its place. */
static int follow(struct walk *w, int link) {
    char target[PATH_MAX];
    const size_t rest = strlen(w->rest);
    const ssize_t n = readlinkat(link, "", target, sizeof target);
    if (n < 0 || ++w->links > MOST_LINKS) {
        errno = n < 0 ? errno : ELOOP;
        return system_failed(w);
    }
    if ((size_t)n + 1 + rest >= sizeof w->rest) {
        errno = ENAMETOOLONG;
        return system_failed(w);
    }
    memmove(w->rest + n + 1, w->rest, rest + 1);
    memcpy(w->rest, target, (size_t)n);
    w->rest[n] = '/';
    return target[0] == '/' ? enter(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), "/") : MN_OK;
}

/* One name further. Sets *fd at the end of the path. */
static int step(struct walk *w, const char *name, int *fd) {
    struct stat s;
    const int is_shared = (w->above.st_mode & S_IWOTH) != 0;
    if (is_shared && (w->above.st_mode & S_ISVTX) == 0) {
        return mn_fail(w->ctx, MN_IO,
                       "%s: anyone may write in %s, a folder above it, and put something else in "
                       "its place, so it is not used: chmod o-w %s (or +t)",
                       w->path, w->place, w->place);
    }
    int next CLEANUP(nas_close) = openat(w->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0 || fstat(next, &s) != 0) {
        char target[PATH_MAX];
        const int error = errno;
        const ssize_t n = readlink(w->path, target, sizeof target - 1);
        errno = error;
        return error != ENOENT || n < 0
                   ? system_failed(w)
                   : mn_fail(w->ctx, MN_IO,
                             "%s: a broken link: it points to %.*s, which is not there", w->path,
                             (int)n, target);
    }
    if (is_shared && !is_trusted(s.st_uid)) { /* a sticky folder: safe from all but the owner */
        TRY(refuse_other(w, s.st_uid, "what leads to it"));
    }
    if (S_ISDIR(s.st_mode)) {
        const int folder = next;
        next = -1;
        return enter(w, folder, name);
    }
    if (S_ISLNK(s.st_mode)) {
        return follow(w, next);
    }
    if (w->rest[strspn(w->rest, "/")] != '\0') {
        errno = ENOTDIR;
        return system_failed(w);
    }
    if (!S_ISREG(s.st_mode)) {
        return mn_fail(w->ctx, MN_IO, "%s: not a regular file", w->path);
    }
    *fd = openat(w->at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return *fd >= 0 ? MN_OK
                    : mn_fail(w->ctx, MN_IO, "%s: cannot be read: %s", w->path, strerror(errno));
}

static int reach(struct walk *w, int *fd) {
    char name[PATH_MAX];
    TRY(enter(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), "/"));
    while (*fd < 0) {
        const char *at = w->rest + strspn(w->rest, "/");
        const size_t n = strcspn(at, "/");
        if (n == 0) { /* a folder */
            *fd = w->at;
            w->at = -1;
            break;
        }
        memcpy(name, at, n);
        name[n] = '\0';
        memmove(w->rest, at + n, strlen(at + n) + 1);
        TRY(step(w, name, fd));
    }
    struct stat s;
    return fstat(*fd, &s) == 0 ? check_wanted(w, &s) : system_failed(w);
}

int nas_ownership_open(struct mn_ctx *ctx, const char *path, enum nas_ownership ownership, int *fd,
                       struct nas_other_owner *other) {
    struct walk w = {.ctx = ctx, .path = path, .ownership = ownership, .at = -1};
    *fd = -1;
    if (path[0] != '/') {
        return mn_fail(ctx, MN_CONFIG, "%s: not an absolute path", path);
    }
    if (snprintf(w.rest, sizeof w.rest, "%s", path) >= (int)sizeof w.rest) {
        return mn_fail(ctx, MN_IO, "%.80s...: %s", path, strerror(ENAMETOOLONG));
    }
    const int status = reach(&w, fd);
    if (status != MN_OK) {
        nas_close(fd);
        *fd = -1;
    }
    nas_close(&w.at);
    if (other != NULL) {
        *other = w.other;
    }
    return status;
}

int nas_ownership_check(struct mn_ctx *ctx, const char *path, enum nas_ownership ownership,
                        struct nas_other_owner *other) {
    int fd CLEANUP(nas_close) = -1;
    return nas_ownership_open(ctx, path, ownership, &fd, other);
}
