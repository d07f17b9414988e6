/* SPDX-License-Identifier: MIT */
#ifndef NAS_BACKEND_CPU_KERNELS_GRID_H
#define NAS_BACKEND_CPU_KERNELS_GRID_H

/* How activations lie in memory: [channel][image][row][column], padded with zeros. A row of w
 * pixels is followed by `pad` zeros, which also serve as the left padding of the next row; an image
 * of h rows by at least `pad` zero rows; `guard` zeros lie before the first image of a channel.
 * So a convolution's tap is the same array at another offset, and a batch's channel is one run.
 *
 * Element (c, n, y, x) of a tensor is base[c * channel + n * image + y * row + x]; base points at
 * channel 0, image 0, row 0, column 0. `span` = h * row rounded up to NAS_LANES covers an image's
 * pixels; both are multiples of NAS_LANES, so loops over an image need no tail. image >= span +
 * pad * row: taps of a column read no pixel of the next image, which may not be written yet, not
 * even for what lies behind the last row.
 *
 * Invariant: every tensor's padding is zero, always. Kernels that would write it multiply by the
 * mask. */

#include "metanas/abi.h"

#include <stddef.h>
#include <stdint.h>

enum { NAS_LANES = 16 }; /* reals; loops run over multiples of it */

struct nas_grid {
    int n, h, w; /* images (capacity), rows, columns */
    int pad;     /* zeros between rows, and zero rows between images */
    int row;     /* w + pad */
    ptrdiff_t span, image, guard;
    ptrdiff_t channel;   /* stride; skewed so that channels do not fall on the same cache sets */
    const mn_real *mask; /* [image]: 1 on pixels, 0 on padding; owned by whoever made the grid */
};

/* Fill all but mask. */
void nas_grid_init(struct nas_grid *grid, int n, int h, int w, int pad);
/* Reals of a tensor with `channels` channels, and where its base lies in them. */
size_t nas_grid_reals(const struct nas_grid *grid, int channels);
ptrdiff_t nas_grid_base(const struct nas_grid *grid);
/* Write the mask [image]. */
void nas_grid_mask(const struct nas_grid *grid, mn_real *mask);

/* NCHW to tensor and back, for images n0 <= n < n1 (array index 0 = image n0). `load` writes the
 * padding too. */
void nas_grid_load(const struct nas_grid *grid, int channels, int n0, int n1, const mn_real *nchw,
                   mn_real *tensor);
void nas_grid_store(const struct nas_grid *grid, int channels, int n0, int n1,
                    const mn_real *tensor, mn_real *nchw);

/* tensor += NCHW; the padding stays. */
void nas_grid_add(const struct nas_grid *grid, int channels, int n0, int n1, const mn_real *nchw,
                  mn_real *tensor);

#endif
