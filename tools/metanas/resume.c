/* SPDX-License-Identifier: MIT */
#include "command.h"
#include "progress.h"
#include "rundir.h"

#include "base/text.h"
#include "learn/config_diff.h"
#include "learn/train.h"
#include "store/checkpoint_store.h"

#include <string.h>

/* Anything else would make a run whose configuration does not tell how it came about. */
static int check_sets(struct mn_ctx *ctx, const struct texts *sets) {
    char known[256] = "";
    for (const char *const *key = nas_config_may_change; *key != NULL; key++) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", *key);
    }
    for (int i = 0; i < sets->n; i++) {
        const size_t length = strcspn(sets->at[i], "=");
        if (!nas_config_is_one_of(sets->at[i], length, nas_config_may_change)) {
            return mn_fail(ctx, MN_CONFIG,
                           "argument %d: %.*s cannot change when a run is resumed; only %s can",
                           sets->argument[i], (int)length, sets->at[i], known);
        }
    }
    return MN_OK;
}

struct resume_flags {
    bool accept_changes;
};

static int go_on(struct mn_ctx *ctx, const struct arguments *arguments) {
    const struct resume_flags *flags = arguments->flags;
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    CLEANUP(nas_experiment_close) struct nas_experiment experiment = {0};
    CLEANUP(nas_state_fini) struct nas_state state = {0};
    const char *dir = arguments->operand, *config;
    TRY(rundir_check(ctx, dir));
    TRY(check_sets(ctx, &arguments->sets));
    TRY(rundir_file(ctx, &arena, dir, "config.resolved.yaml", &config));
    TRY(open_experiment(ctx, arguments, config, NULL, &experiment));
    TRY(nas_state_resume(&experiment, ctx, dir, &state));
    state.accept_changes = flags->accept_changes;
    if (!nas_train_finished(&experiment, &state)) {
        TRY(progress_train(&experiment, ctx, &state, dir, 0));
    } else if (nas_ctx_of(ctx)->log_level >= MN_LOG_INFO) {
        printf("%s%lld meta-epoch%s done; --set run.meta_epochs=N adds more\n",
               state.meta_epoch == 1 ? "the " : "all ", (long long)state.meta_epoch,
               state.meta_epoch == 1 ? " is" : "s are");
    }
    return rundir_report(ctx, dir);
}

static int run_resume(struct mn_ctx *ctx, const struct arguments *arguments) {
    return rundir_goes_on(ctx, arguments->operand, go_on(ctx, arguments));
}

#define F struct resume_flags
static const struct mn_opt flags[] = {
    FLAG_SWITCH(F, accept_changes, "--accept-changes",
                "go on although configuration, plugins or data have changed since"),
};

const struct command command_resume = {
    .name = "resume",
    .operand = "RUN",
    .doc = "go on with a run from its last checkpoint",
    .more =
        "The run ends with the same bits as one that was never interrupted. A damaged checkpoint\n"
        "is warned of, and the one before it taken.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct resume_flags),
    .set_value = "KEY=VALUE",
    .set_doc = "change what no result hangs on, like run.workers, or run.meta_epochs",
    .run = run_resume,
    .config = rundir_config,
    .holds = rundir_holds,
};
