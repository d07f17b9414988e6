/* SPDX-License-Identifier: MIT */
#include "num/isa.h"

/* The table of this instruction set. */
extern const struct mn__kernels MN__NAME(kernels);

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)

const struct mn__kernels MN__NAME(kernels) = {
    .name = TEXT(MN__ISA),
    .packed = MN__NAME(packed),
    .pack = MN__NAME(pack),
    .conv = MN__NAME(conv),
    .conv_dw = MN__NAME(conv_dw),
    .depthwise = MN__NAME(depthwise),
    .depthwise_dw = MN__NAME(depthwise_dw),
    .max_pool = MN__NAME(max_pool),
    .max_pool_dx = MN__NAME(max_pool_dx),
    .avg_pool = MN__NAME(avg_pool),
    .relu = MN__NAME(relu),
    .relu_dx = MN__NAME(relu_dx),
    .axpy = MN__NAME(axpy),
    .dot = MN__NAME(dot),
    .moments = MN__NAME(moments),
    .affine = MN__NAME(affine),
    .norm_sums = MN__NAME(norm_sums),
    .combine = MN__NAME(combine),
    .split = MN__NAME(split),
    .merge = MN__NAME(merge),
};
