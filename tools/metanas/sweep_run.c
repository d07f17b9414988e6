/* SPDX-License-Identifier: MIT */
#include "rundir.h"
#include "sweep.h"
#include "test_run.h"

#include "base/text.h"
#include "run/difference.h"
#include "run/file.h"
#include "run/kept.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_CONFIG = 1 << 20 };

/* The configuration a run was made with; its length must not differ either. */
static int check_config(struct mn_cx *cx, const struct mn__experiment *experiment,
                        const char *path) {
    uint8_t *then = NULL;
    size_t length;
    struct mn__difference d;
    int status = mn__file_read(cx, path, MOST_CONFIG, &then, &length);
    if (status != MN_OK) {
        return status;
    }
    status = mn__difference_find(experiment, cx, path, (const char *)then,
                                 mn__resume_may_change + 1, &d);
    free(then);
    if (status != MN_OK || d.key[0] == '\0') {
        return status;
    }
    return mn_fail(cx, MN_CONFIG,
                   "%s: the run was made with another configuration: %s was %s, now it is %s; "
                   "choose another --out or remove the run",
                   path, d.key, d.there, d.here);
}

/* ---- how far a run is ---------------------------------------------------------------------- */

/* Whether test.json is that of the end of the run, on the tasks of its configuration. */
static int test_is_current(const struct mn__experiment *x, const json_t *test) {
    const char *state = json_string_value(json_object_get(test, "state"));
    const char *split = json_string_value(json_object_get(test, "split"));
    const char *mode = json_string_value(json_object_get(test, "batch_norm"));
    return state != NULL && strcmp(state, "last") == 0 && split != NULL &&
           strcmp(split, "test") == 0 && mode != NULL &&
           strcmp(mode, mn__batch_norm_name(x)) == 0 &&
           json_object_get(test, "episodes_file") == NULL &&
           json_array_size(json_object_get(test, "set")) == 0 &&
           json_integer_value(json_object_get(test, "seed")) == x->run.seed &&
           json_integer_value(json_object_get(test, "ways")) == x->task.ways &&
           json_integer_value(json_object_get(test, "tasks")) == x->evaluation.tasks &&
           json_integer_value(json_object_get(test, "shots")) == x->task.shots &&
           json_integer_value(json_object_get(test, "queries")) == x->task.queries &&
           json_integer_value(json_object_get(test, "meta_epoch")) == x->run.meta_epochs;
}

static int look_at_test(struct mn_cx *cx, struct mn__arena *arena,
                        const struct mn__experiment *experiment, const char *dir,
                        struct sweep_status *out) {
    const char *path, *tasks;
    json_t *test = NULL;
    int status = rundir_file(cx, arena, dir, "test.json", &path);
    if (status == MN_OK) {
        status = rundir_file(cx, arena, dir, "test-tasks.csv", &tasks);
    }
    if (status == MN_OK && access(path, F_OK) == 0 && access(tasks, F_OK) == 0) {
        status = rundir_json(cx, path, &test);
        if (status == MN_OK && test_is_current(experiment, test)) {
            out->progress = SWEEP_DONE;
        }
        json_decref(test);
    }
    return status;
}

static int look_at_checkpoint(struct mn_cx *cx, const char *path, struct sweep_status *out) {
    struct mn__tensors file;
    int status = mn__tensors_read(cx, path, &file);
    if (status != MN_OK) {
        return status;
    }
    const char *text = mn__tensors_meta(&file, "meta_epoch");
    if (text == NULL || !mn__text_int(text, &out->meta_epoch)) {
        status = mn_fail(cx, MN_IO, "%s: does not say its meta-epoch: not a checkpoint", path);
    }
    mn__tensors_fini(&file);
    out->progress = out->meta_epoch < out->meta_epochs ? SWEEP_BEGUN : SWEEP_TRAINED;
    return status;
}

static int look(struct mn_cx *cx, struct mn__arena *arena, const struct mn__experiment *experiment,
                const char *dir, struct sweep_status *out) {
    const char *checkpoint, *config;
    *out = (struct sweep_status){.meta_epochs = experiment->run.meta_epochs};
    int status = rundir_file(cx, arena, dir, "checkpoint.safetensors", &checkpoint);
    if (status == MN_OK) {
        status = rundir_file(cx, arena, dir, "config.resolved.yaml", &config);
    }
    if (status != MN_OK) {
        return status;
    }
    const int begun = access(checkpoint, F_OK) == 0;
    if (access(config, F_OK) == 0) {
        status = check_config(cx, experiment, config);
    } else if (begun) {
        status = mn_fail(cx, MN_IO,
                         "%s is not there, so nobody knows how the run was made; remove %s, and it "
                         "is made again",
                         config, dir);
    }
    if (status == MN_OK && begun) {
        status = look_at_checkpoint(cx, checkpoint, out);
    }
    if (status == MN_OK && out->progress == SWEEP_TRAINED) {
        status = look_at_test(cx, arena, experiment, dir, out);
    }
    return status;
}

int sweep_look(struct mn_cx *cx, const struct sweep_job *job, const struct sweep_run *run,
               struct sweep_status *out) {
    struct mn__experiment experiment = {0};
    struct mn__arena arena = {0};
    FILE *nowhere = fopen("/dev/null", "w"); /* warnings were printed when arms were checked */
    const struct mn__open more = {
        .flags = MN__OPEN_NO_DATA, .data = &job->data[run->arm], .faults = nowhere};
    int status = sweep_open(cx, job, run->arm, run->seed, &more, &experiment);
    if (status == MN_OK) {
        status = look(cx, &arena, &experiment, run->dir, out);
    }
    if (nowhere != NULL) {
        fclose(nowhere);
    }
    mn__experiment_close(&experiment);
    mn__arena_fini(&arena);
    return status;
}

/* ---- running ------------------------------------------------------------------------------- */

static int train(struct mn_cx *cx, const struct mn__experiment *experiment, const char *dir) {
    struct mn__state state = {0};
    const char *checkpoint = NULL;
    struct mn__arena arena = {0};
    int status = rundir_file(cx, &arena, dir, "checkpoint.safetensors", &checkpoint);
    if (status == MN_OK) {
        status = mn__file_exists(cx, checkpoint) ? mn__kept_resume(experiment, cx, dir, &state)
                                                 : mn__state_new(experiment, cx, &state);
    }
    if (status == MN_OK && (!state.loaded || !mn__state_finished(experiment, &state))) {
        status = mn__metatrain(experiment, cx, &state, dir);
    }
    mn__state_fini(&state);
    mn__arena_fini(&arena);
    return status;
}

int sweep_finish(struct mn_cx *cx, const struct sweep_job *job, const struct sweep_run *run) {
    struct mn__experiment experiment = {0};
    struct mn__arena arena = {0};
    struct mn__held held = {0};
    FILE *nowhere = fopen("/dev/null", "w");
    const struct mn__open more = {.faults = nowhere};
    const char *checkpoint = NULL;
    int status = rundir_file(cx, &arena, run->dir, "checkpoint.safetensors", &checkpoint);
    if (status == MN_OK) {
        status = sweep_open(cx, job, run->arm, run->seed, &more, &experiment);
    }
    if (status == MN_OK) {
        status = mn__file_folder(cx, run->dir);
    }
    if (status == MN_OK) {
        status = mn__hold(cx, run->dir, &held);
    }
    if (status == MN_OK) {
        status = train(cx, &experiment, run->dir);
    }
    if (status == MN_OK) {
        const struct test_plan plan = {
            .state = checkpoint,
            .state_name = "last",
            .what = {.split = MN_TEST, .tasks = experiment.evaluation.tasks},
            .mute = 1};
        status = test_run(cx, &experiment, run->dir, &plan);
    }
    if (nowhere != NULL) {
        fclose(nowhere);
    }
    mn__let_go(cx, &held);
    mn__experiment_close(&experiment);
    mn__arena_fini(&arena);
    return status;
}
