/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include "../progress.h"
#include "../rundir.h"
#include "../test_run.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"
#include "learn/config_diff.h"
#include "learn/configuration.h"
#include "learn/train.h"
#include "store/checkpoint_store.h"

#include <unistd.h>

enum { MOST_CONFIG = 1 << 20 };

static void close_stream(FILE **stream) {
    if (*stream != NULL) {
        fclose(*stream);
    }
}

/* ---- how far a run is ---------------------------------------------------------------------- */

/* The configuration a run was made with; its length must not differ either. */
static int check_config(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                        const char *path) {
    CLEANUP(nas_free) uint8_t *then = NULL;
    size_t length;
    struct nas_config_diff d;
    TRY(nas_file_read(ctx, path, MOST_CONFIG, &then, &length));
    TRY(nas_config_diff_find(experiment, ctx, path, (const char *)then, nas_config_may_change + 1,
                             &d));
    return d.key[0] == '\0'
               ? MN_OK
               : mn_fail(ctx, MN_CONFIG,
                         "%s: the run was made with another configuration: %s was %s, now it is "
                         "%s; choose another --out or remove the run",
                         path, d.key, d.there, d.here);
}

static int is(const char *text, const char *expected) {
    return text != NULL && strcmp(text, expected) == 0;
}

/* Read test.json, and whether it is that of the end of the run, on the tasks of its configuration.
 */
static int look_at_test(struct mn_ctx *ctx, struct nas_arena *arena, const struct nas_experiment *x,
                        const char *dir, struct sweep_status *out) {
    const char *path, *tasks;
    json_t *json = NULL;
    TRY(rundir_file(ctx, arena, dir, "test.json", &path));
    TRY(rundir_file(ctx, arena, dir, "test-tasks.csv", &tasks));
    if (access(path, F_OK) != 0 || access(tasks, F_OK) != 0) {
        return MN_OK;
    }
    TRY(rundir_json(ctx, path, &json));
    const struct nas_record *test = &out->test;
    const int no_sets = json_array_size(json_object_get(json, "set")) == 0;
    const int read = nas_columns_read(&nas_record_columns, NAS_IN_TEST, json, arena, &out->test);
    json_decref(json);
    if (!read) {
        return no_memory(ctx);
    }
    if (no_sets && is(test->state, "last") && is(test->split, "test") &&
        is(test->batch_norm, nas_batch_norm_name(x)) && test->episodes_file == NULL &&
        is(test->sampling != NULL ? test->sampling : nas_sampling_name(NAS_WITH_REPLACEMENT),
           nas_sampling_name((enum nas_sampling)x->evaluation.sampling)) &&
        test->seed == x->run.seed && test->ways == x->task.ways &&
        (test->tasks == x->evaluation.tasks ||
         (x->evaluation.sampling == NAS_WITHOUT_REPLACEMENT && /* as many as there are images for */
          test->tasks < x->evaluation.tasks)) &&
        test->shots == x->task.shots && test->queries == x->task.queries &&
        test->meta_epoch == x->run.meta_epochs) {
        out->progress = SWEEP_DONE;
    }
    return MN_OK;
}

int sweep_look(struct mn_ctx *ctx, const struct sweep_job *job, const struct sweep_run *run,
               struct nas_arena *arena, struct sweep_status *out) {
    CLEANUP(nas_experiment_close) struct nas_experiment experiment = {0};
    CLEANUP(close_stream) FILE *nowhere = fopen("/dev/null", "w"); /* arms were checked before */
    CLEANUP(nas_safetensors_fini) struct nas_safetensors file = {0};
    const struct nas_open more = {
        .flags = NAS_OPEN_NO_DATA, .data = &job->data[run->arm], .faults = nowhere};
    const char *checkpoint, *config;
    *out = (struct sweep_status){0};
    TRY(sweep_open(ctx, job, run->arm, run->seed, &more, &experiment));
    out->meta_epochs = experiment.run.meta_epochs;
    TRY(rundir_file(ctx, arena, run->dir, NAS_CHECKPOINT_FILE, &checkpoint));
    TRY(rundir_file(ctx, arena, run->dir, "config.resolved.yaml", &config));
    const int begun = access(checkpoint, F_OK) == 0;
    if (access(config, F_OK) == 0) {
        TRY(check_config(ctx, &experiment, config));
    } else if (begun) {
        return mn_fail(ctx, MN_IO,
                       "%s is not there, so nobody knows how the run was made; remove %s, and it "
                       "is made again",
                       config, run->dir);
    }
    if (!begun) {
        return MN_OK;
    }
    TRY(nas_safetensors_read(ctx, checkpoint, &file));
    const char *text = nas_safetensors_meta(&file, "meta_epoch");
    if (text == NULL || !nas_text_int(text, &out->meta_epoch)) {
        return mn_fail(ctx, MN_IO, "%s: does not say its meta-epoch: not a checkpoint", checkpoint);
    }
    out->progress = out->meta_epoch < out->meta_epochs ? SWEEP_BEGUN : SWEEP_TRAINED;
    return out->progress == SWEEP_TRAINED ? look_at_test(ctx, arena, &experiment, run->dir, out)
                                          : MN_OK;
}

/* ---- running ------------------------------------------------------------------------------- */

/* The checkpoint comes last: it makes the run one that is trained. */
static int copy_training(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                         const char *from, const char *dir) {
    CLEANUP(nas_free) char *config = NULL;
    CLEANUP(nas_free) uint8_t *state = NULL;
    char path[PATH_MAX];
    size_t length = 0;
    TRY(nas_config_text(experiment, ctx, &config));
    TRY(nas_folder_file(ctx, dir, "config.resolved.yaml", path));
    TRY(nas_file_replace(ctx, path, config, strlen(config)));
    TRY(nas_folder_file(ctx, from, NAS_CHECKPOINT_FILE, path));
    TRY(nas_file_read(ctx, path, SIZE_MAX / 2, &state, &length));
    TRY(nas_folder_file(ctx, dir, NAS_CHECKPOINT_FILE, path));
    return nas_file_replace(ctx, path, state, length);
}

/* In its folder, which is locked. */
static int train_and_test(struct mn_ctx *ctx, struct nas_experiment *experiment, const char *from,
                          const char *dir, int64_t until) {
    char checkpoint[PATH_MAX];
    TRY(nas_folder_file(ctx, dir, NAS_CHECKPOINT_FILE, checkpoint));
    if (from != NULL) {
        TRY(copy_training(ctx, experiment, from, dir));
    }
    { /* the test loads a state of its own */
        CLEANUP(nas_state_fini) struct nas_state state = {0};
        TRY(nas_file_exists(ctx, checkpoint) ? nas_state_resume(experiment, ctx, dir, &state)
                                             : nas_state_new(experiment, ctx, &state));
        if (!state.loaded || !nas_train_finished(experiment, &state)) {
            TRY(progress_train(experiment, ctx, &state, dir, until));
        }
    }
    if (until > 0) {
        return MN_OK;
    }
    const struct test_plan plan = {
        .state = checkpoint,
        .state_name = "last",
        .what = {.split = MN_TEST, .tasks = experiment->evaluation.tasks},
        .mute = 1};
    return test_run(ctx, experiment, dir, &plan);
}

int sweep_finish(struct mn_ctx *ctx, const struct sweep_job *job, const struct sweep_run *run) {
    CLEANUP(nas_experiment_close) struct nas_experiment experiment = {0};
    CLEANUP(close_stream) FILE *nowhere = fopen("/dev/null", "w");
    const struct nas_open more = {.faults = nowhere};
    struct nas_folder folder;
    TRY(sweep_open(ctx, job, run->arm, run->seed, &more, &experiment));
    TRY(nas_folder_make(ctx, run->dir));
    TRY(nas_folder_lock(ctx, run->dir, &folder));
    const int status = train_and_test(ctx, &experiment, run->from, run->dir, job->until);
    nas_folder_unlock(ctx, &folder);
    return status;
}
