/* SPDX-License-Identifier: MIT */
#include "command.h"
#include "plausible.h"
#include "progress.h"
#include "rundir.h"

#include "learn/train.h"

#include <inttypes.h>

static int train(struct mn_ctx *ctx, const struct nas_experiment *experiment, const char *dir) {
    CLEANUP(nas_state_fini) struct nas_state state = {0};
    TRY(nas_state_new(experiment, ctx, &state));
    TRY(progress_train(experiment, ctx, &state, dir, 0));
    return rundir_report(ctx, dir);
}

static void print_data(const struct mn_dataset_info *data) {
    static const char *const splits[] = {"training", "validation", "test"};
    fputs("data: ", stdout);
    for (int i = MN_TRAIN; i <= MN_TEST; i++) {
        printf("%s%s: %" PRId64 " class%s", i > MN_TRAIN ? "; " : "", splits[i], data->n_classes[i],
               data->n_classes[i] == 1 ? "" : "es");
        if (data->n_images[i] >= 0) {
            printf(", %" PRId64 " image%s", data->n_images[i], data->n_images[i] == 1 ? "" : "s");
        }
    }
    fputc('\n', stdout);
}

struct train_flags {
    const char *out;
};

static int run_train(struct mn_ctx *ctx, const struct arguments *arguments) {
    const struct train_flags *flags = arguments->flags;
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    CLEANUP(nas_experiment_close) struct nas_experiment experiment = {0};
    const char *dir;
    TRY(open_experiment(ctx, arguments, arguments->operand, NULL, &experiment));
    TRY(plausible_check(&experiment, ctx));
    TRY(rundir_make(ctx, &arena, flags->out, experiment.run.name, &dir));
    if (nas_ctx_of(ctx)->log_level >= MN_LOG_INFO) {
        printf("run directory %s\n", dir);
        print_data(&experiment.data);
        fflush(stdout);
    }
    return rundir_goes_on(ctx, dir, train(ctx, &experiment, dir));
}

static int config_of(struct mn_ctx *ctx, struct nas_arena *arena, const struct arguments *arguments,
                     const char **out) {
    *out = arguments->operand;
    return MN_OK;
}

#define F struct train_flags
static const struct mn_opt flags[] = {
    FLAG_TEXT(F, out, "-o, --out", "DIR",
              "run directory (default: runs/NAME-N, the next that is free)"),
};

const struct command command_train = {
    .name = "train",
    .operand = "CONFIG",
    .doc = "meta-train as the configuration says, into a new run directory",
    .more =
        "SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU save a checkpoint and end with exit "
        "code\n75; 'metanas resume' goes on from there. A second SIGINT or SIGTERM leaves at "
        "once.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct train_flags),
    .set_value = "KEY=VALUE",
    .set_doc = "override an option: --set run.seed=2 (may repeat)",
    .run = run_train,
    .config = config_of,
};
