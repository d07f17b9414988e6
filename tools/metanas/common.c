/* SPDX-License-Identifier: MIT */
#include "command.h"

int no_memory(struct mn_cx *cx) {
    return mn_fail(cx, MN_NOMEM, "no memory");
}

int open_experiment(struct mn_cx *cx, const struct arguments *arguments, const char *config,
                    const struct mn__open *more, struct mn__experiment *out) {
    struct mn__open open = more != NULL ? *more : (struct mn__open){0};
    open.config = config;
    open.sets = arguments->sets.at;
    open.set_arguments = arguments->sets.argument;
    open.plugin_dirs = arguments->plugin_dirs.n > 0 ? arguments->plugin_dirs.at : NULL;
    return mn__experiment_open(out, cx, &open);
}
