/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64, FIRST_BLOCK = 1 << 16 };

/* The address sanitizer learns what of a block is handed out, and so sees a use of the rest. */
#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

struct nas_arena_block {
    struct nas_arena_block *next;
    size_t size;   /* usable bytes */
    size_t before; /* bytes of the blocks before this one: makes marks plain numbers */
    char pad[ALIGN - sizeof(void *) - 2 * sizeof(size_t)];
};

static atomic_uint_fast64_t system_calls;

static char *data_of(struct nas_arena_block *block) {
    return (char *)block + sizeof *block;
}

static struct nas_arena_block *block_new(size_t size, size_t before) {
    const size_t usable = size < FIRST_BLOCK ? FIRST_BLOCK : (size + ALIGN - 1) / ALIGN * ALIGN;
    if (usable < size || usable > SIZE_MAX / 2) {
        return NULL;
    }
    struct nas_arena_block *block = aligned_alloc(ALIGN, sizeof *block + usable);
    if (block != NULL) {
        atomic_fetch_add(&system_calls, 1);
        block->next = NULL;
        block->size = usable;
        block->before = before;
        ASAN_POISON_MEMORY_REGION(data_of(block), usable);
    }
    return block;
}

uint64_t nas_arena_system_calls(void) {
    return atomic_load(&system_calls);
}

void nas_arena_fini(struct nas_arena *arena) {
    struct nas_arena_block *block = arena->first;
    while (block != NULL) {
        struct nas_arena_block *next = block->next;
        free(block);
        block = next;
    }
    *arena = (struct nas_arena){0};
}

/* Move on to a block that holds `bytes`: the next kept one, or a new one in its place when that is
 * too small. */
static struct nas_arena_block *advance(struct nas_arena *arena, size_t bytes) {
    struct nas_arena_block *current = arena->current;
    const size_t before = current == NULL ? 0 : current->before + current->size;
    struct nas_arena_block *next = current == NULL ? arena->first : current->next;
    if (next != NULL && next->size >= bytes) {
        return next;
    }
    struct nas_arena_block *block = block_new(bytes, before);
    if (block == NULL) {
        return NULL;
    }
    while (next != NULL) {
        struct nas_arena_block *after = next->next;
        free(next);
        next = after;
    }
    if (current == NULL) {
        arena->first = block;
    } else {
        current->next = block;
    }
    return block;
}

void *nas_arena_take(struct nas_arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX / 4) {
        arena->failed = 1;
        return NULL;
    }
    const size_t rounded = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    struct nas_arena_block *block = arena->current;
    if (block == NULL || arena->used - block->before + rounded > block->size) {
        block = advance(arena, rounded);
        if (block == NULL) {
            arena->failed = 1;
            return NULL;
        }
        arena->current = block;
        arena->used = block->before;
    }
    void *at = data_of(block) + (arena->used - block->before);
    arena->used += rounded;
    ASAN_UNPOISON_MEMORY_REGION(at, bytes);
    return at;
}

void *nas_arena_zeroed(struct nas_arena *arena, size_t bytes) {
    void *at = nas_arena_take(arena, bytes);
    if (at != NULL && bytes > 0) {
        memset(at, 0, bytes);
    }
    return at;
}

void *nas_arena_array(struct nas_arena *arena, size_t count, size_t size) {
    return nas_arena_take(arena,
                          size != 0 && count > SIZE_MAX / 4 / size ? SIZE_MAX : count * size);
}

void *nas_arena_append(struct nas_arena *arena, void *array, int64_t n, size_t size) {
    if (n == 0 || (n & (n - 1)) == 0) {
        void *bigger = nas_arena_array(arena, (size_t)(n > 0 ? 2 * n : 1), size);
        if (bigger == NULL) {
            return NULL;
        }
        if (n > 0) {
            memcpy(bigger, array, (size_t)n * size);
        }
        array = bigger;
    }
    memset((char *)array + (size_t)n * size, 0, size);
    return array;
}

char *nas_arena_text(struct nas_arena *arena, const char *text) {
    const size_t length = strlen(text) + 1;
    char *copy = nas_arena_take(arena, length);
    return copy == NULL ? NULL : memcpy(copy, text, length);
}

char *nas_arena_format(struct nas_arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : nas_arena_take(arena, (size_t)length + 1);
    if (text != NULL) {
        vsnprintf(text, (size_t)length + 1, format, again);
    }
    va_end(again);
    va_end(args);
    return text;
}

char *nas_arena_path(struct nas_arena *arena, const char *path) {
    const char *home =
        path[0] == '~' && (path[1] == '/' || path[1] == '\0') ? getenv("HOME") : NULL;
    return home != NULL && home[0] != '\0' ? nas_arena_format(arena, "%s%s", home, path + 1)
                                           : nas_arena_text(arena, path);
}

size_t nas_arena_mark(const struct nas_arena *arena) {
    return arena->used;
}

/* Nothing from arena->used on is handed out. */
static void forbid_rest(const struct nas_arena *arena) {
    struct nas_arena_block *block = arena->current;
    size_t used = arena->used - block->before;
    for (; block != NULL; block = block->next, used = 0) {
        ASAN_POISON_MEMORY_REGION(data_of(block) + used, block->size - used);
    }
}

void nas_arena_release(struct nas_arena *arena, size_t mark) {
    struct nas_arena_block *block = arena->first;
    while (block != NULL && block->next != NULL && block != arena->current &&
           mark > block->before + block->size) {
        block = block->next;
    }
    if (block != NULL) {
        arena->current = block;
        arena->used = mark < block->before ? block->before : mark;
        forbid_rest(arena);
    }
}
