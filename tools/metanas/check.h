/* SPDX-License-Identifier: MIT */
#ifndef METANAS_CHECK_H
#define METANAS_CHECK_H

/* The command line of `metanas check`, which metanas passes on to the program metanas-check. */

#include "command.h"

struct check_flags {
    struct mn_texts only;
    bool list, json, in_process;
    int64_t seed, rounds, timeout;
    int64_t report; /* -1 = not given */
};

/* check.c: start metanas-check. In that program: tools/kit/main.c, check the plugin. */
int run_check(struct mn_ctx *ctx, const struct arguments *arguments);

#endif
