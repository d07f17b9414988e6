/* SPDX-License-Identifier: MIT */
#include "rundir.h"

#include "base/text.h"
#include "progress.h"

#include <sys/stat.h>

static int draw(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                struct nas_episodes *episodes) {
    struct progress progress;
    int status = MN_OK;
    progress_begin(&progress, "episode", 0, episodes->tasks,
                   nas_ctx_of(ctx)->log_level < MN_LOG_INFO);
    for (int64_t i = 0; status == MN_OK && i < episodes->tasks; i++) {
        status = mn_cancelled(ctx) ? mn_fail(ctx, MN_CANCELLED, "stopped; nothing was written")
                                   : nas_episodes_draw(episodes, experiment, ctx, i);
        progress_show(&progress, i + 1);
    }
    progress_end(&progress);
    return status;
}

struct episodes_flags {
    const char *out;
    int64_t tasks;
    int32_t split;
};

static int freeze(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                  const struct episodes_flags *flags) {
    CLEANUP(nas_episodes_fini) struct nas_episodes episodes = {0};
    const int split = flags->split >= 0 ? flags->split : MN_TEST;
    const int64_t tasks = flags->tasks > 0 ? flags->tasks : experiment->evaluation.tasks;
    if (experiment->evaluation.sampling == NAS_WITHOUT_REPLACEMENT) {
        TRY(nas_episodes_disjoint(experiment, ctx, split, tasks, &episodes));
    } else {
        TRY(nas_episodes_new(experiment, ctx, split, tasks, &episodes));
        TRY(draw(ctx, experiment, &episodes));
    }
    TRY(nas_episodes_write(&episodes, ctx, flags->out));
    printf("%lld episode%s of seed %lld written to %s\n", (long long)episodes.tasks,
           nas_text_s(episodes.tasks), (long long)experiment->run.seed, flags->out);
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
    const struct episodes_flags *flags = arguments->flags;
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    CLEANUP(nas_experiment_close) struct nas_experiment experiment = {0};
    const char *config = NULL;
    if (flags->out == NULL) {
        return mn_fail(ctx, MN_CONFIG, "episodes: --out FILE is missing: where to write");
    }
    TRY(find_config(ctx, &arena, arguments->operand, &config));
    TRY(open_experiment(ctx, arguments, config, NULL, &experiment));
    return freeze(ctx, &experiment, flags);
}

#define F struct episodes_flags
static const struct mn_opt flags[] = {
    FLAG_TEXT(F, out, "-o, --out", "FILE", "the list to write"),
    FLAG_INT(F, tasks, "--tasks", "N", 0, 1, "number of episodes (default: evaluation.tasks)"),
    FLAG_CHOICE(F, split, "--split", "SPLIT", nas_split_names,
                "classes to draw from: test (default), val or train"),
};

const struct command command_episodes = {
    .name = "episodes",
    .operand = "CONFIG|RUN",
    .doc = "write a list of test tasks that any run can be tested on",
    .more = "The tasks are those that 'metanas test' draws with the same run.seed. The list names "
            "every\nimage; 'metanas test RUN --episodes FILE' takes its tasks from it.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct episodes_flags),
    .set_value = "KEY=VALUE",
    .set_doc = "override an option: --set run.seed=2 (may repeat)",
    .run = run_episodes,
};
