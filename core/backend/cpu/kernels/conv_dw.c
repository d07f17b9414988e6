/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/isa.h"

/* Weight gradients of a convolution: for every (output, input, tap) a sum over pixels. A block of
 * outputs by inputs keeps one vector of partial sums each in registers. */

struct job {
    const mn_real *g, *x;
    ptrdiff_t gs, xs, len;
    mn_real *dw;
    ptrdiff_t so, si;
};

static void add(int outs, int ins, const nas_quad *sums, const struct job *j) {
    for (int o = 0; o < outs; o++) {
        for (int i = 0; i < ins; i++) {
            const nas_quad q = *sums++;
            mn_real sum = q[0] + q[1];
            if (NAS_QUAD == 4) {
                sum += q[NAS_QUAD - 2] + q[NAS_QUAD - 1];
            }
            j->dw[o * j->so + i * j->si] += sum;
        }
    }
}

/* The block's size is constant where this is called, so that its sums become registers. */
static inline __attribute__((always_inline)) void tile(int outs, int ins, const struct job *j) {
    nas_vec acc[NAS_BLOCK_OUTS * NAS_BLOCK_INS], x[NAS_BLOCK_INS];
    nas_quad sums[NAS_BLOCK_OUTS * NAS_BLOCK_INS];
    NAS_UNROLL
    for (int k = 0; k < outs * ins; k++) {
        acc[k] = (nas_vec){0};
    }
    for (ptrdiff_t p = 0; p < j->len; p += NAS_V) {
        NAS_UNROLL
        for (int i = 0; i < ins; i++) {
            x[i] = nas_load(j->x + i * j->xs + p);
        }
        NAS_UNROLL
        for (int o = 0; o < outs; o++) {
            const nas_vec g = nas_load(j->g + o * j->gs + p);
            NAS_UNROLL
            for (int i = 0; i < ins; i++) {
                acc[o * ins + i] += g * x[i];
            }
        }
    }
    NAS_UNROLL
    for (int k = 0; k < outs * ins; k++) {
        sums[k] = nas_fold(acc[k]);
    }
    add(outs, ins, sums, j);
}

#define TILE(O, I)                                                                                 \
    static void tile_##O##_##I(const struct job *j) {                                              \
        tile(O, I, j);                                                                             \
    }
NAS_EACH_BLOCK(TILE)

#define NAME(O, I) tile_##O##_##I,
static void (*const tiles[])(const struct job *j) = {NAS_EACH_BLOCK(NAME)};

void NAS_NAME(conv_dw)(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *g,
                       ptrdiff_t gs, const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw,
                       ptrdiff_t so, ptrdiff_t si, ptrdiff_t st) {
    for (int o = 0; o < n_out;) {
        const int outs = nas_part(n_out - o, NAS_BLOCK_OUTS);
        for (int i = 0; i < n_in;) {
            const int ins = nas_part(n_in - i, NAS_BLOCK_INS);
            for (int t = 0; t < n_tap; t++) { /* innermost: the rows are in the first cache */
                const struct job j = {g + o * gs, x + i * xs + tap[t],           gs, xs,
                                      len,        dw + o * so + i * si + t * st, so, si};
                tiles[(outs - 1) * NAS_BLOCK_INS + ins - 1](&j);
            }
            i += ins;
        }
        o += outs;
    }
}
