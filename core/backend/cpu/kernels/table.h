/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_KERNELS_TABLE_H
#define NAS_BACKEND_CPU_KERNELS_TABLE_H

/* The entries that the table of NAS_ISA and the one of OpenBLAS have in common: all but the
 * products over channels. */

#include "backend/cpu/kernels/isa.h"

#define NAS_COMMON_KERNELS                                                                         \
    .depthwise = NAS_NAME(depthwise), .depthwise_dw = NAS_NAME(depthwise_dw),                      \
    .max_pool = NAS_NAME(max_pool), .max_pool_dx = NAS_NAME(max_pool_dx),                          \
    .avg_pool = NAS_NAME(avg_pool), .relu = NAS_NAME(relu), .relu_dx = NAS_NAME(relu_dx),          \
    .axpy = NAS_NAME(axpy), .moments = NAS_NAME(moments), .mix = NAS_NAME(mix),                    \
    .affine = NAS_NAME(affine), .products = NAS_NAME(products), .combine = NAS_NAME(combine),      \
    .split = NAS_NAME(split), .merge = NAS_NAME(merge)

#endif
