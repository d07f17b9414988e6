/* SPDX-License-Identifier: MIT */
#include "state.h"

#include "fuzz.h"

static const char config[] = "run: {workers: 1, meta_epochs: 9}\n"
                             "task: {ways: 2}\n"
                             "dataset: {use: glyphs}\n"
                             "search_space: {use: darts, cells: 1, nodes: 1, channels: 2,\n"
                             "               ops: [skip_connect, conv_3x3]}\n";

int fuzz_experiment(struct nas_experiment *experiment, struct mn_ctx *ctx) {
    static const int shape[3] = {1, 8, 8};
    const struct nas_open open = {.config = fuzz_file(FUZZ_FILES - 1, config, sizeof config - 1),
                                  .flags = NAS_OPEN_NO_DATA,
                                  .shape = shape};
    return nas_experiment_open(experiment, ctx, &open);
}
