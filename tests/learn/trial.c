/* SPDX-License-Identifier: MIT */
#include "trial.h"

#include "../support/check.h"
#include "learn/host.h"

#include <stdlib.h>

static const char *plugins[2];

const char trial_toy[] = "run: {seed: 7, meta_epochs: 4, tasks_per_batch: 4, eval_every: 2,\n"
                         "      log_every: 1, checkpoint_every: 1, workers: 1, prune_meta: false}\n"
                         "task: {ways: 2, shots: 2, queries: 1}\n"
                         "evaluation: {validation_tasks: 3}\n"
                         "dataset: {use: toy}\n"
                         "search_space: {use: darts, cells: 1, nodes: 1, channels: 2,\n"
                         "               ops: [skip_connect, avg_pool_3x3, none]}\n"
                         "op_mixer: {use: softmax}\n"
                         "input_mixer: {use: sum}\n"
                         "task_learner: {use: toy}\n"
                         "meta_learner: {use: toy}\n";

const char trial_glyphs[] =
    "run: {seed: 3, meta_epochs: 4, tasks_per_batch: 3, eval_every: 2, log_every: 1,\n"
    "      checkpoint_every: 1, workers: 1}\n"
    "task: {ways: 3, shots: 2, queries: 2, train_shots: 4}\n"
    "evaluation: {validation_tasks: 4}\n"
    "dataset: {use: glyphs, size: 10, train_classes: 20, val_classes: 10, test_classes: 10}\n"
    "search_space: {use: darts, cells: 2, nodes: 2, channels: 4,\n"
    "               ops: [max_pool_3x3, skip_connect, conv_3x3, sep_conv_3x3]}\n"
    "task_learner: {use: darts, steps: 3, batch: 4, test_steps: 4, test_batch: 4, lr_w: 0.05,\n"
    "               lr_a: 0.2, warm_up: 0.25}\n";

void trial_plugins(const char *directory) {
    plugins[0] = directory;
}

void trial_begin(struct trial *trial) {
    memset(trial, 0, sizeof *trial);
    nas_ctx_init(&trial->context, &nas_host);
    trial->context.log_level = MN_LOG_ERROR;
    trial->ctx = &trial->context.pub;
    folder_new(&trial->folder);
}

static void forget(struct trial *trial) {
    nas_experiment_close(&trial->e);
    free(trial->faults);
    trial->faults = NULL;
}

void trial_end(struct trial *trial) {
    forget(trial);
    nas_ctx_fini(&trial->context);
    folder_remove(&trial->folder);
}

int trial_open(struct trial *trial, const char *text, const char *const *sets) {
    size_t length;
    forget(trial);
    const char *path = folder_path(&trial->folder, "config.yaml");
    file_put(path, text, strlen(text));
    FILE *faults = open_memstream(&trial->faults, &length);
    assert_non_null(faults);
    const struct nas_open open = {
        .config = path, .sets = sets, .plugin_dirs = plugins, .faults = faults};
    const int status = nas_experiment_open(&trial->e, trial->ctx, &open);
    assert_int_equal(fclose(faults), 0);
    return status;
}

int64_t trial_parameters(struct trial *trial, const uint8_t *keep) {
    int64_t n;
    assert_ok(trial->ctx, nas_model_parameters(trial->ctx, trial->e.model, keep, &n));
    return n;
}

/* ---- runs --------------------------------------------------------------------------------- */

const char *trial_in(struct trial *trial, const char *dir, const char *name) {
    char both[300];
    snprintf(both, sizeof both, "%s/%s", dir, name);
    return folder_path(&trial->folder, both);
}

int trial_train(struct trial *trial, const char *dir, struct nas_state *state) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", folder_path(&trial->folder, dir));
    return nas_train(&trial->e, trial->ctx, state, path, NULL);
}

int trial_train_new(struct trial *trial, const char *dir) {
    struct nas_state state;
    assert_ok(trial->ctx, nas_state_new(&trial->e, trial->ctx, &state));
    const int status = trial_train(trial, dir, &state);
    nas_state_fini(&state);
    return status;
}

int trial_resume(struct trial *trial, const char *dir) {
    struct nas_state state;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", trial_in(trial, dir, "checkpoint.safetensors"));
    assert_ok(trial->ctx, nas_state_load(&trial->e, trial->ctx, path, &state));
    state.accept_changes = 1; /* what goes wrong is an option of the toy */
    const int status = trial_train(trial, dir, &state);
    nas_state_fini(&state);
    return status;
}

static void check_same_metrics(struct trial *trial, const char *a, const char *b) {
    size_t n, m;
    uint8_t *first = file_get(trial_in(trial, a, "metrics.jsonl"), &n);
    uint8_t *second = file_get(trial_in(trial, b, "metrics.jsonl"), &m);
    assert_int_equal(n, m);
    assert_memory_equal(first, second, n);
    free(first);
    free(second);
}

static void check_same_tensors(struct trial *trial, const char *a, const char *b,
                               const char *file) {
    struct nas_safetensors x, y;
    assert_ok(trial->ctx, nas_safetensors_read(trial->ctx, trial_in(trial, a, file), &x));
    assert_ok(trial->ctx, nas_safetensors_read(trial->ctx, trial_in(trial, b, file), &y));
    assert_int_equal(x.n, y.n);
    for (int i = 0; i < x.n; i++) {
        const struct nas_safetensor *t = nas_safetensors_find(&y, x.tensors[i].name);
        const size_t each = x.tensors[i].dtype == NAS_F64 ? 8 : 4;
        assert_non_null(t);
        assert_int_equal(t->dtype, x.tensors[i].dtype);
        assert_memory_equal(t->data, x.tensors[i].data,
                            (size_t)nas_safetensor_count(&x.tensors[i]) * each);
    }
    nas_safetensors_fini(&x);
    nas_safetensors_fini(&y);
}

void trial_check_same(struct trial *trial, const char *a, const char *b) {
    check_same_metrics(trial, a, b);
    check_same_tensors(trial, a, b, "checkpoint.safetensors");
    check_same_tensors(trial, a, b, "best.safetensors");
}
