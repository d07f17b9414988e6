/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/grid.h"

#include <string.h>

static ptrdiff_t round_up(ptrdiff_t n, ptrdiff_t to) {
    return (n + to - 1) / to * to;
}

void nas_grid_init(struct nas_grid *grid, int n, int h, int w, int pad) {
    enum { SLACK = 8 * NAS_LANES, LINE = 4096 };
    const ptrdiff_t row = w + pad;
    const ptrdiff_t span = round_up(h * row, NAS_LANES);
    const ptrdiff_t image = round_up(span + pad * row, NAS_LANES);
    const ptrdiff_t guard = round_up(pad * row + pad, NAS_LANES);
    ptrdiff_t channel = guard + n * image + SLACK;
    /* Channels a multiple of a page apart would share cache sets. */
    while (channel * (ptrdiff_t)sizeof(mn_real) % LINE < 3 * 64 ||
           channel * (ptrdiff_t)sizeof(mn_real) % LINE > LINE - 3 * 64) {
        channel += NAS_LANES;
    }
    *grid = (struct nas_grid){.n = n,
                              .h = h,
                              .w = w,
                              .pad = pad,
                              .row = (int)row,
                              .span = span,
                              .image = image,
                              .guard = guard,
                              .channel = channel};
}

/* After the last channel, taps may read a guard further on. */
size_t nas_grid_reals(const struct nas_grid *grid, int channels) {
    return (size_t)(channels * grid->channel + 2 * grid->guard);
}

ptrdiff_t nas_grid_base(const struct nas_grid *grid) {
    return grid->guard;
}

void nas_grid_mask(const struct nas_grid *grid, mn_real *mask) {
    for (ptrdiff_t p = 0; p < grid->image; p++) {
        mask[p] = p / grid->row < grid->h && p % grid->row < grid->w ? 1 : 0;
    }
}

void nas_grid_load(const struct nas_grid *grid, int channels, int n0, int n1, const mn_real *nchw,
                   mn_real *tensor) {
    for (int n = n0; n < n1; n++) {
        for (int c = 0; c < channels; c++) {
            mn_real *image = tensor + c * grid->channel + n * grid->image;
            memset(image, 0, (size_t)grid->image * sizeof *image);
            for (int y = 0; y < grid->h; y++) {
                memcpy(image + y * grid->row, nchw, (size_t)grid->w * sizeof *nchw);
                nchw += grid->w;
            }
        }
    }
}

void nas_grid_store(const struct nas_grid *grid, int channels, int n0, int n1,
                    const mn_real *tensor, mn_real *nchw) {
    for (int n = n0; n < n1; n++) {
        for (int c = 0; c < channels; c++) {
            const mn_real *image = tensor + c * grid->channel + n * grid->image;
            for (int y = 0; y < grid->h; y++) {
                memcpy(nchw, image + y * grid->row, (size_t)grid->w * sizeof *nchw);
                nchw += grid->w;
            }
        }
    }
}

void nas_grid_add(const struct nas_grid *grid, int channels, int n0, int n1, const mn_real *nchw,
                  mn_real *tensor) {
    for (int n = n0; n < n1; n++) {
        for (int c = 0; c < channels; c++) {
            mn_real *image = tensor + c * grid->channel + n * grid->image;
            for (int y = 0; y < grid->h; y++) {
                for (int x = 0; x < grid->w; x++) {
                    image[y * grid->row + x] += *nchw++;
                }
            }
        }
    }
}
