/* SPDX-License-Identifier: MIT */
#include "num/isa.h"

/* Convolution as a product on shifted pointers: a block of MN__BLOCK_ROWS output channels by two
 * vectors of pixels stays in registers while the loop runs over taps and input channels. Packed
 * weights are [block][tap][in][row of the block], so that the loop reads them in order. */

/* Rows of each block: as even as blocks of at most MN__BLOCK_ROWS can be. */
static int block_rows(int n_out, int done) {
    const int left = n_out - done;
    const int blocks = (left + MN__BLOCK_ROWS - 1) / MN__BLOCK_ROWS;
    return (left + blocks - 1) / blocks;
}

size_t MN__NAME(packed)(int n_out, int n_in, int n_tap) {
    return (size_t)n_out * (size_t)n_in * (size_t)n_tap;
}

void MN__NAME(pack)(int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so, ptrdiff_t si,
                    ptrdiff_t st, mn_real *packed) {
    for (int o = 0; o < n_out;) {
        const int rows = block_rows(n_out, o);
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

/* One tile of R channels by N vectors. */
#define TILE(R, N)                                                                                 \
    static void tile_##R##_##N(const struct job *j, ptrdiff_t p, ptrdiff_t in_image) {             \
        mn__vec acc[R][N];                                                                         \
        _Pragma("GCC unroll 14") for (int r = 0; r < R; r++) {                                     \
            _Pragma("GCC unroll 2") for (int v = 0; v < N; v++) {                                  \
                acc[r][v] = (mn__vec){0};                                                          \
            }                                                                                      \
        }                                                                                          \
        const mn_real *w = j->packed;                                                              \
        for (int t = 0; t < j->n_tap; t++) {                                                       \
            const mn_real *x = j->x + p + j->tap[t];                                               \
            for (int i = 0; i < j->n_in; i++) {                                                    \
                mn__vec in[N];                                                                     \
                _Pragma("GCC unroll 2") for (int v = 0; v < N; v++) {                              \
                    in[v] = mn__load(x + v * MN__V);                                               \
                }                                                                                  \
                _Pragma("GCC unroll 14") for (int r = 0; r < R; r++) {                             \
                    const mn__vec wr = mn__splat(w[r]);                                            \
                    _Pragma("GCC unroll 2") for (int v = 0; v < N; v++) {                          \
                        acc[r][v] += wr * in[v];                                                   \
                    }                                                                              \
                }                                                                                  \
                x += j->xs;                                                                        \
                w += R;                                                                            \
            }                                                                                      \
        }                                                                                          \
        _Pragma("GCC unroll 14") for (int r = 0; r < R; r++) {                                     \
            _Pragma("GCC unroll 2") for (int v = 0; v < N; v++) {                                  \
                mn_real *to = j->y + r * j->ys + p + v * MN__V;                                    \
                mn__vec out = acc[r][v];                                                           \
                if (j->mask != NULL) {                                                             \
                    out *= mn__load(j->mask + in_image + v * MN__V);                               \
                }                                                                                  \
                mn__store(to, j->accumulate ? mn__load(to) + out : out);                           \
            }                                                                                      \
        }                                                                                          \
    }

#define TILES(R) TILE(R, 2) TILE(R, 1)

TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
#if MN__BLOCK_ROWS > 6
TILES(7)
TILES(8)
TILES(9)
TILES(10)
TILES(11)
TILES(12)
TILES(13)
TILES(14)
#endif

typedef void (*tile_fn)(const struct job *j, ptrdiff_t p, ptrdiff_t in_image);

static const tile_fn tiles[][2] = {
    {NULL, NULL},           {tile_1_1, tile_1_2},   {tile_2_1, tile_2_2},   {tile_3_1, tile_3_2},
    {tile_4_1, tile_4_2},   {tile_5_1, tile_5_2},   {tile_6_1, tile_6_2},
#if MN__BLOCK_ROWS > 6
    {tile_7_1, tile_7_2},   {tile_8_1, tile_8_2},   {tile_9_1, tile_9_2},   {tile_10_1, tile_10_2},
    {tile_11_1, tile_11_2}, {tile_12_1, tile_12_2}, {tile_13_1, tile_13_2}, {tile_14_1, tile_14_2},
#endif
};

/* All pixels of one image of the range for one block of outputs. */
static void block_image(const struct job *j, int rows, ptrdiff_t p0, ptrdiff_t len) {
    ptrdiff_t p = 0;
    for (; p + 2 * MN__V <= len; p += 2 * MN__V) {
        tiles[rows][1](j, p0 + p, p);
    }
    for (; p < len; p += MN__V) {
        tiles[rows][0](j, p0 + p, p);
    }
}

void MN__NAME(conv)(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *packed,
                    const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                    const mn_real *mask, ptrdiff_t image, int accumulate) {
    const ptrdiff_t step = mask == NULL ? len : image;
    for (ptrdiff_t p = 0; p < len; p += step) {
        const ptrdiff_t part = len - p < step ? len - p : step;
        struct job j = {n_in, n_tap, accumulate, tap, packed, x, xs, y, ys, mask};
        for (int o = 0; o < n_out;) {
            const int rows = block_rows(n_out, o);
            block_image(&j, rows, p, part);
            j.packed += (ptrdiff_t)rows * n_in * n_tap;
            j.y += rows * ys;
            o += rows;
        }
    }
}
