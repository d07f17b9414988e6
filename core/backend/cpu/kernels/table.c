/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/isa.h"

/* The table of this instruction set. */
extern const struct nas_kernels NAS_NAME(kernels);

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)

const struct nas_kernels NAS_NAME(kernels) = {
    .name = TEXT(NAS_ISA),
#define KERNEL(f) .f = NAS_NAME(f),
#include "backend/cpu/kernels/kernels.def"
};
