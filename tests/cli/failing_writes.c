/* SPDX-License-Identifier: MIT */

/* Preloaded into the program to play a full disk: once FAIL_AFTER bytes have gone to files whose
 * path holds FAIL_PATH, every further write to them ends with ENOSPC. Standard streams, pipes and
 * other files stay as they are. */

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ssize_t write(int fd, const void *data, size_t n);

static int watched(int fd) {
    char link[64], path[4096];
    const char *part = getenv("FAIL_PATH");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    if (fd <= 2 || part == NULL || length < 0) {
        return 0;
    }
    path[length] = '\0';
    return strstr(path, part) != NULL;
}

__attribute__((visibility("default"))) ssize_t write(int fd, const void *data, size_t n) {
    static ssize_t (*real)(int, const void *, size_t);
    static size_t done;
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "write");
    }
    if (!watched(fd)) {
        return real(fd, data, n);
    }
    const char *limit_text = getenv("FAIL_AFTER");
    const size_t limit = limit_text != NULL ? strtoul(limit_text, NULL, 10) : 0;
    if (done >= limit) {
        errno = ENOSPC;
        return -1;
    }
    const ssize_t written = real(fd, data, n < limit - done ? n : limit - done);
    done += written > 0 ? (size_t)written : 0;
    return written;
}
