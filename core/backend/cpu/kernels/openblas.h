/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_KERNELS_OPENBLAS_H
#define NAS_BACKEND_CPU_KERNELS_OPENBLAS_H

/* The products of kernel.h through OpenBLAS: one matrix product a tap on shifted pointers. */

#include "backend/cpu/kernels/kernel.h"

size_t nas_openblas_packed(int n_out, int n_in, int n_tap);
void nas_openblas_pack(int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so, ptrdiff_t si,
                       ptrdiff_t st, mn_real *packed);
void nas_openblas_conv(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *packed,
                       const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                       const mn_real *mask, ptrdiff_t image, int accumulate);
void nas_openblas_conv_dw(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *g,
                          ptrdiff_t gs, const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw,
                          ptrdiff_t so, ptrdiff_t si, ptrdiff_t st);

#endif
