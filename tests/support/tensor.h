/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TENSOR_H
#define TESTS_TENSOR_H

/* Tensors on padded grids with everything around them, so that a test sees each real that a kernel
 * could have touched. Allocation failures fail the test. */

#include "backend/cpu/kernels/kernel.h"

/* Relative to the sum of magnitudes that went into a result. */
#ifdef MN_REAL_DOUBLE
#define TOLERANCE 1e-12
#else
#define TOLERANCE 2e-5
#endif

/* Numbers that are the same on every machine. */
struct noise {
    uint64_t state;
};
uint32_t noise_bits(struct noise *noise);
int noise_int(struct noise *noise, int low, int high); /* both included */
mn_real noise_real(struct noise *noise);               /* -1..1 */

struct tensor {
    struct nas_grid grid;
    int channels;
    size_t reals;
    mn_real *all;  /* [reals] */
    mn_real *at;   /* channel 0, image 0, pixel 0 */
    mn_real *mask; /* [image], that of the grid */
};

/* Zero everywhere; noise writes the pixels only. */
struct tensor tensor_make(int channels, int n, int h, int w, int pad);
struct tensor tensor_noise(struct noise *noise, int channels, int n, int h, int w, int pad);
struct tensor tensor_copy(const struct tensor *t);
/* Magnitudes: |t|. */
struct tensor tensor_abs(const struct tensor *t);
void tensor_free(struct tensor *t);
/* Set `len` reals of every channel from image n0 on. */
void tensor_fill(struct tensor *t, int n0, ptrdiff_t len, mn_real value);

mn_real *noise_array(struct noise *noise, size_t n);
mn_real *abs_array(const mn_real *x, size_t n);

/* Fails the test where |got - want| > tolerance * magnitude, or either is no number: with a zero
 * magnitude, nothing may differ. */
void expect_near(const char *what, size_t n, const mn_real *got, const mn_real *want,
                 const mn_real *magnitude, double tolerance);
void expect_near_double(const char *what, size_t n, const double *got, const double *want,
                        const double *magnitude, double tolerance);

/* A window kh x kw at a dilation, as offsets: (0, 0) is the tap at (k - 1) / 2. */
struct window {
    int kh, kw, dilation;
};
int window_reach(const struct window *w); /* the padding that it needs */
int window_taps(const struct window *w, const struct nas_grid *grid, ptrdiff_t *tap);

/* A range of images, and a window that fits the padding, drawn anew for each of many cases. */
enum { MOST_TAPS = 25 };
struct shape {
    int n, h, w, pad;
    int n0;        /* the first image of the range */
    ptrdiff_t len; /* from it on */
    int n_tap;
    ptrdiff_t tap[MOST_TAPS];
};
struct shape shape_draw(struct noise *noise);

/* All of `n` images of one row each, with as many taps of a 5x5 window around the pixel. Widths in
 * turn leave every tail: of pixels in a vector, and of vectors in a loop's step. */
struct shape shape_rows(int n, int w, int n_tap);
/* Widths from 1 to MOST_TAIL reach round every loop over vectors at least once. */
enum { MOST_TAIL = 80 };
/* Rows about as long as the blocks that sums and masks are cut into. */
extern const int long_rows[];
extern const int n_long_rows;

/* Run check on rows that leave every number of pixels and of taps over: of each width with the nine
 * taps of a 3x3 window, and of one width with any number of taps. */
void each_tail(void (*check)(struct noise *noise, int width, int n_tap), struct noise *noise);

/* Run check with every table that this machine has; names those that it lacks. */
void each_table(void (*check)(const struct nas_kernels *k, void *data), void *data);

#endif
