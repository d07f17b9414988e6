/* SPDX-License-Identifier: MIT */
#include "starve.h"

#include "base/arena.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 4096 };
enum mode { OFF, RECORD, FAIL };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum mode mode;
static int n_places, wanted, calls_left, failed;
static struct {
    const void *caller; /* the address that it returns to */
    int calls;
} places[MOST];

void starve_record(void) {
    for (int i = 0; i < n_places; i++) {
        places[i].calls = 0;
    }
    mode = RECORD;
}

void starve_at(int place, int turn) {
    wanted = place;
    calls_left = turn;
    failed = 0;
    mode = FAIL;
}

int starve_stop(void) {
    mode = OFF;
    return failed;
}

int starve_places(void) {
    return n_places;
}

int starve_calls(int place) {
    return places[place].calls;
}

unsigned long starve_address(int place) {
    Dl_info about;
    return dladdr(places[place].caller, &about) == 0
               ? 0
               : (unsigned long)((const char *)places[place].caller -
                                 (const char *)about.dli_fbase);
}

static void note(const void *caller) {
    int i = 0;
    while (i < n_places && places[i].caller != caller) {
        i++;
    }
    if (i == n_places && n_places < MOST) {
        places[n_places++].caller = caller;
    }
    places[i < MOST ? i : MOST - 1].calls++;
}

/* Whether this call is the one to fail. */
static int refuse(const void *caller) {
    int refused = 0;
    if (mode == OFF) {
        return 0;
    }
    pthread_mutex_lock(&lock);
    if (mode == RECORD) {
        note(caller);
    } else if (mode == FAIL && places[wanted].caller == caller && calls_left > 0) {
        refused = --calls_left == 0;
        failed |= refused;
    }
    pthread_mutex_unlock(&lock);
    return refused;
}

#define CALLER __builtin_return_address(0)

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *at, size_t bytes);
void *__real_nas_arena_take(struct nas_arena *arena, size_t bytes);
void *__real_nas_arena_zeroed(struct nas_arena *arena, size_t bytes);
void *__real_nas_arena_array(struct nas_arena *arena, size_t count, size_t size);
char *__real_nas_arena_text(struct nas_arena *arena, const char *text);

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *at, size_t bytes);
void *__wrap_nas_arena_take(struct nas_arena *arena, size_t bytes);
void *__wrap_nas_arena_zeroed(struct nas_arena *arena, size_t bytes);
void *__wrap_nas_arena_array(struct nas_arena *arena, size_t count, size_t size);
char *__wrap_nas_arena_text(struct nas_arena *arena, const char *text);
__attribute__((format(printf, 2, 3))) char *__wrap_nas_arena_format(struct nas_arena *arena,
                                                                    const char *format, ...);

void *__wrap_malloc(size_t bytes) {
    return refuse(CALLER) ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t bytes) {
    return refuse(CALLER) ? NULL : __real_calloc(n, bytes);
}

void *__wrap_realloc(void *at, size_t bytes) {
    return refuse(CALLER) ? NULL : __real_realloc(at, bytes);
}

/* As an arena that can get no memory. */
static void *no_room(struct nas_arena *arena) {
    arena->failed = 1;
    return NULL;
}

void *__wrap_nas_arena_take(struct nas_arena *arena, size_t bytes) {
    return refuse(CALLER) ? no_room(arena) : __real_nas_arena_take(arena, bytes);
}

void *__wrap_nas_arena_zeroed(struct nas_arena *arena, size_t bytes) {
    return refuse(CALLER) ? no_room(arena) : __real_nas_arena_zeroed(arena, bytes);
}

void *__wrap_nas_arena_array(struct nas_arena *arena, size_t count, size_t size) {
    return refuse(CALLER) ? no_room(arena) : __real_nas_arena_array(arena, count, size);
}

char *__wrap_nas_arena_text(struct nas_arena *arena, const char *text) {
    return refuse(CALLER) ? no_room(arena) : __real_nas_arena_text(arena, text);
}

char *__wrap_nas_arena_format(struct nas_arena *arena, const char *format, ...) {
    char text[65536];
    if (refuse(CALLER)) {
        return no_room(arena);
    }
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text) {
        fprintf(stderr, "starve: a text of %d bytes\n", n);
        abort();
    }
    return __real_nas_arena_text(arena, text);
}
