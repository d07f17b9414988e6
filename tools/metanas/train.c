/* SPDX-License-Identifier: MIT */
#include "command.h"
#include "rundir.h"

#include "run/metatrain.h"
#include "run/sense.h"

#include <inttypes.h>

static int train(struct mn_cx *cx, const struct mn__experiment *experiment, const char *dir) {
    struct mn__state state = {0};
    int status = mn__state_new(experiment, cx, &state);
    if (status == MN_OK) {
        status = mn__metatrain(experiment, cx, &state, dir);
    }
    if (status == MN_OK) {
        status = rundir_report(cx, dir);
    }
    mn__state_fini(&state);
    return status;
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

static int run_train(struct mn_cx *cx, const struct arguments *arguments) {
    struct mn__experiment experiment = {0};
    struct mn__arena arena = {0};
    const char *dir = NULL;
    int status = open_experiment(cx, arguments, arguments->operand, NULL, &experiment);
    if (status == MN_OK) {
        status = mn__sense_check(&experiment, cx);
    }
    if (status == MN_OK) {
        status = rundir_make(cx, &arena, arguments->out, experiment.run.name, &dir);
    }
    if (status == MN_OK) {
        if (mn__cx_of(cx)->quiet >= MN_LOG_INFO) {
            printf("run directory %s\n", dir);
            print_data(&experiment.data);
            fflush(stdout);
        }
        status = rundir_goes_on(cx, dir, train(cx, &experiment, dir));
    }
    mn__experiment_close(&experiment);
    mn__arena_fini(&arena);
    return status;
}

static int config_of(struct mn_cx *cx, struct mn__arena *arena, const struct arguments *arguments,
                     const char **out) {
    *out = arguments->operand;
    return MN_OK;
}

static const struct flag flags[] = {
    {"set", "KEY=VALUE", "override an option: --set run.seed=2 (may repeat)",
     offsetof(struct arguments, sets), FLAG_TEXTS, 0},
    {"out", "DIR", "run directory (default: runs/NAME-N, the next that is free)",
     offsetof(struct arguments, out), FLAG_TEXT, 'o'},
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
    .run = run_train,
    .config = config_of,
};
