/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/openblas.h"

#include "metanas/host.h"

#include <cblas.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* OpenBLAS is opened when it is first needed, not linked: it makes its threads when it is loaded,
 * before main, and ends the process with SIGINT where it gets none; and only what stands in the
 * environment by then keeps it from that. */

#ifdef MN_REAL_DOUBLE
#define GEMM "cblas_dgemm"
#else
#define GEMM "cblas_sgemm"
#endif

typedef void (*gemm_fn)(CBLAS_ORDER order, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m,
                        blasint n, blasint k, mn_real alpha, const mn_real *a, blasint lda,
                        const mn_real *b, blasint ldb, mn_real beta, mn_real *c, blasint ldc);

static struct {
    void *library;
    gemm_fn gemm;
    void (*set_num_threads)(int n);
    int (*get_num_threads)(void), (*get_parallel)(void);
    char *(*get_config)(void), *(*get_corename)(void);
    /* Its own, for the buffers of its calls; an OpenBLAS may lack them. */
    void *(*memory_alloc)(int position);
    void (*memory_free)(void *buffer);
    int buffers;       /* it has got so many */
    char problem[512]; /* why it could not be opened */
} blas;

static int find(const char *name, void *out) {
    void *at = dlsym(blas.library, name);
    memcpy(out, &at, sizeof at);
    return at != NULL;
}

/* Set a variable while the library is loaded. Returns what stood there, for restore. */
static char *preset(const char *name) {
    const char *old = getenv(name);
    char *copy = old != NULL ? strdup(old) : NULL;
    setenv(name, "1", 1);
    return copy;
}

static void restore(const char *name, char *old) {
    if (old != NULL) {
        setenv(name, old, 1);
    } else {
        unsetenv(name);
    }
    free(old);
}

/* 1 = it is there. */
static int load(void) {
    if (blas.gemm != NULL) {
        return 1;
    }
    /* The loader's own path comes first: there a system chooses among its builds of OpenBLAS. */
    static const char *const names[] = {NAS_OPENBLAS, NAS_OPENBLAS_DIR "/" NAS_OPENBLAS,
                                        NAS_OPENBLAS_DIR "/libopenblas.so", "libopenblas.so"};
    char *threads = preset("OPENBLAS_NUM_THREADS"), *openmp = preset("OMP_NUM_THREADS");
    for (size_t i = 0; blas.library == NULL && i < sizeof names / sizeof names[0]; i++) {
        blas.library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (blas.library == NULL && i == 0) {
            const char *why = dlerror();
            snprintf(blas.problem, sizeof blas.problem, "%s", why != NULL ? why : "unknown");
        }
    }
    restore("OPENBLAS_NUM_THREADS", threads);
    restore("OMP_NUM_THREADS", openmp);
    if (blas.library == NULL) {
        return 0;
    }
    gemm_fn product = NULL;
    if (!find(GEMM, &product) || !find("openblas_set_num_threads", &blas.set_num_threads) ||
        !find("openblas_get_num_threads", &blas.get_num_threads) ||
        !find("openblas_get_parallel", &blas.get_parallel) ||
        !find("openblas_get_config", &blas.get_config) ||
        !find("openblas_get_corename", &blas.get_corename)) {
        snprintf(blas.problem, sizeof blas.problem, "it lacks %s or one of openblas_get_*", GEMM);
        return 0;
    }
    if (!find("blas_memory_alloc", &blas.memory_alloc) ||
        !find("blas_memory_free", &blas.memory_free)) {
        blas.memory_alloc = NULL;
    }
    blas.gemm = product;
    return 1;
}

void nas_gemm(int trans_a, int trans_b, int m, int n, int k, mn_real alpha, const mn_real *a,
              int lda, const mn_real *b, int ldb, mn_real beta, mn_real *c, int ldc) {
    blas.gemm(CblasRowMajor, trans_a ? CblasTrans : CblasNoTrans,
              trans_b ? CblasTrans : CblasNoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

int nas_gemm_init(struct mn_ctx *ctx) {
    if (!load()) {
        const int memory = strstr(blas.problem, "map segment") != NULL ||
                           strstr(blas.problem, "allocate memory") != NULL;
        return mn_fail(ctx, memory ? MN_NOMEM : MN_UNSUPPORTED, "cannot load OpenBLAS: %s",
                       blas.problem);
    }
    blas.set_num_threads(1);
    if (blas.get_parallel() == 2 && blas.get_num_threads() != 1) {
        return mn_fail(
            ctx, MN_UNSUPPORTED,
            "this OpenBLAS is built on OpenMP and keeps its own threads, which would make "
            "results depend on them: install the pthread or serial build "
            "(libopenblas0-pthread), or set OMP_NUM_THREADS=1");
    }
    return nas_gemm_reserve(ctx, 1);
}

/* ---- memory ------------------------------------------------------------------------------- */

/* The largest that an OpenBLAS takes for a call, on x86-64 and ARM. */
static const size_t buffer_bytes = (size_t)128 << 20;

static int no_buffers(struct mn_ctx *ctx, int calls) {
    struct rlimit limit;
    char bound[80] = "";
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        snprintf(bound, sizeof bound, "; the limit of this process is %llu MiB (ulimit -v)",
                 (unsigned long long)limit.rlim_cur >> 20);
    }
    return mn_fail(ctx, MN_NOMEM,
                   "no memory for OpenBLAS: it takes %zu MiB of addresses a thread, for %d%s; "
                   "lower run.workers or allow more",
                   buffer_bytes >> 20, calls, bound);
}

/* OpenBLAS asks for memory again and again until it gets some, deaf to every signal. So it is
 * tried whether there is any, and then it gets its buffers at once, which it keeps for good. */
int nas_gemm_reserve(struct mn_ctx *ctx, int calls) {
    if (calls <= blas.buffers) {
        return MN_OK;
    }
    const size_t bytes = (size_t)(calls - blas.buffers) * buffer_bytes;
    void *tried = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (tried == MAP_FAILED) {
        return no_buffers(ctx, calls);
    }
    munmap(tried, bytes);
    void **buffers = calloc((size_t)calls, sizeof *buffers);
    if (buffers == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a list of %d buffers", calls);
    }
    int got = 0;
    while (blas.memory_alloc != NULL && got < calls &&
           (buffers[got] = blas.memory_alloc(0)) != NULL) {
        got++;
    }
    for (int i = 0; i < got; i++) {
        blas.memory_free(buffers[i]);
    }
    free(buffers);
    if (blas.memory_alloc != NULL && got < calls) {
        return mn_fail(ctx, MN_UNSUPPORTED,
                       "this OpenBLAS serves %d threads at once, not %d: lower run.workers", got,
                       calls);
    }
    blas.buffers = calls;
    return MN_OK;
}

/* ---- what it is --------------------------------------------------------------------------- */

const char *nas_gemm_version(void) {
    static char text[640];
    if (!load()) {
        snprintf(text, sizeof text, "OpenBLAS cannot be loaded: %s", blas.problem);
        return text;
    }
    char version[64] = "OpenBLAS";
    sscanf(blas.get_config(), "%*s %50s", version + strlen(strcpy(version, "OpenBLAS ")));
    snprintf(text, sizeof text, "%s (%s)", version, blas.get_corename());
    return text;
}

const char *nas_gemm_threading(void) {
    static const char *const names[] = {"no threads", "pthreads", "OpenMP"};
    const int built = load() ? blas.get_parallel() : -1;
    return built >= 0 && built <= 2 ? names[built] : "unknown threads";
}

/* Packed: [tap][out][in], rows contiguous. */
size_t nas_openblas_packed(int n_out, int n_in, int n_tap) {
    return (size_t)n_out * (size_t)n_in * (size_t)n_tap;
}

void nas_openblas_pack(int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so, ptrdiff_t si,
                       ptrdiff_t st, mn_real *packed) {
    for (int t = 0; t < n_tap; t++) {
        for (int o = 0; o < n_out; o++) {
            for (int i = 0; i < n_in; i++) {
                *packed++ = w[o * so + i * si + t * st];
            }
        }
    }
}

/* Where y is added to, its padding is zero before, so masking the sum masks the addend. */
void nas_openblas_conv(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *packed,
                       const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                       const mn_real *mask, ptrdiff_t image, int accumulate) {
    for (int t = 0; t < n_tap; t++) {
        nas_gemm(0, 0, n_out, (int)len, n_in, 1, packed + (ptrdiff_t)t * n_out * n_in, n_in,
                 x + tap[t], (int)xs, t == 0 && !accumulate ? 0 : 1, y, (int)ys);
    }
    for (int o = 0; o < n_out && mask != NULL; o++) {
        for (ptrdiff_t p0 = 0; p0 < len; p0 += image) {
            mn_real *at = y + o * ys + p0;
            const ptrdiff_t part = len - p0 < image ? len - p0 : image;
            for (ptrdiff_t p = 0; p < part; p++) {
                at[p] *= mask[p];
            }
        }
    }
}

void nas_openblas_conv_dw(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *g,
                          ptrdiff_t gs, const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw,
                          ptrdiff_t so, ptrdiff_t si, ptrdiff_t st) {
    enum { ROWS = 16, COLUMNS = 16 };
    mn_real block[ROWS * COLUMNS];
    for (int t = 0; t < n_tap; t++) {
        for (int o = 0; o < n_out; o += ROWS) {
            const int rows = n_out - o < ROWS ? n_out - o : ROWS;
            for (int i = 0; i < n_in; i += COLUMNS) {
                const int columns = n_in - i < COLUMNS ? n_in - i : COLUMNS;
                nas_gemm(0, 1, rows, columns, (int)len, 1, g + o * gs, (int)gs, x + i * xs + tap[t],
                         (int)xs, 0, block, COLUMNS);
                for (int r = 0; r < rows; r++) {
                    for (int c = 0; c < columns; c++) {
                        dw[(o + r) * so + (i + c) * si + t * st] += block[r * COLUMNS + c];
                    }
                }
            }
        }
    }
}
