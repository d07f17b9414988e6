/* SPDX-License-Identifier: MIT */
/* A genotype file, merged into the section of search space genotype, up to an outline of its
 * network. */
#include "fuzz.h"

#include "model/model.h"

#include <stdlib.h>
#include <string.h>

static struct mn__registry *registry;
static struct mn__instance op_mixer, input_mixer;

static void open_once(void) {
    static struct mn__cx context;
    static struct mn__arena arena;
    struct mn__faults faults = {.arena = &arena};
    const struct mn__mark mark = {0};
    if (registry != NULL) {
        return;
    }
    struct mn_cx *cx = fuzz_begin(&context);
    fuzz_must(mn__registry_new(cx, NULL, &registry) == MN_OK);
    mn__instance_init(&op_mixer, cx, registry, MN_OP_MIXER, NULL, NULL, "softmax", mark, &faults);
    mn__instance_init(&input_mixer, cx, registry, MN_INPUT_MIXER, NULL, NULL, "sum", mark, &faults);
    fuzz_must_explain(cx, MN_OK);
    fuzz_must(faults.count == 0);
}

static void outline(struct mn_cx *cx, const struct mn__instance *space) {
    const struct mn_dims dims = {
        .size = sizeof dims, .ways = 2, .channels = 1, .height = 8, .width = 8, .max_batch = 2};
    struct mn_model *model = NULL;
    const int status = mn__model_outline(cx, space, &op_mixer, &input_mixer, NULL, &dims, &model);
    fuzz_must_explain(cx, status);
    if (status == MN_OK) {
        fuzz_accepted++;
        fuzz_must(mn__model_dims(model)->n_a == 0); /* nothing is searched */
        int64_t n_w = 0;
        fuzz_must(mn__model_parameters(cx, model, NULL, &n_w) == MN_OK && n_w > 0);
        char text[256];
        const size_t length = mn__model_genotype(model, NULL, text, sizeof text);
        fuzz_must(strlen(text) == (length < sizeof text ? length : sizeof text - 1));
        mn__model_free(model);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mn__cx context;
    struct mn__arena arena = {0};
    struct mn__faults faults = {.arena = &arena};
    struct mn__instance space;
    const struct mn__mark mark = {0};
    char section[128];
    open_once();
    struct mn_cx *cx = fuzz_begin(&context);
    const int n = snprintf(section, sizeof section, "{channels: 2, cells: 2, file: %s}",
                           fuzz_file(0, data, size));
    struct mn__yaml *root = mn__yaml_parse(&arena, "f.yaml", section, (size_t)n, &faults);
    fuzz_must(root != NULL);
    const int status = mn__instance_init(&space, cx, registry, MN_SEARCH_SPACE, NULL, root,
                                         "genotype", mark, &faults);
    fuzz_must_explain(cx, status);
    if (status == MN_OK && faults.count == 0) {
        outline(cx, &space);
    }
    mn__instance_fini(&space);
    mn__arena_fini(&arena);
    fuzz_end(&context);
    return 0;
}
