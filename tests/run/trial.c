/* SPDX-License-Identifier: MIT */
#include "trial.h"

#include "check.h"

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
    mn__core_install();
}

void trial_begin(struct trial *trial) {
    memset(trial, 0, sizeof *trial);
    mn__cx_init(&trial->context);
    trial->context.quiet = MN_LOG_ERROR;
    trial->cx = &trial->context.pub;
    folder_new(&trial->folder);
}

static void forget(struct trial *trial) {
    mn__experiment_close(&trial->e);
    free(trial->faults);
    trial->faults = NULL;
}

void trial_end(struct trial *trial) {
    forget(trial);
    mn__cx_fini(&trial->context);
    folder_remove(&trial->folder);
}

int trial_open(struct trial *trial, const char *text, const char *const *sets) {
    size_t length;
    forget(trial);
    const char *path = folder_path(&trial->folder, "config.yaml");
    file_put(path, text, strlen(text));
    FILE *faults = open_memstream(&trial->faults, &length);
    assert_non_null(faults);
    const struct mn__open open = {
        .config = path, .sets = sets, .plugin_dirs = plugins, .faults = faults};
    const int status = mn__experiment_open(&trial->e, trial->cx, &open);
    assert_int_equal(fclose(faults), 0);
    return status;
}
