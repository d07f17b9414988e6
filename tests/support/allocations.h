/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ALLOCATIONS_H
#define TESTS_ALLOCATIONS_H

/* A shared library that stands before the C library and counts the calls of its allocator, whoever
 * makes them. A program that is linked with it counts from its start. */

#include <stdint.h>

/* Calls of malloc, calloc, realloc, aligned_alloc, memalign, posix_memalign and of free (but for
 * NULL) that the calling thread has made. It stays 0 where something else replaces the allocator,
 * such as AddressSanitizer. */
__attribute__((visibility("default"))) uint64_t allocations_here(void);

#endif
