/* SPDX-License-Identifier: MIT */
#include "../command.h"
#include "../rundir.h"
#include "task.h"

#include "base/input_file.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct replay_flags {
    int64_t meta_epoch, task;
    bool accept_changes;
};

/* ---- what was recorded -------------------------------------------------------------------- */

/* Lines "meta_epoch,task,step,loss,accuracy" of a task in steps.csv. */
struct record {
    FILE *in;
    char prefix[64]; /* "meta_epoch,task," */
    char *line;
    size_t room;
};

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

static int show(const struct replay *r) {
    const uint64_t seed = nas_meta_batch_where(r->e, &r->state).seed;
    const struct nas_task_slot slot = nas_meta_batch_slot(&r->batch, r->task);
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    CLEANUP(record_close) struct record record = {0};
    const char *path;
    int64_t other = -1; /* the first step whose loss is another than recorded */
    TRY(rundir_file(r->ctx, &arena, r->dir, "steps.csv", &path));
    record.in = nas_input_file_stream(path); /* there may be none */
    snprintf(record.prefix, sizeof record.prefix, "%" PRId64 ",%" PRId64 ",", r->meta_epoch,
             r->task);
    printf("meta-epoch %" PRId64 ", task %" PRId64 " (seed %" PRIu64 ")", r->meta_epoch, r->task,
           seed);
    if (r->source[0] != '\0') {
        printf(", from %s, %" PRId64 " meta-epoch%s before it\n", r->source,
               r->meta_epoch - r->from, nas_text_s(r->meta_epoch - r->from));
    } else {
        printf(", from the beginning\n");
    }
    printf("%6s  %-24s %-24s %s\n", "step", "loss", "recorded", "accuracy");
    for (int64_t i = 0; i < slot.n_steps; i++) {
        char loss[40], accuracy[40];
        nas_text_from_real(slot.steps[i].loss, loss, sizeof loss);
        nas_text_from_real(slot.steps[i].accuracy, accuracy, sizeof accuracy);
        const char *before = record_next(&record, i);
        printf("%6" PRId64 "  %-24s %-24s %s\n", i, loss, before != NULL ? before : "-", accuracy);
        if (before != NULL && strcmp(before, loss) != 0 && other < 0) {
            other = i;
        }
    }
    return other < 0 ? MN_OK
                     : mn_fail(r->ctx, MN_INTERNAL,
                               "step %" PRId64 " has another loss than was recorded", other);
}

/* ---- the command -------------------------------------------------------------------------- */

/* The task's own failure stays the result; its steps are shown in any case. */
static int replay(struct replay *r) {
    char message[NAS_MESSAGE];
    const int status = replay_task(r);
    if (r->batch.e == NULL || r->state.meta_epoch != r->meta_epoch) {
        return status;
    }
    snprintf(message, sizeof message, "%s", nas_ctx_message(r->ctx));
    nas_ctx_clear(r->ctx);
    TRY(show(r));
    return status != MN_OK ? mn_fail(r->ctx, status, "%s", message) : MN_OK;
}

static int run_replay(struct mn_ctx *ctx, const struct arguments *arguments) {
    const struct replay_flags *flags = arguments->flags;
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    CLEANUP(nas_experiment_close) struct nas_experiment experiment = {0};
    const char *config;
    TRY(rundir_check(ctx, arguments->operand));
    if (flags->meta_epoch < 0 || flags->task < 0) {
        return mn_fail(ctx, MN_CONFIG, "replay: --meta-epoch E and --task I say which task");
    }
    TRY(rundir_file(ctx, &arena, arguments->operand, "config.resolved.yaml", &config));
    TRY(open_experiment(ctx, arguments, config, NULL, &experiment));
    experiment.run.transport = "none"; /* one task at a time: other processes have no part */
    CLEANUP(replay_fini)
    struct replay r = {.e = &experiment,
                       .ctx = ctx,
                       .dir = arguments->operand,
                       .meta_epoch = flags->meta_epoch,
                       .task = flags->task,
                       .accept_changes = flags->accept_changes};
    return replay(&r);
}

#define F struct replay_flags
static const struct mn_opt flags[] = {
    FLAG_INT(F, meta_epoch, "--meta-epoch", "E", -1, 0,
             "its meta-epoch, from 0, as messages name it"),
    FLAG_INT(F, task, "--task", "I", -1, 0, "its number in the meta-batch, from 0"),
    FLAG_SWITCH(F, accept_changes, "--accept-changes",
                "replay although configuration, plugins or data have changed since"),
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
    .flags_size = sizeof(struct replay_flags),
    .run = run_replay,
};
