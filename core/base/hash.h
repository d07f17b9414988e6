/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_HASH_H
#define NAS_BASE_HASH_H

/* FNV-1a in 64 bits: tells changes of data apart, not attacks. Numbers enter in little-endian byte
 * order, so that a hash means the same on every machine. */

#include <stddef.h>
#include <stdint.h>

enum { NAS_HASH_DIGITS = 16 }; /* hexadecimal */

static inline uint64_t nas_hash_begin(void) {
    return 0xcbf29ce484222325u;
}

static inline uint64_t nas_hash_bytes(uint64_t hash, const void *data, size_t length) {
    const unsigned char *at = data;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3u;
    }
    return hash;
}

static inline uint64_t nas_hash_int(uint64_t hash, uint64_t value) {
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i));
    }
    return nas_hash_bytes(hash, bytes, sizeof bytes);
}

#endif
