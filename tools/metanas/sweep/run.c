/* SPDX-License-Identifier: MIT */
#include "../rundir.h"
#include "../test_run.h"
#include "sweep.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"
#include "learn/config_diff.h"
#include "learn/train.h"
#include "store/checkpoint_store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_CONFIG = 1 << 20 };

/* The configuration a run was made with; its length must not differ either. */
static int check_config(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                        const char *path) {
    uint8_t *then = NULL;
    size_t length;
    struct nas_config_diff d;
    int status = nas_file_read(ctx, path, MOST_CONFIG, &then, &length);
    if (status != MN_OK) {
        return status;
    }
    status = nas_config_diff_find(experiment, ctx, path, (const char *)then,
                                  nas_config_may_change + 1, &d);
    free(then);
    if (status != MN_OK || d.key[0] == '\0') {
        return status;
    }
    return mn_fail(ctx, MN_CONFIG,
                   "%s: the run was made with another configuration: %s was %s, now it is %s; "
                   "choose another --out or remove the run",
                   path, d.key, d.there, d.here);
}

/* ---- how far a run is ---------------------------------------------------------------------- */

/* Whether test.json is that of the end of the run, on the tasks of its configuration. */
static int test_is_current(const struct nas_experiment *x, const json_t *test) {
    const char *state = json_string_value(json_object_get(test, "state"));
    const char *split = json_string_value(json_object_get(test, "split"));
    const char *mode = json_string_value(json_object_get(test, "batch_norm"));
    return state != NULL && strcmp(state, "last") == 0 && split != NULL &&
           strcmp(split, "test") == 0 && mode != NULL &&
           strcmp(mode, nas_batch_norm_name(x)) == 0 &&
           json_object_get(test, "episodes_file") == NULL &&
           json_array_size(json_object_get(test, "set")) == 0 &&
           json_integer_value(json_object_get(test, "seed")) == x->run.seed &&
           json_integer_value(json_object_get(test, "ways")) == x->task.ways &&
           json_integer_value(json_object_get(test, "tasks")) == x->evaluation.tasks &&
           json_integer_value(json_object_get(test, "shots")) == x->task.shots &&
           json_integer_value(json_object_get(test, "queries")) == x->task.queries &&
           json_integer_value(json_object_get(test, "meta_epoch")) == x->run.meta_epochs;
}

static int look_at_test(struct mn_ctx *ctx, struct nas_arena *arena,
                        const struct nas_experiment *experiment, const char *dir,
                        struct sweep_status *out) {
    const char *path, *tasks;
    json_t *test = NULL;
    int status = rundir_file(ctx, arena, dir, "test.json", &path);
    if (status == MN_OK) {
        status = rundir_file(ctx, arena, dir, "test-tasks.csv", &tasks);
    }
    if (status == MN_OK && access(path, F_OK) == 0 && access(tasks, F_OK) == 0) {
        status = rundir_json(ctx, path, &test);
        if (status == MN_OK && test_is_current(experiment, test)) {
            out->progress = SWEEP_DONE;
        }
        json_decref(test);
    }
    return status;
}

static int look_at_checkpoint(struct mn_ctx *ctx, const char *path, struct sweep_status *out) {
    struct nas_safetensors file;
    int status = nas_safetensors_read(ctx, path, &file);
    if (status != MN_OK) {
        return status;
    }
    const char *text = nas_safetensors_meta(&file, "meta_epoch");
    if (text == NULL || !nas_text_int(text, &out->meta_epoch)) {
        status = mn_fail(ctx, MN_IO, "%s: does not say its meta-epoch: not a checkpoint", path);
    }
    nas_safetensors_fini(&file);
    out->progress = out->meta_epoch < out->meta_epochs ? SWEEP_BEGUN : SWEEP_TRAINED;
    return status;
}

static int look(struct mn_ctx *ctx, struct nas_arena *arena,
                const struct nas_experiment *experiment, const char *dir,
                struct sweep_status *out) {
    const char *checkpoint, *config;
    *out = (struct sweep_status){.meta_epochs = experiment->run.meta_epochs};
    int status = rundir_file(ctx, arena, dir, "checkpoint.safetensors", &checkpoint);
    if (status == MN_OK) {
        status = rundir_file(ctx, arena, dir, "config.resolved.yaml", &config);
    }
    if (status != MN_OK) {
        return status;
    }
    const int begun = access(checkpoint, F_OK) == 0;
    if (access(config, F_OK) == 0) {
        status = check_config(ctx, experiment, config);
    } else if (begun) {
        status = mn_fail(ctx, MN_IO,
                         "%s is not there, so nobody knows how the run was made; remove %s, and it "
                         "is made again",
                         config, dir);
    }
    if (status == MN_OK && begun) {
        status = look_at_checkpoint(ctx, checkpoint, out);
    }
    if (status == MN_OK && out->progress == SWEEP_TRAINED) {
        status = look_at_test(ctx, arena, experiment, dir, out);
    }
    return status;
}

int sweep_look(struct mn_ctx *ctx, const struct sweep_job *job, const struct sweep_run *run,
               struct sweep_status *out) {
    struct nas_experiment experiment = {0};
    struct nas_arena arena = {0};
    FILE *nowhere = fopen("/dev/null", "w"); /* warnings were printed when arms were checked */
    const struct nas_open more = {
        .flags = NAS_OPEN_NO_DATA, .data = &job->data[run->arm], .faults = nowhere};
    int status = sweep_open(ctx, job, run->arm, run->seed, &more, &experiment);
    if (status == MN_OK) {
        status = look(ctx, &arena, &experiment, run->dir, out);
    }
    if (nowhere != NULL) {
        fclose(nowhere);
    }
    nas_experiment_close(&experiment);
    nas_arena_fini(&arena);
    return status;
}

/* ---- running ------------------------------------------------------------------------------- */

static int train(struct mn_ctx *ctx, const struct nas_experiment *experiment, const char *dir) {
    struct nas_state state = {0};
    const char *checkpoint = NULL;
    struct nas_arena arena = {0};
    int status = rundir_file(ctx, &arena, dir, "checkpoint.safetensors", &checkpoint);
    if (status == MN_OK) {
        status = nas_file_exists(ctx, checkpoint) ? nas_state_resume(experiment, ctx, dir, &state)
                                                  : nas_state_new(experiment, ctx, &state);
    }
    if (status == MN_OK && (!state.loaded || !nas_state_finished(experiment, &state))) {
        status = nas_metatrain(experiment, ctx, &state, dir);
    }
    nas_state_fini(&state);
    nas_arena_fini(&arena);
    return status;
}

int sweep_finish(struct mn_ctx *ctx, const struct sweep_job *job, const struct sweep_run *run) {
    struct nas_experiment experiment = {0};
    struct nas_arena arena = {0};
    struct nas_folder held = {0};
    FILE *nowhere = fopen("/dev/null", "w");
    const struct nas_open more = {.faults = nowhere};
    const char *checkpoint = NULL;
    int status = rundir_file(ctx, &arena, run->dir, "checkpoint.safetensors", &checkpoint);
    if (status == MN_OK) {
        status = sweep_open(ctx, job, run->arm, run->seed, &more, &experiment);
    }
    if (status == MN_OK) {
        status = nas_folder_make(ctx, run->dir);
    }
    if (status == MN_OK) {
        status = nas_folder_lock(ctx, run->dir, &held);
    }
    if (status == MN_OK) {
        status = train(ctx, &experiment, run->dir);
    }
    if (status == MN_OK) {
        const struct test_plan plan = {
            .state = checkpoint,
            .state_name = "last",
            .what = {.split = MN_TEST, .tasks = experiment.evaluation.tasks},
            .mute = 1};
        status = test_run(ctx, &experiment, run->dir, &plan);
    }
    if (nowhere != NULL) {
        fclose(nowhere);
    }
    nas_folder_unlock(ctx, &held);
    nas_experiment_close(&experiment);
    nas_arena_fini(&arena);
    return status;
}
