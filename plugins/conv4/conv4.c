/* SPDX-License-Identifier: MIT */
/* The network of the REPTILE paper: blocks of 3x3 convolution, batch norm, ReLU and 2x2 max pool,
 * then a linear layer. Nothing is searched. */
#include "../common/budget.h"

#include <inttypes.h>
#include <stdio.h>

struct conv4 {
    struct budget size; /* first: BUDGET_OPTIONS */
    int64_t blocks;
};

static int check(const void *self, struct mn_ctx *ctx) {
    const struct conv4 *s = self;
    return budget_check(ctx, &s->size);
}

static int budget(const void *self, struct mn_ctx *ctx, struct mn_budget *out) {
    const struct conv4 *s = self;
    *out = (struct mn_budget){.size = sizeof *out,
                              .least = 1,
                              .most = BUDGET_MOST_CHANNELS,
                              .step = 1,
                              .key = BUDGET_KEY};
    return budget_weights(ctx, &s->size, &out->weights);
}

static int block(const struct conv4 *s, struct mn_ctx *ctx, struct mn_builder *builder, int64_t b,
                 int32_t *state) {
    char name[64];
    snprintf(name, sizeof name, "blocks.%" PRId64, b);
    const struct mn_conv_spec spec = {.size = sizeof spec,
                                      .from = *state,
                                      .name = name,
                                      .channels = (int32_t)s->size.channels,
                                      .kernel = 3,
                                      .stride = 1,
                                      .flags =
                                          MN_BUILD_BIAS | MN_BUILD_AFFINE | MN_BUILD_RELU_AFTER};
    const int status = mn_build_conv(ctx, builder, &spec, state);
    if (status != MN_OK) {
        return status;
    }
    snprintf(name, sizeof name, "blocks.%" PRId64 ".pool", b);
    return mn_build_max_pool(ctx, builder, name, *state, 2, 2, state);
}

static int build(const void *self, struct mn_ctx *ctx, const struct mn_dims *dims,
                 struct mn_builder *builder) {
    const struct conv4 *s = self;
    int32_t state = 0;
    for (int64_t b = 0; b < s->blocks; b++) {
        const int status = block(s, ctx, builder, b, &state);
        if (status != MN_OK) {
            return status;
        }
    }
    const struct mn_head_spec head = {
        .size = sizeof head, .from = state, .name = "head", .kind = MN_HEAD_FLATTEN};
    return mn_build_head(ctx, builder, &head);
}

static const struct mn_search_space space = {
    .size = sizeof space,
    .check = check,
    .build = build,
    .budget = budget,
    .resize = budget_resize,
};

static const struct mn_opt options[] = {
    BUDGET_OPTIONS("channels of every block; 0 = as parameters asks"),
    MN_INT(struct conv4, blocks, 4, 1, 16, "blocks; each halves the image"),
};

MN_PLUGIN("conv4", "0.1.0",
          MN_UNIT(MN_SEARCH_SPACE, "conv4", "the fixed four-block network of REPTILE", struct conv4,
                  options, &space))
