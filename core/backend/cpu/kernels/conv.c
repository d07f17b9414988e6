/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/winograd.h"

#include <string.h>

/* Convolution as a product on shifted pointers: a block of NAS_BLOCK_ROWS output channels by two
 * vectors of pixels stays in registers while the loop runs over taps and input channels. Packed
 * weights are [block][tap][in][row of the block], so that the loop reads them in order. */

void NAS_NAME(direct_pack)(int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so,
                           ptrdiff_t si, ptrdiff_t st, mn_real *packed) {
    for (int o = 0; o < n_out;) {
        const int rows = nas_part(n_out - o, NAS_BLOCK_ROWS);
        for (int t = 0; t < n_tap; t++) {
            for (int i = 0; i < n_in; i++) {
                for (int r = 0; r < rows; r++) {
                    *packed++ = w[(o + r) * so + i * si + t * st];
                }
            }
        }
        o += rows;
    }
}

/* What a block of outputs needs to know. */
struct job {
    int n_in, n_tap, accumulate;
    const ptrdiff_t *tap;
    const mn_real *packed;
    const mn_real *x;
    ptrdiff_t xs;
    mn_real *y;
    ptrdiff_t ys;
    const mn_real *mask; /* of the first pixel, or NULL */
};

/* A tile of `rows` channels by `wide` vectors. Both are constant where this is called, so that its
 * sums become registers. */
static inline __attribute__((always_inline)) void tile(int rows, int wide, const struct job *j,
                                                       ptrdiff_t p, ptrdiff_t in_image) {
    nas_vec acc[NAS_BLOCK_ROWS][2], in[2];
    const mn_real *w = j->packed;
    NAS_UNROLL
    for (int r = 0; r < rows; r++) {
        acc[r][0] = acc[r][1] = (nas_vec){0};
    }
    for (int t = 0; t < j->n_tap; t++) {
        const mn_real *x = j->x + p + j->tap[t];
        for (int i = 0; i < j->n_in; i++) {
            NAS_UNROLL
            for (int v = 0; v < wide; v++) {
                in[v] = nas_load(x + v * NAS_V);
            }
            NAS_UNROLL
            for (int r = 0; r < rows; r++) {
                NAS_UNROLL
                for (int v = 0; v < wide; v++) {
                    acc[r][v] += nas_splat(w[r]) * in[v];
                }
            }
            x += j->xs;
            w += rows;
        }
    }
    NAS_UNROLL
    for (int r = 0; r < rows; r++) {
        NAS_UNROLL
        for (int v = 0; v < wide; v++) {
            nas_put(j->y + r * j->ys + p + v * NAS_V, acc[r][v], j->mask, in_image + v * NAS_V,
                    j->accumulate);
        }
    }
}

/* The first `len` pixels of an image that starts at p0, for one block of outputs. */
#define BLOCK(R)                                                                                   \
    static void block_##R(const struct job *j, ptrdiff_t p0, ptrdiff_t len) {                      \
        ptrdiff_t p = 0;                                                                           \
        for (; p + 2 * NAS_V <= len; p += 2 * NAS_V) {                                             \
            tile(R, 2, j, p0 + p, p);                                                              \
        }                                                                                          \
        if (p < len) {                                                                             \
            tile(R, 1, j, p0 + p, p);                                                              \
        }                                                                                          \
    }

NAS_EACH_ROWS(BLOCK)

#define NAME(R) block_##R,
static void (*const blocks[])(const struct job *j, ptrdiff_t p0,
                              ptrdiff_t len) = {NAS_EACH_ROWS(NAME)};

void NAS_NAME(direct)(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *packed,
                      const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                      const mn_real *mask, ptrdiff_t image, int accumulate) {
    const ptrdiff_t used = mask == NULL ? image : nas_used_of(mask, image);
    for (ptrdiff_t p = 0; p < len; p += image) {
        const ptrdiff_t part = len - p < image ? len - p : image,
                        pixels = part < used ? part : used;
        struct job j = {n_in, n_tap, accumulate, tap, packed, x, xs, y, ys, mask};
        for (int o = 0; o < n_out;) {
            const int rows = nas_part(n_out - o, NAS_BLOCK_ROWS);
            blocks[rows - 1](&j, p, pixels);
            j.packed += (ptrdiff_t)rows * n_in * n_tap;
            j.y += rows * ys;
            o += rows;
        }
        for (int o = 0; o < n_out && !accumulate && pixels < part; o++) {
            memset(y + o * ys + p + pixels, 0, (size_t)(part - pixels) * sizeof *y);
        }
    }
}

/* ---- the table's entries: both forms of the weights where either may be asked for ---------- */

static size_t direct_packed(int n_out, int n_in, int n_tap) {
    return (size_t)n_out * (size_t)n_in * (size_t)n_tap;
}

size_t NAS_NAME(packed)(int n_out, int n_in, int n_tap) {
    return direct_packed(n_out, n_in, n_tap) +
           (n_tap == 5 ? NAS_NAME(winograd_packed)(n_out, n_in) : 0);
}

void NAS_NAME(pack)(int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so, ptrdiff_t si,
                    ptrdiff_t st, mn_real *packed) {
    NAS_NAME(direct_pack)(n_out, n_in, n_tap, w, so, si, st, packed);
    if (n_tap == 5) {
        NAS_NAME(winograd_pack)
        (n_out, n_in, w, so, si, st, packed + direct_packed(n_out, n_in, n_tap));
    }
}

void NAS_NAME(conv)(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *packed,
                    const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                    const mn_real *mask, ptrdiff_t image, int accumulate) {
    if (NAS_NAME(winograd_fits)(n_out, n_in, n_tap, tap, mask, image)) {
        NAS_NAME(winograd)
        (n_out, n_in, tap, packed + direct_packed(n_out, n_in, n_tap), x, xs, y, ys, len, mask,
         image, accumulate);
    } else {
        NAS_NAME(direct)
        (n_out, n_in, n_tap, tap, packed, x, xs, y, ys, len, mask, image, accumulate);
    }
}
