/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/table.h"

/* The table of this instruction set. */
extern const struct nas_kernels NAS_NAME(kernels);

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)

const struct nas_kernels NAS_NAME(kernels) = {
    .name = TEXT(NAS_ISA),
    .packed = NAS_NAME(packed),
    .pack = NAS_NAME(pack),
    .conv = NAS_NAME(conv),
    .conv_dw = NAS_NAME(conv_dw),
    NAS_COMMON_KERNELS,
};
