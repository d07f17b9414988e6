/* SPDX-License-Identifier: MIT */
#include "support/allocations.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

/* Initial-exec: other thread-local variables of a library are allocated when first used. */
static _Thread_local uint64_t calls __attribute__((tls_model("initial-exec")));

uint64_t allocations_here(void) {
    return calls;
}

/* The function of that name in the library after this one; looked up once. */
#define NEXT(type, name, ...)                                                                      \
    static type (*next)(__VA_ARGS__);                                                              \
    if (next == NULL) {                                                                            \
        *(void **)&next = dlsym(RTLD_NEXT, #name);                                                 \
    }

EXPORT void *malloc(size_t size) {
    NEXT(void *, malloc, size_t);
    calls++;
    return next(size);
}

EXPORT void *calloc(size_t n, size_t size) {
    NEXT(void *, calloc, size_t, size_t);
    calls++;
    return next(n, size);
}

EXPORT void *realloc(void *at, size_t size) {
    NEXT(void *, realloc, void *, size_t);
    calls++;
    return next(at, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) {
    NEXT(void *, aligned_alloc, size_t, size_t);
    calls++;
    return next(alignment, size);
}

EXPORT void *memalign(size_t alignment, size_t size) {
    NEXT(void *, memalign, size_t, size_t);
    calls++;
    return next(alignment, size);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size) {
    NEXT(int, posix_memalign, void **, size_t, size_t);
    calls++;
    return next(out, alignment, size);
}

EXPORT void free(void *at) {
    NEXT(void, free, void *);
    calls += at != NULL;
    next(at);
}
