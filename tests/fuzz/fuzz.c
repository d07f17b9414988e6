/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "learn/experiment.h"
#include "learn/host.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

long fuzz_accepted;

_Noreturn void fuzz_broken(const char *what, const struct mn_ctx *ctx, const char *file, int line) {
    fprintf(stderr, "%s:%d: not so: %s%s%s\n", file, line, what, ctx != NULL ? "; message: " : "",
            ctx != NULL ? nas_ctx_message(ctx) : "");
    abort();
}

static void put_all(int fd, const uint8_t *data, size_t size) {
    size_t done = 0;
    while (done < size) {
        const ssize_t n = pwrite(fd, data + done, size - done, (off_t)done);
        fuzz_must(n > 0);
        done += (size_t)n;
    }
}

/* Files in memory: a disk would take most of the time. */
const char *fuzz_file(int slot, const void *data, size_t size) {
    static struct {
        int fd; /* 0 = not made yet */
        char path[64];
    } files[FUZZ_FILES];
    fuzz_must(slot >= 0 && slot < FUZZ_FILES);
    if (files[slot].fd == 0) {
        files[slot].fd = memfd_create("fuzz", MFD_CLOEXEC);
        fuzz_must(files[slot].fd > 0);
        snprintf(files[slot].path, sizeof files[slot].path, "/proc/self/fd/%d", files[slot].fd);
    }
    fuzz_must(ftruncate(files[slot].fd, (off_t)size) == 0);
    put_all(files[slot].fd, data, size);
    return files[slot].path;
}

char *fuzz_copy(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    fuzz_must(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    return text;
}

char *fuzz_text(const uint8_t **data, size_t *size) {
    if (*size == 0) {
        return NULL;
    }
    const uint8_t *zero = memchr(*data, 0, *size);
    const size_t length = zero != NULL ? (size_t)(zero - *data) : *size;
    char *text = fuzz_copy(*data, length);
    *data += length + (zero != NULL);
    *size -= length + (zero != NULL);
    return text;
}

struct mn_ctx *fuzz_begin(struct nas_ctx *context) {
    nas_ctx_init(context, &nas_host);
    context->log_level = MN_LOG_ERROR;
    return &context->pub;
}

void fuzz_end(struct nas_ctx *context) {
    nas_ctx_fini(context);
}
