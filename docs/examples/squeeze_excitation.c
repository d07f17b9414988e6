/* SPDX-License-Identifier: MIT */
/* Squeeze and excitation (Hu et al., CVPR 2018) before a 1x1 convolution: a stage that is a gate of
 * the host, and one that is a convolution with the stride. */
#include <metanas/plugin.h>

struct operation {
    int64_t ratio;
};

static int maps(const void *self, struct mn_ctx *ctx, int32_t stride, struct mn_op_maps *out) {
    const struct operation *s = self;
    out->flags = MN_OP_RELU_BEFORE;
    out->n_stages = 2;
    out->stages[0] = (struct mn_op_stage){.n_maps = 1,
                                          .maps = {{MN_OP_MAP_GATE, 1, 1, 1, 1, 1}},
                                          .times = 1,
                                          .over = (int32_t)s->ratio};
    out->stages[1] =
        (struct mn_op_stage){.n_maps = 1, .maps = {{MN_OP_MAP_CONV, 1, 1, 1, stride, stride}}};
    return MN_OK;
}

static const struct mn_operation table = {.size = sizeof table, .maps = maps};

static const struct mn_opt options[] = {
    MN_INT(struct operation, ratio, 4, 1, 64, "channels a hidden unit of the gate"),
};

MN_PLUGIN("squeeze_excitation", "0.1.0",
          MN_UNIT(MN_OPERATION, "squeeze_excitation", "channel gates, then a 1x1 convolution",
                  struct operation, options, &table))
