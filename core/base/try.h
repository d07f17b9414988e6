/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_TRY_H
#define NAS_BASE_TRY_H

/* Leaving a function early (gcc and clang). */

#include "metanas/status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Return the status of a call that fails. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        const int try_status = (call);                                                             \
        if (try_status != MN_OK) {                                                                 \
            return try_status;                                                                     \
        }                                                                                          \
    } while (0)

/* Call release(&variable) when the variable goes out of scope. */
#define CLEANUP(release) __attribute__((cleanup(release), unused))

/* For CLEANUP of a pointer of any type: free what it points to. */
static inline void nas_free(void *pointer) {
    void *memory;
    memcpy(&memory, pointer, sizeof memory); /* its type is not void *: no aliasing */
    free(memory);
}

/* The same of a file descriptor, which is -1 where nothing is open. */
static inline void nas_close(const int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
}

#endif
