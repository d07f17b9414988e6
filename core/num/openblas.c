/* SPDX-License-Identifier: MIT */
#include "num/openblas.h"

#include "metanas/cx.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>

static void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, mn_real alpha,
                 const mn_real *a, int lda, const mn_real *b, int ldb, mn_real beta, mn_real *c,
                 int ldc) {
#ifdef MN_REAL_DOUBLE
    cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
#else
    cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
#endif
}

void mn__gemm(int trans_a, int trans_b, int m, int n, int k, mn_real alpha, const mn_real *a,
              int lda, const mn_real *b, int ldb, mn_real beta, mn_real *c, int ldc) {
    gemm(trans_a ? CblasTrans : CblasNoTrans, trans_b ? CblasTrans : CblasNoTrans, m, n, k, alpha,
         a, lda, b, ldb, beta, c, ldc);
}

int mn__gemm_init(struct mn_cx *cx) {
    openblas_set_num_threads(1);
    if (openblas_get_parallel() == 2 && openblas_get_num_threads() != 1) {
        return mn_fail(
            cx, MN_UNSUPPORTED,
            "this OpenBLAS is built on OpenMP and keeps its own threads, which would make "
            "results depend on them: install the pthread or serial build "
            "(libopenblas0-pthread), or set OMP_NUM_THREADS=1");
    }
    return MN_OK;
}

const char *mn__gemm_version(void) {
    static char text[160];
    const char *config = openblas_get_config();
    char version[64] = "OpenBLAS";
    sscanf(config, "%*s %50s", version + strlen(strcpy(version, "OpenBLAS ")));
    snprintf(text, sizeof text, "%s (%s)", version, openblas_get_corename());
    return text;
}

const char *mn__gemm_threading(void) {
    static const char *const names[] = {"no threads", "pthreads", "OpenMP"};
    const int built = openblas_get_parallel();
    return built >= 0 && built <= 2 ? names[built] : "unknown threads";
}

/* Packed: [tap][out][in], rows contiguous. */
size_t mn__openblas_packed(int n_out, int n_in, int n_tap) {
    return (size_t)n_out * (size_t)n_in * (size_t)n_tap;
}

void mn__openblas_pack(int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so, ptrdiff_t si,
                       ptrdiff_t st, mn_real *packed) {
    for (int t = 0; t < n_tap; t++) {
        for (int o = 0; o < n_out; o++) {
            for (int i = 0; i < n_in; i++) {
                *packed++ = w[o * so + i * si + t * st];
            }
        }
    }
}

static void multiply_mask(int n, mn_real *y, ptrdiff_t ys, ptrdiff_t len, const mn_real *mask,
                          ptrdiff_t image) {
    for (int o = 0; o < n; o++) {
        for (ptrdiff_t p0 = 0; p0 < len; p0 += image) {
            mn_real *at = y + o * ys + p0;
            const ptrdiff_t part = len - p0 < image ? len - p0 : image;
            for (ptrdiff_t p = 0; p < part; p++) {
                at[p] *= mask[p];
            }
        }
    }
}

/* Where y is added to, its padding is zero before, so masking the sum masks the addend. */
void mn__openblas_conv(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *packed,
                       const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                       const mn_real *mask, ptrdiff_t image, int accumulate) {
    for (int t = 0; t < n_tap; t++) {
        gemm(CblasNoTrans, CblasNoTrans, n_out, (int)len, n_in, 1,
             packed + (ptrdiff_t)t * n_out * n_in, n_in, x + tap[t], (int)xs,
             t == 0 && !accumulate ? 0 : 1, y, (int)ys);
    }
    if (mask != NULL) {
        multiply_mask(n_out, y, ys, len, mask, image);
    }
}

void mn__openblas_conv_dw(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *g,
                          ptrdiff_t gs, const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw,
                          ptrdiff_t so, ptrdiff_t si, ptrdiff_t st) {
    enum { ROWS = 16, COLUMNS = 16 };
    mn_real block[ROWS * COLUMNS];
    for (int t = 0; t < n_tap; t++) {
        for (int o = 0; o < n_out; o += ROWS) {
            const int rows = n_out - o < ROWS ? n_out - o : ROWS;
            for (int i = 0; i < n_in; i += COLUMNS) {
                const int columns = n_in - i < COLUMNS ? n_in - i : COLUMNS;
                gemm(CblasNoTrans, CblasTrans, rows, columns, (int)len, 1, g + o * gs, (int)gs,
                     x + i * xs + tap[t], (int)xs, 0, block, COLUMNS);
                for (int r = 0; r < rows; r++) {
                    for (int c = 0; c < columns; c++) {
                        dw[(o + r) * so + (i + c) * si + t * st] += block[r * COLUMNS + c];
                    }
                }
            }
        }
    }
}
