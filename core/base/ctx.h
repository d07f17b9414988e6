/* SPDX-License-Identifier: MIT */
#ifndef NAS_BASE_CTX_H
#define NAS_BASE_CTX_H

/* The host's side of a context: message, scratch memory, cancellation, log. One for each thread.
 * Core functions that can fail take a struct mn_ctx, record one message with mn_fail and return its
 * status. */

#include "base/arena.h"
#include "base/try.h"
#include "metanas/plugin.h"

#include <stdbool.h>
#include <stdio.h>

enum { NAS_MESSAGE = 2048 };

struct nas_workspace;
struct nas_scope;
struct nas_instance;
struct nas_folder;

struct nas_ctx {
    struct mn_ctx pub; /* first: a struct mn_ctx * is cast to this */
    char message[NAS_MESSAGE];
    int status;        /* of the recorded message; MN_OK = none */
    const char *named; /* the unit that the message names already, or NULL */
    struct nas_arena scratch;
    const struct nas_instance *unit; /* whose function runs, or NULL */
    const char *label;               /* of it: names log lines */
    const struct mn_host *services;  /* of the outermost unit that runs */
    struct nas_workspace *workspace; /* for model passes; NULL = none on this thread */
    struct nas_scope *scope;         /* what plugins work on (learn/task.h), or NULL */
    int log_level;                   /* highest log level printed */
    const struct nas_folder *folder; /* this process has it locked (base/folder.h), or NULL */
    int resumable;                   /* what a signal stopped can go on: a run was saved */
};

/* Make a context ready for calls into plugins that find these services (learn/host.h); `host` NULL
 * = errors, log, cancellation and scratch memory alone. `fini` takes a zeroed or ready context. */
void nas_ctx_init(struct nas_ctx *ctx, const struct mn_host *host);
void nas_ctx_fini(struct nas_ctx *ctx);

static inline struct nas_ctx *nas_ctx_of(struct mn_ctx *ctx) {
    return (struct nas_ctx *)ctx;
}

/* For CLEANUP: what is taken of ctx's scratch from here on is released at the end of the block.
 *     CLEANUP(nas_scratch_end) struct nas_scratch here = nas_scratch_begin(ctx); */
struct nas_scratch {
    struct nas_arena *arena;
    size_t mark;
};
static inline struct nas_scratch nas_scratch_begin(struct mn_ctx *ctx) {
    struct nas_arena *arena = &nas_ctx_of(ctx)->scratch;
    return (struct nas_scratch){arena, nas_arena_mark(arena)};
}
static inline void nas_scratch_end(struct nas_scratch *scratch) {
    nas_arena_release(scratch->arena, scratch->mark);
}

/* The recorded message ("" = none), its status, and forgetting both. */
const char *nas_ctx_message(const struct mn_ctx *ctx);
void nas_ctx_clear(struct mn_ctx *ctx);

/* Put "context: " before the recorded message: where a failure happened. Returns the status. */
MN_PRINTF(2, 3) int nas_ctx_where(struct mn_ctx *ctx, const char *format, ...);

/* Add to the recorded message of a failure with `status`, which is returned. */
MN_PRINTF(3, 4) int nas_ctx_more(struct mn_ctx *ctx, int status, const char *format, ...);

/* The status of a plugin's call, checked: a positive or unknown value, or a failure without a
 * message, becomes a message that names the unit. Messages get "LABEL: " in front. Releases the
 * scratch that the call took. */
int nas_ctx_result(struct mn_ctx *ctx, const char *label, size_t mark, int status);

/* Whether this process has printed the warning before; from now on it has. The first 1024 are
 * remembered. */
int nas_warning_repeated(const char *warning);

/* Whether a line of progress, which has no end yet, stands on the terminal of standard error. Lines
 * of the log clear it; it is drawn again with the next progress. */
extern _Atomic int nas_progress_shown;

/* Cancellation: set by a signal handler (async-signal-safe), read by mn_cancelled. */
void nas_cancel(int signal_number);
int nas_cancel_signal(void); /* 0 = none */
void nas_cancel_reset(void);

/* Services of struct mn_host. */
int nas_service_fail(struct mn_ctx *ctx, int status, const char *format, va_list args);
void nas_service_log(struct mn_ctx *ctx, int level, const char *format, va_list args);
int nas_service_cancelled(struct mn_ctx *ctx);
void *nas_service_scratch(struct mn_ctx *ctx, size_t bytes);

/* Exit code of the program for a status (docs/guide.md): 0 ok, 1 internal, 2 usage or
 * configuration, 3 input or output, 4 numeric, 5 out of memory, 6 unsupported, 75 cancelled where
 * something can go on. */
int nas_exit_code(int status);

#endif
