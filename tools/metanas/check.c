/* SPDX-License-Identifier: MIT */
#include "check.h"

#include "base/install_paths.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

int run_check(struct mn_ctx *ctx, const struct arguments *arguments) {
    const char *name = sizeof(mn_real) == 4 ? "metanas-check" : "metanas-check-f64";
    char path[PATH_MAX];
    if (!nas_install_program(name, path, sizeof path)) {
        return mn_fail(ctx, MN_IO, "check: the path of %s, beside metanas, is too long", name);
    }
    char **words = arguments->words + 1; /* "metanas check ..." is "metanas-check ..." */
    words[0] = path;
    fflush(NULL);
    execv(path, words);
    return mn_fail(ctx, MN_IO,
                   "check: cannot start %s: %s; it is installed together with metanas: install "
                   "both again",
                   path, strerror(errno));
}
