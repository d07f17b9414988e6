/* SPDX-License-Identifier: MIT */
#ifndef MN__NUM_WINOGRAD_H
#define MN__NUM_WINOGRAD_H

/* Convolutions with five equidistant taps in fewer products (winograd.c), behind conv and pack. */

#include "num/isa.h"

/* conv.c: the kernel that computes every product. */
void MN__NAME(direct_pack)(int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so,
                           ptrdiff_t si, ptrdiff_t st, mn_real *packed);
void MN__NAME(direct)(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *packed,
                      const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                      const mn_real *mask, ptrdiff_t image, int accumulate);

/* winograd.c. The weights of n_tap taps by its scheme: none where that has no kernel. */
size_t MN__NAME(winograd_packed)(int n_out, int n_in);
void MN__NAME(winograd_pack)(int n_out, int n_in, const mn_real *w, ptrdiff_t so, ptrdiff_t si,
                             ptrdiff_t st, mn_real *packed);
int MN__NAME(winograd_fits)(int n_out, int n_in, int n_tap, const ptrdiff_t *tap,
                            const mn_real *mask, ptrdiff_t image);
void MN__NAME(winograd)(int n_out, int n_in, const ptrdiff_t *tap, const mn_real *packed,
                        const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                        const mn_real *mask, ptrdiff_t image, int accumulate);

#endif
