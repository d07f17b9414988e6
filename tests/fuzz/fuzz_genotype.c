/* SPDX-License-Identifier: MIT */
/* A genotype file, as section genotype of search space darts, up to an outline of its network. */
#include "fuzz.h"

#include "network/fixed.h"
#include "network/model.h"

#include <stdlib.h>
#include <string.h>

static struct nas_registry *registry;
static struct nas_instance space, op_mixer, input_mixer, head;

#define OUTLINE "{channels: 2, cells: 2, nodes: 3}"

static void open_once(void) {
    static struct nas_ctx context;
    static struct nas_arena arena;
    struct nas_faults faults = {.arena = &arena};
    const struct nas_mark mark = {0};
    if (registry != NULL) {
        return;
    }
    struct mn_ctx *ctx = fuzz_begin(&context);
    fuzz_must(nas_registry_new(ctx, NULL, &registry) == MN_OK);
    struct nas_yaml *section =
        nas_yaml_parse(&arena, "f.yaml", OUTLINE, sizeof OUTLINE - 1, &faults);
    nas_instance_init(&space, ctx, registry, MN_SEARCH_SPACE, NULL, section, "darts", mark,
                      &faults);
    nas_instance_init(&op_mixer, ctx, registry, MN_OP_MIXER, NULL, NULL, "softmax", mark, &faults);
    nas_instance_init(&input_mixer, ctx, registry, MN_INPUT_MIXER, NULL, NULL, "sum", mark,
                      &faults);
    nas_instance_init(&head, ctx, registry, MN_HEAD, NULL, NULL, "linear", mark, &faults);
    fuzz_must_explain(ctx, MN_OK);
    fuzz_must(faults.count == 0);
}

static void outline(struct mn_ctx *ctx, const struct nas_fixed *fixed) {
    const struct mn_dims dims = {
        .size = sizeof dims, .ways = 2, .channels = 1, .height = 8, .width = 8, .max_batch = 2};
    const struct nas_network_units units = {.search_space = &space,
                                            .op_mixer = &op_mixer,
                                            .input_mixer = &input_mixer,
                                            .head = &head,
                                            .fixed = fixed};
    struct mn_model *model = NULL;
    const int status = nas_network_new(ctx, &units, &dims, &model);
    fuzz_must_explain(ctx, status);
    if (status == MN_OK) {
        fuzz_accepted++;
        fuzz_must(nas_model_dims(model)->n_a == 0); /* nothing is searched */
        int64_t n_w = 0;
        fuzz_must(nas_model_parameters(ctx, model, NULL, &n_w) == MN_OK && n_w > 0);
        char text[256];
        const size_t length = nas_model_genotype(model, NULL, text, sizeof text);
        fuzz_must(strlen(text) == (length < sizeof text ? length : sizeof text - 1));
        nas_network_free(model);
    }
}

FUZZ_TARGET(genotype) {
    struct nas_ctx context;
    struct nas_arena arena = {0};
    struct nas_faults faults = {.arena = &arena};
    struct nas_fixed fixed;
    open_once();
    struct mn_ctx *ctx = fuzz_begin(&context);
    struct nas_yaml section = {.kind = NAS_YAML_SCALAR, .text = fuzz_file(0, data, size)};
    const int status = nas_fixed_read(&fixed, ctx, &arena, &section, &faults);
    fuzz_must_explain(ctx, status);
    if (status == MN_OK && faults.count == 0 && fixed.n > 0) {
        outline(ctx, &fixed);
    }
    nas_arena_fini(&arena);
    fuzz_end(&context);
    return 0;
}
