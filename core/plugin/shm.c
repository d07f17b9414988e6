/* SPDX-License-Identifier: MIT */
#include "plugin/shm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t with_token(size_t bytes) {
    return (bytes + 7) / 8 * 8 + sizeof(uint64_t);
}

static uint64_t *token_of(const void *at, size_t bytes) {
    return (uint64_t *)((uintptr_t)at + with_token(bytes) - sizeof(uint64_t));
}

static void *map(int file, size_t bytes, int protection) {
    void *at = mmap(NULL, with_token(bytes), protection, MAP_SHARED, file, 0);
    return at != MAP_FAILED ? at : NULL;
}

void *nas_shm_create(struct nas_shm *share, size_t bytes) {
    if (share->n >= NAS_SHM_MOST || bytes > (SIZE_MAX >> 2)) {
        return NULL;
    }
    if (share->n == 0 &&
        getrandom(&share->token, sizeof share->token, 0) != (ssize_t)sizeof share->token) {
        return NULL;
    }
    const int file = memfd_create("metanas", MFD_CLOEXEC);
    void *at = file >= 0 && ftruncate(file, (off_t)with_token(bytes)) == 0
                   ? map(file, bytes, PROT_READ | PROT_WRITE)
                   : NULL;
    if (at == NULL) {
        if (file >= 0) {
            close(file);
        }
        return NULL;
    }
    *token_of(at, bytes) = share->token;
    share->process = getpid();
    share->bytes[share->n] = (int64_t)bytes;
    share->files[share->n++] = file;
    return at;
}

const void *nas_shm_map(const struct nas_shm *share, int64_t piece, size_t bytes) {
    char path[64];
    struct stat about;
    if (piece >= share->n || share->bytes[piece] != (int64_t)bytes) {
        return NULL;
    }
    snprintf(path, sizeof path, "/proc/%lld/fd/%d", (long long)share->process,
             (int)share->files[piece]);
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        return NULL;
    }
    const int fits = fstat(file, &about) == 0 && S_ISREG(about.st_mode) &&
                     about.st_size == (off_t)with_token(bytes);
    const void *at = fits ? map(file, bytes, PROT_READ) : NULL;
    close(file);
    if (at != NULL && *token_of(at, bytes) != share->token) {
        nas_shm_unmap(at, bytes);
        at = NULL;
    }
    return at;
}

void nas_shm_unmap(const void *at, size_t bytes) {
    munmap((void *)(uintptr_t)at, with_token(bytes));
}

void nas_shm_close(struct nas_shm *share) {
    for (int64_t i = 0; i < share->n; i++) {
        close(share->files[i]);
    }
    memset(share, 0, sizeof *share);
}
