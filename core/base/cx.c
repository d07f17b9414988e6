/* SPDX-License-Identifier: MIT */
#include "base/cx.h"

#include "base/hash.h"
#include "base/text.h"
#include "plugin/instance.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static struct mn_host host_table;
static atomic_int cancel_signal;

/* ---- services ----------------------------------------------------------------------------- */

static int service_fail(struct mn_cx *cx, int status, const char *format, va_list args) {
    struct mn__cx *c = mn__cx_of(cx);
    if (c->status != MN_OK) {
        return c->status;
    }
    c->status = status < 0 ? status : MN_INTERNAL;
    vsnprintf(c->message, sizeof c->message, format, args);
    mn__text_clean(c->message);
    return c->status;
}

int mn__said_before(const char *warning) {
    enum { MOST = 1024 };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t said[MOST];
    static int n;
    const uint64_t hash = mn__hash_bytes(mn__hash_begin(), warning, strlen(warning));
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

_Atomic int mn__line_stands;

static void service_log(struct mn_cx *cx, int level, const char *format, va_list args) {
    struct mn__cx *c = mn__cx_of(cx);
    char line[MN__MESSAGE];
    if (level > c->quiet) {
        return;
    }
    snprintf(line, sizeof line / 4, "metanas: %s%s", c->unit != NULL ? c->unit->label : "",
             c->unit != NULL ? ": " : "");
    const size_t n = strlen(line);
    vsnprintf(line + n, sizeof line - n - 1, format, args);
    const size_t length = strlen(mn__text_clean(line));
    if (level == MN_LOG_WARN && mn__said_before(line)) {
        return;
    }
    line[length] = '\n';
    /* one call, so that lines of threads do not mix */
    fprintf(stderr, "%s%.*s", mn__line_stands ? "\r\033[K" : "", (int)length + 1, line);
}

static int service_cancelled(struct mn_cx *cx) {
    return mn__cancel_signal() != 0;
}

static void *service_scratch(struct mn_cx *cx, size_t bytes) {
    void *at = mn__arena_take(&mn__cx_of(cx)->scratch, bytes);
    if (at == NULL) {
        mn_fail(cx, MN_NOMEM, "no memory for %zu bytes of scratch", bytes);
    }
    return at;
}

static mn_real *service_state(struct mn_cx *cx, const char *name, int64_t n) {
    mn_fail(cx, MN_INTERNAL, "mn_state(\"%s\") may only be called by a meta learner's start", name);
    return NULL;
}

struct mn_host *mn__host_table(void) {
    struct mn_host *t = &host_table;
    if (t->size == 0) {
        t->size = sizeof *t;
        t->abi_major = MN_ABI_MAJOR;
        t->abi_minor = MN_ABI_MINOR;
        t->fail = service_fail;
        t->log = service_log;
        t->cancelled = service_cancelled;
        t->scratch = service_scratch;
        t->state = service_state;
    }
    return t;
}

/* ---- contexts ----------------------------------------------------------------------------- */

void mn__cx_init(struct mn__cx *cx) {
    memset(cx, 0, sizeof *cx);
    cx->pub.size = sizeof cx->pub;
    cx->pub.host = mn__host_table();
    cx->pub.where.size = sizeof cx->pub.where;
    cx->quiet = MN_LOG_INFO;
}

void mn__cx_fini(struct mn__cx *cx) {
    mn__arena_fini(&cx->scratch);
}

const char *mn__cx_message(const struct mn_cx *cx) {
    return ((const struct mn__cx *)cx)->message;
}

void mn__cx_clear(struct mn_cx *cx) {
    mn__cx_of(cx)->message[0] = '\0';
    mn__cx_of(cx)->status = MN_OK;
}

int mn__cx_where(struct mn_cx *cx, const char *format, ...) {
    struct mn__cx *c = mn__cx_of(cx);
    char place[MN__MESSAGE / 4];
    va_list args;
    if (c->status == MN_OK) {
        return MN_OK;
    }
    va_start(args, format);
    vsnprintf(place, sizeof place, format, args);
    va_end(args);
    const size_t n = strlen(mn__text_clean(place)), room = sizeof c->message - n - 3;
    size_t length = strlen(c->message);
    length = length < room ? length : room;
    memmove(c->message + n + 2, c->message, length);
    c->message[n + 2 + length] = '\0';
    memcpy(c->message, place, n);
    memcpy(c->message + n, ": ", 2);
    return c->status;
}

int mn__cx_more(struct mn_cx *cx, int status, const char *format, ...) {
    struct mn__cx *c = mn__cx_of(cx);
    const size_t length = strlen(c->message);
    va_list args;
    va_start(args, format);
    vsnprintf(c->message + length, sizeof c->message - length, format, args);
    va_end(args);
    mn__text_clean(c->message);
    c->status = status;
    return status;
}

/* What a failed call left out: a message, or a status that exists. */
static void complete(struct mn__cx *c, int status) {
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
}

int mn__cx_result(struct mn_cx *cx, const struct mn__instance *unit, size_t mark, int status) {
    struct mn__cx *c = mn__cx_of(cx);
    mn__arena_release(&c->scratch, mark);
    if (status == MN_OK) {
        mn__cx_clear(cx); /* a failure recorded on the way was dealt with by the unit itself */
        return MN_OK;
    }
    complete(c, status);
    /* mn_bad_option's messages begin with the place and name the unit after it. */
    return strstr(c->message, unit->label) != NULL ? c->status
                                                   : mn__cx_where(cx, "%s", unit->label);
}

/* ---- cancellation ------------------------------------------------------------------------- */

void mn__cancel(int signal_number) {
    atomic_store(&cancel_signal, signal_number);
}

int mn__cancel_signal(void) {
    return atomic_load(&cancel_signal);
}

void mn__cancel_reset(void) {
    atomic_store(&cancel_signal, 0);
}

int mn__exit_code(int status) {
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
