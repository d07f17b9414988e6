/* SPDX-License-Identifier: MIT */
#include "command.h"
#include "rundir.h"

#include "base/named_file.h"
#include "base/text.h"
#include "learn/replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- what was recorded -------------------------------------------------------------------- */

/* Lines "meta_epoch,task,step,loss,accuracy" of a task in steps.csv. */
struct record {
    FILE *in;
    char prefix[64]; /* "meta_epoch,task," */
    char *line;
    size_t room;
};

static int record_open(struct mn_ctx *ctx, const char *dir, int64_t meta_epoch, int64_t task,
                       struct record *out) {
    struct nas_arena arena = {0};
    const char *path;
    *out = (struct record){0};
    const int status = rundir_file(ctx, &arena, dir, "steps.csv", &path);
    if (status == MN_OK) {
        out->in = nas_source_lines(path); /* there may be none */
    }
    snprintf(out->prefix, sizeof out->prefix, "%" PRId64 ",%" PRId64 ",", meta_epoch, task);
    nas_arena_fini(&arena);
    return status;
}

static void record_close(struct record *record) {
    if (record->in != NULL) {
        fclose(record->in);
    }
    free(record->line);
}

/* The loss of the task's next step as it was written, or NULL. A task that was done again after a
 * rollback stands there once: the files were cut back. */
static const char *record_next(struct record *r, int64_t step) {
    char prefix[96];
    snprintf(prefix, sizeof prefix, "%s%" PRId64 ",", r->prefix, step);
    while (r->in != NULL && getline(&r->line, &r->room, r->in) > 0) {
        if (strncmp(r->line, prefix, strlen(prefix)) == 0) {
            char *loss = r->line + strlen(prefix);
            loss[strcspn(loss, ",\n")] = '\0';
            return loss;
        }
    }
    return NULL;
}

/* ---- printing ----------------------------------------------------------------------------- */

static void print_head(const struct nas_replay *replay, int64_t meta_epoch, int64_t task) {
    printf("meta-epoch %" PRId64 ", task %" PRId64 " (seed %" PRIu64 ")", meta_epoch, task,
           replay->seed);
    if (replay->source[0] != '\0') {
        printf(", from %s, %" PRId64 " meta-epoch%s before it\n", replay->source,
               meta_epoch - replay->from, nas_text_s(meta_epoch - replay->from));
    } else {
        printf(", from the beginning\n");
    }
    printf("%6s  %-24s %-24s %s\n", "step", "loss", "recorded", "accuracy");
}

/* Returns the first step whose loss is another than recorded, -1 = none. */
static int64_t print_steps(const struct nas_replay *replay, struct record *record) {
    int64_t other = -1;
    for (int64_t i = 0; i < replay->n_steps; i++) {
        char loss[40], accuracy[40];
        nas_text_from_real(replay->steps[i].loss, loss, sizeof loss);
        nas_text_from_real(replay->steps[i].accuracy, accuracy, sizeof accuracy);
        const char *before = record_next(record, i);
        printf("%6" PRId64 "  %-24s %-24s %s\n", i, loss, before != NULL ? before : "-", accuracy);
        if (before != NULL && strcmp(before, loss) != 0 && other < 0) {
            other = i;
        }
    }
    return other;
}

/* ---- the command -------------------------------------------------------------------------- */

/* The task's own failure stays the result; its steps are shown in any case. */
static int show(struct mn_ctx *ctx, const struct arguments *a, const struct nas_replay *replay,
                int status) {
    struct record record;
    char message[NAS_MESSAGE];
    snprintf(message, sizeof message, "%s", nas_ctx_message(ctx));
    nas_ctx_clear(ctx);
    const int opened = record_open(ctx, a->operand, a->meta_epoch, a->task, &record);
    if (opened != MN_OK) {
        return opened;
    }
    print_head(replay, a->meta_epoch, a->task);
    const int64_t other = print_steps(replay, &record);
    record_close(&record);
    if (other >= 0) {
        return mn_fail(ctx, MN_INTERNAL, "step %" PRId64 " has another loss than was recorded",
                       other);
    }
    return status != MN_OK ? mn_fail(ctx, status, "%s", message) : MN_OK;
}

static int run_replay(struct mn_ctx *ctx, const struct arguments *arguments) {
    struct nas_experiment experiment = {0};
    struct nas_replay replay = {0};
    struct nas_arena arena = {0};
    const char *config;
    int status = rundir_check(ctx, arguments->operand);
    if (status == MN_OK && (arguments->meta_epoch < 0 || arguments->task < 0)) {
        status = mn_fail(ctx, MN_CONFIG, "replay: --meta-epoch E and --task I say which task");
    }
    if (status == MN_OK) {
        status = rundir_file(ctx, &arena, arguments->operand, "config.resolved.yaml", &config);
    }
    if (status == MN_OK) {
        status = open_experiment(ctx, arguments, config, NULL, &experiment);
    }
    if (status == MN_OK) {
        experiment.run.transport = "none"; /* one task at a time: other processes have no part */
        status = nas_replay(&experiment, ctx, arguments->operand, arguments->meta_epoch,
                            arguments->task, arguments->accept_changes, &replay);
        status = replay.steps != NULL ? show(ctx, arguments, &replay, status) : status;
    }
    nas_replay_fini(&replay);
    nas_experiment_close(&experiment);
    nas_arena_fini(&arena);
    return status;
}

static const struct flag flags[] = {
    {"meta-epoch", "E", "its meta-epoch, from 0, as messages name it",
     offsetof(struct arguments, meta_epoch), FLAG_COUNT, 0},
    {"task", "I", "its number in the meta-batch, from 0", offsetof(struct arguments, task),
     FLAG_COUNT, 0},
    {"accept-changes", NULL, "replay although configuration, plugins or data have changed since",
     offsetof(struct arguments, accept_changes), FLAG_SWITCH, 0},
};

const struct command command_replay = {
    .name = "replay",
    .operand = "RUN",
    .doc = "do one task of meta-training again and print its losses",
    .more =
        "From the nearest checkpoint before it; nothing of the run changes. Beside each loss "
        "stands what\n"
        "was recorded in steps.csv: of tasks that failed, and of all with run.log_steps. The exit\n"
        "code is 1 where a loss is another, and that of the task where it fails again.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .run = run_replay,
};
