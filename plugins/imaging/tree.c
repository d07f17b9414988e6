/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Symbolic links may lead to a folder again, but not so often that a small tree becomes a huge one:
 * at most this many times the folders that there are, and some. */
enum { VISITS_EACH = 16, VISITS_MORE = 1000 };

struct visited {
    dev_t device;
    ino_t node;
};

struct walk {
    struct source_reader *reader;
    char path[4096]; /* of what is looked at */
    size_t root;     /* length of the source's path and a slash */
    void *visited;   /* tree of struct visited */
    int64_t n_visited, visits;
};

static int fail_here(const struct walk *w, const char *what) {
    char path[1024];
    source_printable(w->path, strlen(w->path), path, sizeof path);
    return mn_fail(w->reader->ctx, MN_IO, "%s: %s", path, what);
}

/* What of a tree may be left out: it is not there or not ours to read. Otherwise the disk or the
 * system is at fault. */
static int leave_out(const struct walk *w, int error) {
    if (error != ENOENT && error != EACCES && error != EPERM && error != ELOOP &&
        error != ENOTDIR) {
        return fail_here(w, strerror(error));
    }
    noted_add(&w->reader->source->unreadable, w->path + w->root, strerror(error));
    return MN_OK;
}

/* ---- folders ------------------------------------------------------------------------------ */

static int by_node(const void *a, const void *b) {
    const struct visited *x = a, *y = b;
    return x->device != y->device ? (x->device < y->device ? -1 : 1)
           : x->node != y->node   ? (x->node < y->node ? -1 : 1)
                                  : 0;
}

static int count_visit(struct walk *w, int fd) {
    struct stat about;
    struct visited *now = malloc(sizeof *now);
    if (now == NULL || fstat(fd, &about) != 0) {
        free(now);
        return mn_fail(w->reader->ctx, MN_NOMEM, "no memory to look at %s", w->path);
    }
    *now = (struct visited){about.st_dev, about.st_ino};
    struct visited **entry = tsearch(now, &w->visited, by_node);
    if (entry == NULL || *entry != now) {
        free(now);
    } else {
        w->n_visited++;
    }
    if (entry == NULL) {
        return mn_fail(w->reader->ctx, MN_NOMEM, "no memory to look at %s", w->path);
    }
    w->visits++;
    return w->visits <= VISITS_EACH * w->n_visited + VISITS_MORE
               ? MN_OK
               : fail_here(w, "symbolic links lead to the same folders again and again");
}

static int read_folder(struct walk *w, int depth);

/* w->path is an entry of a folder at that depth. */
static int read_entry(struct walk *w, int depth, int *has_folders) {
    struct stat about;
    const char *name = w->path + w->root;
    if (stat(w->path, &about) != 0) {
        return leave_out(w, errno);
    }
    if (S_ISDIR(about.st_mode)) {
        *has_folders = 1;
        return read_folder(w, depth + 1);
    }
    if (!source_is_image(name)) {
        noted_add(&w->reader->source->other_endings, name, NULL);
        return MN_OK;
    }
    if (!S_ISREG(about.st_mode)) {
        noted_add(&w->reader->source->unreadable, name, "not a regular file");
        return MN_OK;
    }
    return source_enter(w->reader, name, (uint64_t)about.st_size);
}

static int read_entries(struct walk *w, DIR *folder, int depth, int *has_folders) {
    const size_t length = strlen(w->path);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            return errno == 0 ? MN_OK : fail_here(w, strerror(errno));
        }
        int status = source_stopped(w->reader->ctx, w->reader->source->path);
        if (status != MN_OK) {
            return status;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            source_ignores(entry->d_name)) {
            continue;
        }
        const size_t room = sizeof w->path - length;
        if ((size_t)snprintf(w->path + length, room, "/%s", entry->d_name) >= room) {
            w->path[length] = '\0';
            return fail_here(w, "the path of a file in this folder is too long");
        }
        status = read_entry(w, depth, has_folders);
        w->path[length] = '\0';
        if (status != MN_OK) {
            return status;
        }
    }
}

static int read_folder(struct walk *w, int depth) {
    const int64_t before = w->reader->n;
    int has_folders = 0;
    if (depth > SOURCE_DEPTH_MOST) {
        return fail_here(w, "folders lie too deep in each other; a symbolic link may form a ring");
    }
    DIR *folder = opendir(w->path);
    if (folder == NULL) {
        return depth > 0 ? leave_out(w, errno) : fail_here(w, strerror(errno));
    }
    int status = count_visit(w, dirfd(folder));
    if (status == MN_OK) {
        status = read_entries(w, folder, depth, &has_folders);
    }
    closedir(folder);
    if (status == MN_OK && depth > 0 && w->reader->n == before && !has_folders) {
        noted_add(&w->reader->source->empty_folders, w->path + w->root, NULL);
    }
    return status;
}

int source_list_tree(struct source_reader *reader) {
    struct walk w = {.reader = reader};
    const char *path = reader->source->path;
    w.root = strlen(path) + 1;
    if (w.root >= sizeof w.path) {
        return mn_fail(reader->ctx, MN_IO, "%s: the path is too long", path);
    }
    memcpy(w.path, path, w.root);
    const int status = read_folder(&w, 0);
    tdestroy(w.visited, free);
    return status;
}

/* ---- files -------------------------------------------------------------------------------- */

/* NULL = read; otherwise why not. */
static const char *read_whole(struct mn_ctx *ctx, int fd, struct room *room,
                              struct source_file *file) {
    struct stat about;
    if (fstat(fd, &about) != 0) {
        return strerror(errno);
    }
    if (!S_ISREG(about.st_mode)) {
        return S_ISDIR(about.st_mode) ? "it is a folder" : "not a regular file";
    }
    if (about.st_size > SOURCE_FILE_MOST) {
        return "the file is too large";
    }
    file->size = (size_t)about.st_size;
    uint8_t *bytes = room_need(ctx, room, file->size);
    for (size_t got = 0; bytes != NULL && got < file->size;) {
        const ssize_t n = read(fd, bytes + got, file->size - got);
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            return n < 0 ? strerror(errno) : "the file shrank while it was read";
        }
        got += n > 0 ? (size_t)n : 0;
    }
    file->bytes = bytes;
    return NULL;
}

int source_each_tree(struct mn_ctx *ctx, const struct source *source, source_take take,
                     void *data) {
    struct room room = {0};
    int status = MN_OK;
    for (int64_t i = 0; status == MN_OK && i < source->n; i++) {
        char path[8192];
        struct source_file file = source->files[i];
        snprintf(path, sizeof path, "%s%s%s", source->path, source->path[0] != '\0' ? "/" : "",
                 file.name);
        status = source_stopped(ctx, path);
        if (status != MN_OK) {
            break;
        }
        /* Not to wait where a pipe has taken the file's place. */
        const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        const char *fault = fd >= 0 ? read_whole(ctx, fd, &room, &file) : strerror(errno);
        if (fd >= 0) {
            close(fd);
        }
        status = fault == NULL && file.bytes == NULL ? MN_NOMEM : take(data, ctx, i, &file, fault);
    }
    return status;
}
