/* SPDX-License-Identifier: MIT */
#ifndef KIT_GLOBALS_H
#define KIT_GLOBALS_H

/* State of the process that a plugin shares with everything else and must leave alone. */

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

enum { KIT_SIGNALS = 64 };

struct kit_globals {
    char locale[512];
    char directory[4096];
    int rounding, traps, flushes; /* floating point: direction, enabled traps, denormals lost */
    sigset_t blocked;
    void (*handlers[KIT_SIGNALS + 1])(int);
    mode_t umask;
    uint64_t environment; /* hash */
};

void kit_globals_take(struct kit_globals *out);
/* Fails, naming what changed, unless the state is as it was. */
void kit_globals_check(const struct kit_globals *before);

/* Open file descriptors and threads of the process; -1 = unknown. */
int kit_count_descriptors(void);
int kit_count_threads(void);
/* Bytes taken from malloc and not given back; -1 = this allocator does not tell. */
int64_t kit_count_heap(void);

#endif
