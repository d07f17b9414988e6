/* SPDX-License-Identifier: MIT */
#include "model/graph.h"

#include <string.h>

static struct mn__linear linear(enum mn__linear_kind kind, int kh, int kw, int dilation, int sh,
                                int sw) {
    return (struct mn__linear){.kind = kind,
                               .kh = kh,
                               .kw = kw,
                               .dilation = dilation,
                               .sh = sh,
                               .sw = sw,
                               .centred = 1,
                               .weight = -1,
                               .weight2 = -1};
}

static void one(struct mn__stage *s, struct mn__linear first) {
    s->n_linear = 1;
    s->linear[0] = first;
}

static void two(struct mn__stage *s, struct mn__linear first, struct mn__linear second) {
    s->n_linear = 2;
    s->linear[0] = first;
    s->linear[1] = second;
}

static struct mn__linear conv(int kh, int kw, int sh, int sw) {
    return linear(MN__LINEAR_CONV, kh, kw, 1, sh, sw);
}

/* Depthwise, then 1x1. */
static void separable(struct mn__stage *s, int k, int dilation, int stride) {
    two(s, linear(MN__LINEAR_DEPTHWISE, k, k, dilation, stride, stride), conv(1, 1, 1, 1));
}

static void max_pool(int index, int stride, struct mn__stage *s) {
    one(s, linear(MN__LINEAR_MAX_POOL, 3, 3, 1, stride, stride));
}

static void avg_pool(int index, int stride, struct mn__stage *s) {
    one(s, linear(MN__LINEAR_AVG_POOL, 3, 3, 1, stride, stride));
}

static void reduce(int index, int stride, struct mn__stage *s) {
    one(s, linear(MN__LINEAR_REDUCE, 1, 1, 1, 2, 2));
}

static void conv_1x5_5x1(int index, int stride, struct mn__stage *s) {
    two(s, conv(1, 5, stride, stride), conv(5, 1, 1, 1));
}

static void conv_7x1_1x7(int index, int stride, struct mn__stage *s) {
    two(s, conv(1, 7, 1, stride), conv(7, 1, stride, 1));
}

static void conv_3x3(int index, int stride, struct mn__stage *s) {
    separable(s, 3, 1, stride);
}

static void dil_conv_3x3(int index, int stride, struct mn__stage *s) {
    separable(s, 3, 2, stride);
}

static void dil_conv_5x5(int index, int stride, struct mn__stage *s) {
    separable(s, 5, 2, stride);
}

static void sep_conv_3x3(int index, int stride, struct mn__stage *s) {
    separable(s, 3, 1, index == 0 ? stride : 1);
}

static void sep_conv_5x5(int index, int stride, struct mn__stage *s) {
    separable(s, 5, 1, index == 0 ? stride : 1);
}

static void sep_conv_7x7(int index, int stride, struct mn__stage *s) {
    separable(s, 7, 1, index == 0 ? stride : 1);
}

static void dense_conv_3x3(int index, int stride, struct mn__stage *s) {
    one(s, conv(3, 3, stride, stride));
}

static const struct mn__op ops[] = {
    {.name = "max_pool_3x3", .n_stages = 1, .stage = max_pool},
    {.name = "avg_pool_3x3", .n_stages = 1, .stage = avg_pool},
    {.name = "skip_connect", .n_stages = 0, .stage = reduce},
    {.name = "conv_1x5_5x1", .relu = 1, .n_stages = 1, .stage = conv_1x5_5x1},
    {.name = "conv_3x3", .relu = 1, .n_stages = 1, .stage = conv_3x3},
    {.name = "sep_conv_3x3", .relu = 1, .n_stages = 2, .stage = sep_conv_3x3},
    {.name = "dil_conv_3x3", .relu = 1, .n_stages = 1, .stage = dil_conv_3x3},
    {.name = "none", .n_stages = 0, .none = 1},
    {.name = "sep_conv_5x5", .relu = 1, .n_stages = 2, .stage = sep_conv_5x5},
    {.name = "sep_conv_7x7", .relu = 1, .n_stages = 2, .stage = sep_conv_7x7},
    {.name = "dil_conv_5x5", .relu = 1, .n_stages = 1, .stage = dil_conv_5x5},
    {.name = "conv_7x1_1x7", .relu = 1, .n_stages = 1, .stage = conv_7x1_1x7},
    {.name = "dense_conv_3x3", .relu = 1, .n_stages = 1, .stage = dense_conv_3x3},
};

size_t mn__op_count(void) {
    return sizeof ops / sizeof ops[0];
}

const struct mn__op *mn__op_at(size_t i) {
    return &ops[i];
}

const struct mn__op *mn__op_find(const char *name) {
    for (size_t i = 0; i < mn__op_count(); i++) {
        if (strcmp(ops[i].name, name) == 0) {
            return &ops[i];
        }
    }
    return NULL;
}

int mn__op_reach(const struct mn__op *op) {
    int reach = 1;
    for (int s = 0; s < op->n_stages; s++) {
        struct mn__stage stage = {0};
        op->stage(s, 1, &stage);
        for (int l = 0; l < stage.n_linear; l++) {
            const struct mn__linear *m = &stage.linear[l];
            const int k = m->kh > m->kw ? m->kh : m->kw;
            const int r = (k - 1) / 2 * m->dilation;
            reach = r > reach ? r : reach;
        }
    }
    return reach;
}
