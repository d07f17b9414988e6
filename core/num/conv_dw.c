/* SPDX-License-Identifier: MIT */
#include "num/isa.h"

/* Weight gradients of a convolution: for every (output, input, tap) a sum over pixels. A block of
 * outputs by inputs keeps one vector of partial sums each in registers. */

#if MN__VECTOR_BYTES == 64
enum { OUTS = 5, INS = 5 };
#else
enum { OUTS = 3, INS = 3 };
#endif

struct job {
    const mn_real *g, *x;
    ptrdiff_t gs, xs, len;
    mn_real *dw;
    ptrdiff_t so, si;
};

#define TILE(O, I)                                                                                 \
    static void tile_##O##_##I(const struct job *j) {                                              \
        mn__vec acc[O][I];                                                                         \
        _Pragma("GCC unroll 5") for (int o = 0; o < O; o++) {                                      \
            _Pragma("GCC unroll 5") for (int i = 0; i < I; i++) {                                  \
                acc[o][i] = (mn__vec){0};                                                          \
            }                                                                                      \
        }                                                                                          \
        for (ptrdiff_t p = 0; p < j->len; p += MN__V) {                                            \
            mn__vec x[I];                                                                          \
            _Pragma("GCC unroll 5") for (int i = 0; i < I; i++) {                                  \
                x[i] = mn__load(j->x + i * j->xs + p);                                             \
            }                                                                                      \
            _Pragma("GCC unroll 5") for (int o = 0; o < O; o++) {                                  \
                const mn__vec g = mn__load(j->g + o * j->gs + p);                                  \
                _Pragma("GCC unroll 5") for (int i = 0; i < I; i++) {                              \
                    acc[o][i] += g * x[i];                                                         \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        _Pragma("GCC unroll 5") for (int o = 0; o < O; o++) {                                      \
            _Pragma("GCC unroll 5") for (int i = 0; i < I; i++) {                                  \
                j->dw[o * j->so + i * j->si] += (mn_real)mn__sum(acc[o][i]);                       \
            }                                                                                      \
        }                                                                                          \
    }

#define TILES(O) TILE(O, 1) TILE(O, 2) TILE(O, 3)
#if MN__VECTOR_BYTES == 64
#undef TILES
#define TILES(O) TILE(O, 1) TILE(O, 2) TILE(O, 3) TILE(O, 4) TILE(O, 5)
#endif

TILES(1)
TILES(2)
TILES(3)
#if MN__VECTOR_BYTES == 64
TILES(4)
TILES(5)
#endif

typedef void (*tile_fn)(const struct job *j);

#if MN__VECTOR_BYTES == 64
#define ROW(O)                                                                                     \
    { NULL, tile_##O##_1, tile_##O##_2, tile_##O##_3, tile_##O##_4, tile_##O##_5 }
static const tile_fn tiles[6][6] = {{NULL}, ROW(1), ROW(2), ROW(3), ROW(4), ROW(5)};
#else
#define ROW(O)                                                                                     \
    { NULL, tile_##O##_1, tile_##O##_2, tile_##O##_3 }
static const tile_fn tiles[4][4] = {{NULL}, ROW(1), ROW(2), ROW(3)};
#endif

/* Block sizes as even as possible. */
static int part_of(int left, int most) {
    const int blocks = (left + most - 1) / most;
    return (left + blocks - 1) / blocks;
}

void MN__NAME(conv_dw)(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *g,
                       ptrdiff_t gs, const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw,
                       ptrdiff_t so, ptrdiff_t si, ptrdiff_t st) {
    for (int o = 0; o < n_out;) {
        const int outs = part_of(n_out - o, OUTS);
        for (int t = 0; t < n_tap; t++) {
            for (int i = 0; i < n_in;) {
                const int ins = part_of(n_in - i, INS);
                const struct job j = {g + o * gs, x + i * xs + tap[t],           gs, xs,
                                      len,        dw + o * so + i * si + t * st, so, si};
                tiles[outs][ins](&j);
                i += ins;
            }
        }
        o += outs;
    }
}
