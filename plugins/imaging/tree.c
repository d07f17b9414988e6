/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct walk {
    struct source_reader *reader;
    char path[4096]; /* of what is looked at */
    size_t root;     /* length of the source's path and a slash */
};

static int fail_here(const struct walk *w, const char *what) {
    return mn_fail(w->reader->cx, MN_IO, "%s: %s", w->path, what);
}

static int read_whole(const struct walk *w, int fd, uint8_t *bytes, size_t size) {
    for (size_t got = 0; got < size;) {
        const ssize_t n = read(fd, bytes + got, size - got);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return fail_here(w, n < 0 ? strerror(errno) : "the file shrank while it was read");
        }
        got += (size_t)n;
    }
    return MN_OK;
}

static int read_file(const struct walk *w, const struct stat *about) {
    uint8_t *bytes;
    int status = source_enter(w->reader, w->path + w->root, (uint64_t)about->st_size, &bytes);
    if (status != MN_OK) {
        return status;
    }
    const int fd = open(w->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail_here(w, strerror(errno));
    }
    status = read_whole(w, fd, bytes, (size_t)about->st_size);
    close(fd);
    return status;
}

static int read_folder(struct walk *w, int depth);

/* w->path is an entry of a folder at that depth. */
static int read_entry(struct walk *w, int depth) {
    struct stat about;
    if (stat(w->path, &about) != 0) {
        return fail_here(w, strerror(errno));
    }
    if (S_ISDIR(about.st_mode)) {
        return read_folder(w, depth + 1);
    }
    if (!source_wants(w->path + w->root)) {
        return MN_OK;
    }
    return S_ISREG(about.st_mode) ? read_file(w, &about) : fail_here(w, "not a regular file");
}

static int read_entries(struct walk *w, DIR *folder, int depth) {
    const size_t length = strlen(w->path);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            return errno == 0 ? MN_OK : fail_here(w, strerror(errno));
        }
        if (entry->d_name[0] == '.') {
            continue;
        }
        const size_t room = sizeof w->path - length;
        if ((size_t)snprintf(w->path + length, room, "/%s", entry->d_name) >= room) {
            w->path[length] = '\0';
            return fail_here(w, "the path of a file in this folder is too long");
        }
        const int status = read_entry(w, depth);
        w->path[length] = '\0';
        if (status != MN_OK) {
            return status;
        }
    }
}

static int read_folder(struct walk *w, int depth) {
    if (depth > SOURCE_DEPTH_MOST) {
        return fail_here(w, "folders lie too deep in each other; a symbolic link may form a ring");
    }
    DIR *folder = opendir(w->path);
    if (folder == NULL) {
        return fail_here(w, strerror(errno));
    }
    const int status = read_entries(w, folder, depth);
    closedir(folder);
    return status;
}

int source_read_tree(struct source_reader *reader) {
    struct walk w = {.reader = reader};
    w.root = strlen(reader->path) + 1;
    if (w.root >= sizeof w.path) {
        return mn_fail(reader->cx, MN_IO, "%s: the path is too long", reader->path);
    }
    memcpy(w.path, reader->path, w.root);
    return read_folder(&w, 0);
}
