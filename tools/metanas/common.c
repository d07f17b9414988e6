/* SPDX-License-Identifier: MIT */
#include "command.h"

#include "base/text.h"

#include <string.h>

int no_memory(struct mn_ctx *ctx) {
    return mn_fail(ctx, MN_NOMEM, "no memory");
}

const char *const *plugin_folders(const struct arguments *arguments) {
    return arguments->plugin_dirs.n > 0 ? arguments->plugin_dirs.at : NULL;
}

int open_experiment(struct mn_ctx *ctx, const struct arguments *arguments, const char *config,
                    const struct nas_open *more, struct nas_experiment *out) {
    struct nas_open open = more != NULL ? *more : (struct nas_open){0};
    open.config = config;
    open.sets = arguments->sets.at;
    open.set_arguments = arguments->sets.argument;
    open.plugin_dirs = plugin_folders(arguments);
    open.cluster = arguments->cluster;
    return nas_experiment_open(out, ctx, &open);
}

int parse_shape(struct mn_ctx *ctx, const char *command, const char *text, int shape[3]) {
    const char *at = text;
    for (int d = 0; d < 3; d++) {
        char number[16];
        int64_t value;
        const size_t n = strcspn(at, ",");
        snprintf(number, sizeof number, "%.*s", (int)n, at);
        if (n >= sizeof number || !nas_text_int(number, &value) || value < 1 || value > 100000 ||
            (at[n] == ',') != (d < 2)) {
            return mn_fail(ctx, MN_CONFIG, "%s: --shape is '%s'; expected C,H,W, like 1,28,28",
                           command, text);
        }
        shape[d] = (int)value;
        at += n + (d < 2);
    }
    return MN_OK;
}

void set_batch_norm(int32_t mode, struct arguments *arguments) {
    if (mode >= 0) {
        arguments->sets.at[arguments->sets.n++] = mode == NAS_SUPPORT
                                                      ? "evaluation.batch_norm=support"
                                                      : "evaluation.batch_norm=transductive";
    }
}
