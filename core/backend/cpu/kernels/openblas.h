/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_KERNELS_OPENBLAS_H
#define NAS_BACKEND_CPU_KERNELS_OPENBLAS_H

/* The products of kernel.h through OpenBLAS: one matrix product a tap on shifted pointers. */

#include "backend/cpu/kernels/kernel.h"

#define KERNEL(f)
#define PRODUCT(f) nas_##f##_fn nas_openblas_##f;
#include "backend/cpu/kernels/kernels.def"

#endif
