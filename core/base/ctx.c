/* SPDX-License-Identifier: MIT */
#include "base/ctx.h"

#include "base/hash.h"
#include "base/text.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static atomic_int cancel_signal;

/* ---- services ----------------------------------------------------------------------------- */

int nas_service_fail(struct mn_ctx *ctx, int status, const char *format, va_list args) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    if (c->status != MN_OK) {
        return c->status;
    }
    c->status = status < 0 ? status : MN_INTERNAL;
    vsnprintf(c->message, sizeof c->message, format, args);
    nas_text_clean(c->message);
    return c->status;
}

int nas_warning_repeated(const char *warning) {
    enum { MOST = 1024 };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t said[MOST];
    static int n;
    const uint64_t hash = nas_hash_bytes(nas_hash_begin(), warning, strlen(warning));
    int before = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n && !before; i++) {
        before = said[i] == hash;
    }
    if (!before && n < MOST) {
        said[n++] = hash;
    }
    pthread_mutex_unlock(&lock);
    return before;
}

_Atomic int nas_progress_shown;

void nas_service_log(struct mn_ctx *ctx, int level, const char *format, va_list args) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    char line[NAS_MESSAGE];
    if (level > c->log_level) {
        return;
    }
    snprintf(line, sizeof line / 4, "metanas: %s%s", c->label != NULL ? c->label : "",
             c->label != NULL ? ": " : "");
    const size_t n = strlen(line);
    vsnprintf(line + n, sizeof line - n - 1, format, args);
    const size_t length = strlen(nas_text_clean(line));
    if (level == MN_LOG_WARN && nas_warning_repeated(line)) {
        return;
    }
    line[length] = '\n';
    /* one call, so that lines of threads do not mix */
    fprintf(stderr, "%s%.*s", nas_progress_shown ? "\r\033[K" : "", (int)length + 1, line);
}

int nas_service_cancelled(struct mn_ctx *ctx) {
    return nas_cancel_signal() != 0;
}

void *nas_service_scratch(struct mn_ctx *ctx, size_t bytes) {
    void *at = nas_arena_take(&nas_ctx_of(ctx)->scratch, bytes);
    if (at == NULL) {
        mn_fail(ctx, MN_NOMEM, "no memory for %zu bytes of scratch", bytes);
    }
    return at;
}

/* ---- contexts ----------------------------------------------------------------------------- */

void nas_ctx_init(struct nas_ctx *ctx, const struct mn_host *host) {
    static const struct mn_host least = {.size = sizeof least,
                                         .abi_major = MN_ABI_MAJOR,
                                         .abi_minor = MN_ABI_MINOR,
                                         .fail = nas_service_fail,
                                         .log = nas_service_log,
                                         .cancelled = nas_service_cancelled,
                                         .scratch = nas_service_scratch};
    memset(ctx, 0, sizeof *ctx);
    ctx->pub.size = sizeof ctx->pub;
    ctx->pub.host = host != NULL ? host : &least;
    ctx->pub.where.size = sizeof ctx->pub.where;
    ctx->log_level = MN_LOG_INFO;
}

void nas_ctx_fini(struct nas_ctx *ctx) {
    nas_arena_fini(&ctx->scratch);
}

const char *nas_ctx_message(const struct mn_ctx *ctx) {
    return ((const struct nas_ctx *)ctx)->message;
}

void nas_ctx_clear(struct mn_ctx *ctx) {
    nas_ctx_of(ctx)->message[0] = '\0';
    nas_ctx_of(ctx)->status = MN_OK;
    nas_ctx_of(ctx)->named = NULL;
}

int nas_ctx_where(struct mn_ctx *ctx, const char *format, ...) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    char place[NAS_MESSAGE / 2];
    va_list args;
    if (c->status == MN_OK) {
        return MN_OK;
    }
    va_start(args, format);
    vsnprintf(place, sizeof place, format, args);
    va_end(args);
    const size_t n = strlen(nas_text_clean(place)), room = sizeof c->message - n - 3;
    size_t length = strlen(c->message);
    length = length < room ? length : room;
    memmove(c->message + n + 2, c->message, length);
    c->message[n + 2 + length] = '\0';
    memcpy(c->message, place, n);
    memcpy(c->message + n, ": ", 2);
    return c->status;
}

int nas_ctx_more(struct mn_ctx *ctx, int status, const char *format, ...) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    const size_t length = strlen(c->message);
    va_list args;
    va_start(args, format);
    vsnprintf(c->message + length, sizeof c->message - length, format, args);
    va_end(args);
    nas_text_clean(c->message);
    c->status = status;
    return status;
}

int nas_ctx_result(struct mn_ctx *ctx, const char *label, size_t mark, int status) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    nas_arena_release(&c->scratch, mark);
    if (status == MN_OK) {
        nas_ctx_clear(ctx); /* a failure recorded on the way was dealt with by the unit itself */
        return MN_OK;
    }
    /* What the call left out: a message, or a status that exists. */
    const int known = status < MN_OK && status >= MN_INTERNAL;
    const size_t length = strlen(c->message);
    if (!known) {
        snprintf(c->message + length, sizeof c->message - length,
                 "%s%d was returned, which is no status; this is an error of the plugin",
                 length > 0 ? "; " : "", status);
    } else if (length == 0 && status == MN_CANCELLED) {
        snprintf(c->message, sizeof c->message, "stopped on request");
    } else if (length == 0) {
        snprintf(c->message, sizeof c->message,
                 "failed with status %d and no message; this is an error of the plugin", status);
    }
    c->status = known ? status : MN_INTERNAL;
    if (c->named != label) {
        nas_ctx_where(ctx, "%s", label);
        c->named = label;
    }
    return c->status;
}

/* ---- cancellation ------------------------------------------------------------------------- */

void nas_cancel(int signal_number) {
    atomic_store(&cancel_signal, signal_number);
}

int nas_cancel_signal(void) {
    return atomic_load(&cancel_signal);
}

void nas_cancel_reset(void) {
    atomic_store(&cancel_signal, 0);
}

int nas_exit_code(int status) {
    switch (status) {
    case MN_OK:
        return 0;
    case MN_CONFIG:
        return 2;
    case MN_IO:
        return 3;
    case MN_NUMERIC:
        return 4;
    case MN_NOMEM:
        return 5;
    case MN_UNSUPPORTED:
        return 6;
    case MN_CANCELLED:
        return 75;
    default:
        return 1;
    }
}
