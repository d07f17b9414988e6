/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_CLOCK_H
#define NAS_BASE_CLOCK_H

#include <time.h>

/* Seconds on a clock that never goes back. */
static inline double nas_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
