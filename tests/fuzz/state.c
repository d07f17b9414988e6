/* SPDX-License-Identifier: MIT */
#include "state.h"

#include "fuzz.h"

static const char config[] = "run: {workers: 1, meta_epochs: 9}\n"
                             "task: {ways: 2}\n"
                             "dataset: {use: glyphs}\n"
                             "search_space: {use: darts, cells: 1, nodes: 1, channels: 2,\n"
                             "               ops: [skip_connect, conv_3x3]}\n";

int fuzz_experiment(struct mn__experiment *experiment, struct mn_cx *cx) {
    static const int shape[3] = {1, 8, 8};
    const struct mn__open open = {.config = fuzz_file(FUZZ_FILES - 1, config, sizeof config - 1),
                                  .flags = MN__OPEN_NO_DATA,
                                  .shape = shape};
    return mn__experiment_open(experiment, cx, &open);
}
