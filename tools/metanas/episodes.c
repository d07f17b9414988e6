/* SPDX-License-Identifier: MIT */
#include "rundir.h"

#include "base/text.h"
#include "progress.h"

#include <sys/stat.h>

static int draw(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                struct nas_episodes *episodes) {
    struct progress progress;
    int status = MN_OK;
    progress_begin(&progress, "episode", 0, episodes->tasks, nas_ctx_of(ctx)->quiet < MN_LOG_INFO);
    for (int64_t i = 0; status == MN_OK && i < episodes->tasks; i++) {
        status = mn_cancelled(ctx) ? mn_fail(ctx, MN_CANCELLED, "stopped; nothing was written")
                                   : nas_episodes_draw(episodes, experiment, ctx, i);
        progress_show(&progress, i + 1);
    }
    progress_end(&progress);
    return status;
}

static int freeze(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                  const struct arguments *arguments) {
    CLEANUP(nas_episodes_fini) struct nas_episodes episodes = {0};
    const int split = arguments->split >= 0 ? arguments->split : MN_TEST;
    const int64_t tasks = arguments->tasks > 0 ? arguments->tasks : experiment->evaluation.tasks;
    TRY(nas_episodes_new(experiment, ctx, split, tasks, &episodes));
    TRY(draw(ctx, experiment, &episodes));
    TRY(nas_episodes_write(&episodes, ctx, arguments->out));
    printf("%lld episode%s of seed %lld written to %s\n", (long long)tasks, nas_text_s(tasks),
           (long long)experiment->run.seed, arguments->out);
    return MN_OK;
}

/* A run directory stands for its configuration. */
static int find_config(struct mn_ctx *ctx, struct nas_arena *arena, const char *operand,
                       const char **out) {
    struct stat about;
    *out = operand;
    return stat(operand, &about) == 0 && S_ISDIR(about.st_mode)
               ? rundir_file(ctx, arena, operand, "config.resolved.yaml", out)
               : MN_OK;
}

static int run_episodes(struct mn_ctx *ctx, const struct arguments *arguments) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    CLEANUP(nas_experiment_close) struct nas_experiment experiment = {0};
    const char *config = NULL;
    if (arguments->out == NULL) {
        return mn_fail(ctx, MN_CONFIG, "episodes: --out FILE is missing: where to write");
    }
    TRY(find_config(ctx, &arena, arguments->operand, &config));
    TRY(open_experiment(ctx, arguments, config, NULL, &experiment));
    return freeze(ctx, &experiment, arguments);
}

static const struct flag flags[] = {
    {"out", "FILE", "the list to write", offsetof(struct arguments, out), FLAG_TEXT, 'o'},
    {"tasks", "N", "number of episodes (default: evaluation.tasks)",
     offsetof(struct arguments, tasks), FLAG_POSITIVE, 0},
    {"split", "SPLIT", "classes to draw from: test (default), val or train",
     offsetof(struct arguments, split), FLAG_SPLIT, 0},
    {"set", "KEY=VALUE", "override an option: --set run.seed=2 (may repeat)",
     offsetof(struct arguments, sets), FLAG_TEXTS, 0},
};

const struct command command_episodes = {
    .name = "episodes",
    .operand = "CONFIG|RUN",
    .doc = "write a list of test tasks that any run can be tested on",
    .more = "The tasks are those that 'metanas test' draws with the same run.seed. The list names "
            "every\nimage; 'metanas test RUN --episodes FILE' takes its tasks from it.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .run = run_episodes,
};
