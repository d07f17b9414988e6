/* SPDX-License-Identifier: MIT */
#ifndef MN__BASE_ARENA_H
#define MN__BASE_ARENA_H

/* A bump allocator of 64-byte aligned blocks with marks. Blocks are kept for reuse after a release,
 * so a loop that repeats itself stops allocating. Not thread-safe. */

#include <stddef.h>
#include <stdint.h>

struct mn__arena_block;

struct mn__arena {
    struct mn__arena_block *first, *current;
    size_t used; /* bytes in all blocks before current plus in current: the mark */
};

/* A zeroed arena is empty and ready. `fini` gives all memory back. */
void mn__arena_fini(struct mn__arena *arena);

/* `bytes` (0 gives a valid pointer), 64-byte aligned, not cleared; NULL = no memory. */
void *mn__arena_take(struct mn__arena *arena, size_t bytes);
void *mn__arena_zeroed(struct mn__arena *arena, size_t bytes);
/* count * size with overflow checked. */
void *mn__arena_array(struct mn__arena *arena, size_t count, size_t size);
char *mn__arena_text(struct mn__arena *arena, const char *text);
__attribute__((format(printf, 2, 3))) char *mn__arena_format(struct mn__arena *arena,
                                                             const char *format, ...);

/* A copy of a path, in which a leading ~ is the home folder (HOME), as a shell writes it. */
char *mn__arena_path(struct mn__arena *arena, const char *path);

/* Everything taken after the mark is given up. */
size_t mn__arena_mark(const struct mn__arena *arena);
void mn__arena_release(struct mn__arena *arena, size_t mark);

/* Heap blocks taken from the system since the program began, for the test that counts them. */
uint64_t mn__arena_system_calls(void);

#endif
