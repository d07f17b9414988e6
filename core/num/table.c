/* SPDX-License-Identifier: MIT */
#include "num/table.h"

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
    MN__COMMON_KERNELS,
};
