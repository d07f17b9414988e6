/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SEAL_H
#define TESTS_SUPPORT_SEAL_H

/* The checksum of a checkpoint, computed apart from the program (core/run/checkpoint.h says what it
 * covers), so that damaged files get past it. */

#include <stddef.h>
#include <stdint.h>

/* Where the 8 digits stand in a file of n bytes; 0 = nowhere. */
size_t seal_find(const uint8_t *file, size_t n);
/* Put the right checksum there. 0 = there is no place for it. */
int seal_put(uint8_t *file, size_t n);

#endif
