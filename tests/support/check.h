/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_CHECK_H
#define TESTS_SUPPORT_CHECK_H

/* cmocka, and what these tests ask again and again. The core's headers come first: a macro of
 * cmocka is called fail. */

#include "base/ctx.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define assert_close(got, expected, tolerance)                                                     \
    check_close((got), (expected), (tolerance), #got, __FILE__, __LINE__)

static inline void check_close(double got, double expected, double tolerance, const char *what,
                               const char *file, int line) {
    if (!(fabs(got - expected) <= tolerance * (1 + fabs(expected)))) {
        print_error("%s: %.17g, expected %.17g within %g\n", what, got, expected, tolerance);
        _fail(file, line);
    }
}

/* A call that failed with `status`, and whose message holds each of the texts (NULL-terminated). */
#define assert_failed(ctx, got, status, ...)                                                       \
    check_failed((ctx), (got), (status), (const char *const[]){__VA_ARGS__, NULL}, __FILE__,       \
                 __LINE__)

static inline void check_failed(struct mn_ctx *ctx, int got, int status, const char *const *texts,
                                const char *file, int line) {
    const char *message = nas_ctx_message(ctx);
    if (got != status) {
        print_error("status %d, expected %d; message: %s\n", got, status, message);
        _fail(file, line);
    }
    for (; *texts != NULL; texts++) {
        if (strstr(message, *texts) == NULL) {
            print_error("'%s' is not in the message: %s\n", *texts, message);
            _fail(file, line);
        }
    }
    nas_ctx_clear(ctx);
}

/* A call that worked. */
#define assert_ok(ctx, got) check_ok((ctx), (got), __FILE__, __LINE__)

static inline void check_ok(struct mn_ctx *ctx, int got, const char *file, int line) {
    if (got != MN_OK) {
        print_error("status %d: %s\n", got, nas_ctx_message(ctx));
        _fail(file, line);
    }
}

#endif
