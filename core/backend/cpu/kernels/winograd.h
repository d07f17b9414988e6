/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_KERNELS_WINOGRAD_H
#define NAS_BACKEND_CPU_KERNELS_WINOGRAD_H

/* Convolutions with five equidistant taps in fewer products (winograd.c), behind conv and pack. */

#include "backend/cpu/kernels/isa.h"

/* conv.c: the kernel that computes every product. */
void NAS_NAME(direct_pack)(int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so,
                           ptrdiff_t si, ptrdiff_t st, mn_real *packed);
void NAS_NAME(direct)(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *packed,
                      const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                      const mn_real *mask, ptrdiff_t image, int accumulate);

/* winograd.c. The weights of n_tap taps by its scheme: none where that has no kernel. */
size_t NAS_NAME(winograd_packed)(int n_out, int n_in);
void NAS_NAME(winograd_pack)(int n_out, int n_in, const mn_real *w, ptrdiff_t so, ptrdiff_t si,
                             ptrdiff_t st, mn_real *packed);
int NAS_NAME(winograd_fits)(int n_out, int n_in, int n_tap, const ptrdiff_t *tap,
                            const mn_real *mask, ptrdiff_t image);
void NAS_NAME(winograd)(int n_out, int n_in, const ptrdiff_t *tap, const mn_real *packed,
                        const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                        const mn_real *mask, ptrdiff_t image, int accumulate);

#endif
