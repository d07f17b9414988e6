/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_ARENA_H
#define NAS_BASE_ARENA_H

/* A bump allocator of 64-byte aligned blocks with marks. Blocks are kept for reuse after a release,
 * so a loop that repeats itself stops allocating. Not thread-safe. */

#include <stddef.h>
#include <stdint.h>

struct nas_arena_block;

struct nas_arena {
    struct nas_arena_block *first, *current;
    size_t used; /* bytes in all blocks before current plus in current: the mark */
    int failed;  /* some memory could not be had: many are asked for, then this is looked at once */
};

/* A zeroed arena is empty and ready. `fini` gives all memory back. */
void nas_arena_fini(struct nas_arena *arena);

/* `bytes` (0 gives a valid pointer), 64-byte aligned, not cleared; NULL = no memory. */
void *nas_arena_take(struct nas_arena *arena, size_t bytes);
void *nas_arena_zeroed(struct nas_arena *arena, size_t bytes);
/* count * size with overflow checked. */
void *nas_arena_array(struct nas_arena *arena, size_t count, size_t size);
/* Room for one more of `size` bytes, zeroed, in an array of n that was grown in this way (n = 0:
 * any). */
void *nas_arena_append(struct nas_arena *arena, void *array, int64_t n, size_t size);
char *nas_arena_text(struct nas_arena *arena, const char *text);
__attribute__((format(printf, 2, 3))) char *nas_arena_format(struct nas_arena *arena,
                                                             const char *format, ...);

/* A copy of a path, in which a leading ~ is the home folder (HOME), as a shell writes it. */
char *nas_arena_path(struct nas_arena *arena, const char *path);

/* Everything taken after the mark is given up. */
size_t nas_arena_mark(const struct nas_arena *arena);
void nas_arena_release(struct nas_arena *arena, size_t mark);

/* Heap blocks taken from the system since the program began, for the test that counts them. */
uint64_t nas_arena_system_calls(void);

#endif
