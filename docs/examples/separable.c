/* SPDX-License-Identifier: MIT */
/* Separable convolutions (Chollet, CVPR 2017) of any kernel and dilation, as a candidate that is
 * made of the host's maps: no loop of its own, and as fast as the built-in ones. */
#include <metanas/plugin.h>

struct operation {
    int64_t kernel, dilation, repeats;
};

static int check(const void *self, struct mn_ctx *ctx) {
    const struct operation *s = self;
    return s->kernel % 2 == 1 ? MN_OK : mn_bad_option(ctx, "kernel", "expected an odd number");
}

/* Depthwise, then 1x1, then the host's batch norm, in each stage; the first one strides. */
static int maps(const void *self, struct mn_ctx *ctx, int32_t stride, struct mn_op_maps *out) {
    const struct operation *s = self;
    out->flags = MN_OP_RELU_BEFORE;
    out->n_stages = (int32_t)s->repeats;
    for (int i = 0; i < out->n_stages; i++) {
        const int32_t by = i == 0 ? stride : 1;
        out->stages[i].n_maps = 2;
        out->stages[i].maps[0] = (struct mn_op_map){.kind = MN_OP_MAP_DEPTHWISE,
                                                    .height = (int32_t)s->kernel,
                                                    .width = (int32_t)s->kernel,
                                                    .dilation = (int32_t)s->dilation,
                                                    .stride_y = by,
                                                    .stride_x = by};
        out->stages[i].maps[1] = (struct mn_op_map){.kind = MN_OP_MAP_CONV,
                                                    .height = 1,
                                                    .width = 1,
                                                    .dilation = 1,
                                                    .stride_y = 1,
                                                    .stride_x = 1};
    }
    return MN_OK;
}

static const struct mn_operation table = {.size = sizeof table, .check = check, .maps = maps};

static const struct mn_opt options[] = {
    MN_INT(struct operation, kernel, 3, 1, 15, "height and width, odd"),
    MN_INT(struct operation, dilation, 1, 1, 4, "pixels between taps"),
    MN_INT(struct operation, repeats, 1, 1, 2, "stages one after the other"),
};

MN_PLUGIN("separable", "0.1.0",
          MN_UNIT(MN_OPERATION, "separable", "separable convolutions of any kernel",
                  struct operation, options, &table))
