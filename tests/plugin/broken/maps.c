/* SPDX-License-Identifier: MIT */
/* Two separable convolutions one after the other, made of the host's maps. */
#define WAYS                                                                                       \
    FINE, NOWHERE, UNKNOWN_FLAG, UNKNOWN_KIND, RELU_OF_NOTHING, ZERO_AND_STAGES, FIVE_STAGES,      \
        NO_MAP, EVEN_KERNEL, NO_DILATION, POOL_AND_STAGE, DEPTHWISE_SECOND, IGNORES_STRIDE,        \
        STRIDE_TWICE, DEPTHWISE_ROWS, COUNTS_CALLS, GATE_AND_MAP, GATE_WITHOUT_MIDDLE
#include "wrong.h"

struct operation {
    int64_t kernel;
};

static int check(const void *self, struct mn_ctx *ctx) {
    const struct operation *s = self;
    return s->kernel % 2 == 1 ? MN_OK : mn_bad_option(ctx, "kernel", "expected an odd number");
}

static int fails(int way) {
    return wrong == way;
}

static int maps(const void *self, struct mn_ctx *ctx, int32_t stride, struct mn_op_maps *out) {
    static _Thread_local int calls; /* no race, which would be another fault */
    const struct operation *s = self;
    const int32_t k = fails(EVEN_KERNEL) ? 4 : (int32_t)s->kernel;
    if (fails(NOWHERE)) {
        return mn_fail(ctx, MN_UNSUPPORTED, "not at stride %d", (int)stride);
    }
    out->flags = MN_OP_RELU_BEFORE;
    out->n_stages = fails(RELU_OF_NOTHING) ? 0 : fails(FIVE_STAGES) ? 5 : 2;
    for (int i = 0; i < 2; i++) {
        const int32_t by = i == 0 || fails(STRIDE_TWICE) ? stride : 1;
        const struct mn_op_map depthwise = {MN_OP_MAP_DEPTHWISE, k, k, 1, by, by};
        const struct mn_op_map conv = {MN_OP_MAP_CONV, 1, 1, 1, 1, 1};
        out->stages[i] = (struct mn_op_stage){.n_maps = 2, .maps = {depthwise, conv}};
    }
    struct mn_op_stage *first = &out->stages[0];
    out->flags |= fails(UNKNOWN_FLAG) ? 8 : fails(ZERO_AND_STAGES) ? MN_OP_ZERO : 0;
    first->n_maps = fails(NO_MAP) ? 0 : 2;
    first->maps[0].kind = fails(UNKNOWN_KIND)     ? 5
                          : fails(GATE_AND_MAP)   ? MN_OP_MAP_GATE
                          : fails(POOL_AND_STAGE) ? MN_OP_MAP_AVG_POOL
                                                  : first->maps[0].kind;
    first->maps[0].dilation = fails(NO_DILATION) ? 0 : 1;
    first->maps[1].kind = fails(DEPTHWISE_SECOND) ? MN_OP_MAP_DEPTHWISE : MN_OP_MAP_CONV;
    if (fails(IGNORES_STRIDE)) {
        first->maps[0].stride_y = first->maps[0].stride_x = 1;
    }
    if (fails(DEPTHWISE_ROWS)) {
        first->maps[0].stride_y = 1;
        first->maps[1].stride_y = stride;
    }
    if (fails(GATE_WITHOUT_MIDDLE)) {
        out->stages[1] = *first;
        *first = (struct mn_op_stage){.n_maps = 1, .maps = {{MN_OP_MAP_GATE, 1, 1, 1, 1, 1}}};
    }
    if (fails(COUNTS_CALLS)) {
        first->maps[0].dilation = 1 + calls++ % 2;
    }
    return MN_OK;
}

static const struct mn_operation table = {.size = sizeof table, .check = check, .maps = maps};

static const struct mn_opt options[] = {
    MN_INT(struct operation, kernel, 3, 1, 15, "height and width, odd"),
};

MN_PLUGIN("broken_maps", "1.0.0",
          MN_UNIT(MN_OPERATION, "operation", "two separable convolutions", struct operation,
                  options, &table))

__attribute__((constructor)) static void loaded(void) {
    choose_way();
}
