/* SPDX-License-Identifier: MIT */
#include "check.h"

#include "base/install_paths.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* A plugin built in double precision is checked in it. */
static int is_double(const struct arguments *arguments) {
    static const char end[] = "_f64.so";
    for (char **word = arguments->words + 1; *word != NULL; word++) {
        const size_t n = strlen(*word);
        if (n >= sizeof end && strcmp(*word + n - (sizeof end - 1), end) == 0) {
            return 1;
        }
    }
    return sizeof(mn_real) != 4;
}

int run_check(struct mn_ctx *ctx, const struct arguments *arguments) {
    const char *name = is_double(arguments) ? "metanas-check-f64" : "metanas-check";
    char path[PATH_MAX];
    if (!nas_install_program(name, path, sizeof path)) {
        return mn_fail(ctx, MN_IO, "check: the path of %s, beside metanas, is too long", name);
    }
    char **words = arguments->words + 1; /* "metanas check ..." is "metanas-check ..." */
    words[0] = path;
    fflush(NULL);
    execv(path, words);
    return mn_fail(ctx, MN_IO,
                   "check: cannot start %s: %s; it is installed together with metanas%s: install "
                   "both again",
                   path, strerror(errno),
                   is_double(arguments) ? " where that is built with -Ddouble=true" : "");
}
