/* SPDX-License-Identifier: MIT */
#ifndef MN__NUM_TABLE_H
#define MN__NUM_TABLE_H

/* The entries that the table of MN__ISA and the one of OpenBLAS have in common: all but the
 * products over channels. */

#include "num/isa.h"

#define MN__COMMON_KERNELS                                                                         \
    .depthwise = MN__NAME(depthwise), .depthwise_dw = MN__NAME(depthwise_dw),                      \
    .max_pool = MN__NAME(max_pool), .max_pool_dx = MN__NAME(max_pool_dx),                          \
    .avg_pool = MN__NAME(avg_pool), .relu = MN__NAME(relu), .relu_dx = MN__NAME(relu_dx),          \
    .axpy = MN__NAME(axpy), .moments = MN__NAME(moments), .mix = MN__NAME(mix),                    \
    .affine = MN__NAME(affine), .products = MN__NAME(products), .combine = MN__NAME(combine),      \
    .split = MN__NAME(split), .merge = MN__NAME(merge)

#endif
