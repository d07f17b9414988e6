/* SPDX-License-Identifier: MIT */
/* A picture of `adapt`: prepared by a data set of characters and by one of photographs, in several
 * shapes. The first byte chooses. */
#include "fuzz.h"

#include "../../tools/metanas/pictures.h"
#include "learn/experiment.h"

#include <math.h>
#include <string.h>

enum { SETS = 2 };

static const char *const configs[SETS] = {
    "task: {ways: 2}\ndataset: {use: glyphs}\n"
    "search_space: {use: darts, cells: 1, nodes: 1, channels: 2, ops: [skip_connect]}\n",
    "task: {ways: 2}\ndataset: {use: image_folder, path: none}\n"
    "search_space: {use: darts, cells: 1, nodes: 1, channels: 2, ops: [skip_connect]}\n"};

static struct nas_experiment experiments[SETS];

static void open_once(void) {
    static const int shapes[SETS][3] = {{1, 12, 12}, {3, 9, 9}};
    static struct nas_ctx context;
    struct mn_ctx *ctx = experiments[0].model == NULL ? fuzz_begin(&context) : NULL;
    for (int i = 0; ctx != NULL && i < SETS; i++) {
        const struct nas_open open = {.config = fuzz_file(0, configs[i], strlen(configs[i])),
                                      .flags = NAS_OPEN_NO_DATA,
                                      .shape = shapes[i]};
        const int status = nas_experiment_open(&experiments[i], ctx, &open);
        fuzz_must_explain(ctx, status);
        fuzz_must(status == MN_OK);
    }
}

FUZZ_TARGET(pictures) {
    struct nas_ctx context;
    struct mn_set set;
    open_once();
    if (size == 0) {
        return 0;
    }
    struct mn_ctx *ctx = fuzz_begin(&context);
    const struct nas_experiment *e = &experiments[data[0] % SETS];
    const char *const paths[] = {fuzz_file(0, data + 1, size - 1), NULL};
    const struct class_names none = {0};
    struct pictures pictures;
    int status = pictures_query(ctx, paths, &none, &pictures);
    fuzz_must(status == MN_OK && pictures.n == 1);
    status = pictures_prepare(ctx, e, &pictures, &set);
    fuzz_must_explain(ctx, status);
    fuzz_must(pictures.n + pictures.unreadable == 1);
    if (status == MN_OK) {
        const int n = e->data.channels * e->data.height * e->data.width;
        fuzz_accepted++;
        for (int i = 0; i < n; i++) {
            fuzz_must(isfinite((double)set.images[i]));
        }
    }
    fuzz_end(&context);
    return 0;
}
