/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

/* Readers of foreign bytes. fuzz_NAME.c is the target NAME; with FUZZ_ALONE it is the entry
 * function of a libFuzzer program, without it one of those that the ordinary test replay.c reads
 * the files of corpus/NAME with. */

#include "base/ctx.h"

#include <stddef.h>
#include <stdint.h>

/* Read `data` as the target's format. Returns 0. Anything wrong ends the program: what a sanitizer
 * finds, and a broken fuzz_must. */
#ifdef FUZZ_ALONE
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#define FUZZ_TARGET(name) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
#else
#define FUZZ_TARGET(name)                                                                          \
    int fuzz_##name(const uint8_t *data, size_t size);                                             \
    int fuzz_##name(const uint8_t *data, size_t size)
#endif

/* Inputs that the format's reader took. */
extern long fuzz_accepted;

/* What must be true whatever the input. */
#define fuzz_must(condition)                                                                       \
    ((condition) ? (void)0 : fuzz_broken(#condition, NULL, __FILE__, __LINE__))
/* A reader either worked or left a message. */
#define fuzz_must_explain(ctx, status)                                                             \
    (((status) == MN_OK) == (nas_ctx_message(ctx)[0] == '\0')                                      \
         ? (void)0                                                                                 \
         : fuzz_broken("a message if and only if it failed", ctx, __FILE__, __LINE__))
_Noreturn void fuzz_broken(const char *what, const struct mn_ctx *ctx, const char *file, int line);

enum { FUZZ_FILES = 3 };
/* The path of a file with these bytes, in memory. One for each slot; a slot's file is replaced by
 * the next call. */
const char *fuzz_file(int slot, const void *data, size_t size);

/* The next piece of the input up to a zero byte, as text, which the caller frees. NULL = there is
 * none. */
char *fuzz_text(const uint8_t **data, size_t *size);

/* All of the input with a zero behind it, which the caller frees. */
char *fuzz_copy(const uint8_t *data, size_t size);

/* A context for one input that prints nothing; the core's services are installed. */
struct mn_ctx *fuzz_begin(struct nas_ctx *context);
void fuzz_end(struct nas_ctx *context);

#endif
