/* SPDX-License-Identifier: MIT */
#include "command.h"
#include "rundir.h"

#include "base/text.h"
#include "run/metatrain.h"

#include <string.h>

/* What may change between two parts of a run. Anything else would make a run whose configuration
 * does not tell how it came about. */
static const char *const changeable[] = {"run.meta_epochs", "run.executor", "run.workers",
                                         "run.checkpoint_every", "dataset.path"};

static int check_sets(struct mn_cx *cx, const struct texts *sets) {
    const size_t n = sizeof changeable / sizeof changeable[0];
    for (int i = 0; i < sets->n; i++) {
        const size_t length = strcspn(sets->at[i], "=");
        size_t k = 0;
        while (k < n && (strlen(changeable[k]) != length ||
                         strncmp(changeable[k], sets->at[i], length) != 0)) {
            k++;
        }
        if (k == n) {
            return mn_fail(cx, MN_CONFIG,
                           "argument %d: %.*s cannot change when a run is resumed; only "
                           "run.meta_epochs, run.executor, run.workers, run.checkpoint_every and "
                           "dataset.path can",
                           sets->argument[i], (int)length, sets->at[i]);
        }
    }
    return MN_OK;
}

static int go_on(struct mn_cx *cx, const struct mn__experiment *experiment, const char *dir,
                 const char *checkpoint) {
    struct mn__state state = {0};
    int status = mn__state_load(experiment, cx, checkpoint, &state);
    if (status == MN_OK && mn__state_finished(experiment, &state)) {
        printf("all %lld meta-epochs are done; --set run.meta_epochs=N adds more\n",
               (long long)state.meta_epoch);
    } else if (status == MN_OK) {
        status = mn__metatrain(experiment, cx, &state, dir);
    }
    if (status == MN_OK) {
        status = rundir_report(cx, dir);
    }
    mn__state_fini(&state);
    return status;
}

static int run_resume(struct mn_cx *cx, const struct arguments *arguments) {
    struct mn__experiment experiment = {0};
    struct mn__arena arena = {0};
    const char *dir = arguments->operand, *config, *checkpoint;
    int status = rundir_check(cx, dir);
    if (status == MN_OK) {
        status = check_sets(cx, &arguments->sets);
    }
    if (status == MN_OK) {
        status = rundir_file(cx, &arena, dir, "config.resolved.yaml", &config);
    }
    if (status == MN_OK) {
        status = rundir_file(cx, &arena, dir, "checkpoint.safetensors", &checkpoint);
    }
    if (status == MN_OK) {
        status = open_experiment(cx, arguments, config, NULL, &experiment);
    }
    if (status == MN_OK) {
        status = go_on(cx, &experiment, dir, checkpoint);
    }
    mn__experiment_close(&experiment);
    mn__arena_fini(&arena);
    return status;
}

static const struct flag flags[] = {
    {"set", "KEY=VALUE",
     "change run.meta_epochs, run.executor, run.workers, run.checkpoint_every, dataset.path",
     offsetof(struct arguments, sets), FLAG_TEXTS, 0},
};

const struct command command_resume = {
    .name = "resume",
    .operand = "RUN",
    .doc = "go on with a run from its last checkpoint",
    .more = "The run ends with the same bits as one that was never interrupted.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .run = run_resume,
    .config = rundir_config,
};
