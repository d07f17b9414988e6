/* SPDX-License-Identifier: MIT */

/* Preloaded into the program: call number FAIL_NTH of kind FAIL_CALL (write, fsync, fsync-folder,
 * rename, alloc, mmap, thread) fails, fsync with the errno FAIL_ERRNO where it is set, and if
 * FAIL_REST is set all after it, too. Of write and fsync only those count that go to files whose
 * path holds FAIL_PATH, of rename those whose new name holds it. Once a call has failed the file
 * FAIL_MARK is there. Allocations of other threads count in whatever order they come. */

#undef _FILE_OFFSET_BITS /* with it, mmap and mmap64 would be one name */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

ssize_t write(int fd, const void *data, size_t n);

static atomic_long calls, nth = -1;
static int alloc_counts;

/* The environment is read once, before main: getenv is no place to be in malloc. */
__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("FAIL_NTH"), *kind = getenv("FAIL_CALL");
    alloc_counts = kind != NULL && strcmp(kind, "alloc") == 0;
    nth = text != NULL ? atol(text) : -1;
    unsetenv("LD_PRELOAD"); /* programs that this one starts are left alone */
}

static void mark(void) {
    const char *path = getenv("FAIL_MARK");
    if (path != NULL) {
        const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (fd >= 0) {
            close(fd);
        }
    }
}

/* 1 = this call is to fail. */
static int strike(void) {
    const long limit = atomic_load(&nth);
    if (limit < 0) {
        return 0;
    }
    const long call = atomic_fetch_add(&calls, 1);
    if (call == limit) {
        mark();
    }
    return call == limit || (call > limit && getenv("FAIL_REST") != NULL);
}

static int is_kind(const char *name) {
    const char *kind = getenv("FAIL_CALL");
    return kind != NULL && strcmp(kind, name) == 0;
}

static int watched(const char *path) {
    const char *part = getenv("FAIL_PATH");
    return part != NULL && strstr(path, part) != NULL;
}

static int watched_file(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    if (fd <= 2 || length < 0) {
        return 0;
    }
    path[length] = '\0';
    return watched(path);
}

EXPORT ssize_t write(int fd, const void *data, size_t n) {
    static ssize_t (*real)(int, const void *, size_t);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "write");
    }
    if (is_kind("write") && watched_file(fd) && strike()) {
        errno = EIO;
        return -1;
    }
    return real(fd, data, n);
}

EXPORT int fsync(int fd) {
    static int (*real)(int);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    }
    struct stat s;
    const int folder = fstat(fd, &s) == 0 && S_ISDIR(s.st_mode);
    if (is_kind(folder ? "fsync-folder" : "fsync") && watched_file(fd) && strike()) {
        const char *number = getenv("FAIL_ERRNO");
        errno = number != NULL ? atoi(number) : EIO;
        return -1;
    }
    return real(fd);
}

EXPORT int renameat(int from_at, const char *from, int to_at, const char *to) {
    static int (*real)(int, const char *, int, const char *);
    char link[64], path[4096], whole[4096 + 256];
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "renameat");
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", to_at);
    const ssize_t length = to_at == AT_FDCWD ? 0 : readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    snprintf(whole, sizeof whole, "%s/%s", path, to);
    if (is_kind("rename") && watched(whole) && strike()) {
        errno = EIO;
        return -1;
    }
    return real(from_at, from, to_at, to);
}

EXPORT void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset) {
    if (nth >= 0 && is_kind("mmap") && strike()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, n, protection, flags, fd, offset);
}

EXPORT void *mmap64(void *at, size_t n, int protection, int flags, int fd, off64_t offset) {
    return mmap(at, n, protection, flags, fd, offset);
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *data) {
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    }
    return is_kind("thread") && strike() ? EAGAIN : real(thread, attributes, start, data);
}

/* What lies below the names replaced here: the sanitizer's, where there is one, or the C library's.
 */
#define BELOW(type, name, ...)                                                                     \
    extern type __interceptor_##name(__VA_ARGS__) __attribute__((weak));                           \
    extern type __libc_##name(__VA_ARGS__)
BELOW(void *, malloc, size_t size);
BELOW(void *, calloc, size_t n, size_t size);
BELOW(void *, realloc, void *old, size_t size);
BELOW(void *, memalign, size_t alignment, size_t size);

#define CALL(name, ...)                                                                            \
    (__interceptor_##name != NULL ? __interceptor_##name(__VA_ARGS__) : __libc_##name(__VA_ARGS__))

static int no_memory(void) {
    if (alloc_counts && strike()) {
        errno = ENOMEM;
        return 1;
    }
    return 0;
}

EXPORT void *malloc(size_t size) {
    return no_memory() ? NULL : CALL(malloc, size);
}

EXPORT void *calloc(size_t n, size_t size) {
    return no_memory() ? NULL : CALL(calloc, n, size);
}

EXPORT void *realloc(void *old, size_t size) {
    return no_memory() ? NULL : CALL(realloc, old, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) {
    return no_memory() ? NULL : CALL(memalign, alignment, size);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size) {
    void *at = no_memory() ? NULL : CALL(memalign, alignment, size);
    if (at == NULL) {
        return ENOMEM;
    }
    *out = at;
    return 0;
}
