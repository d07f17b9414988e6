/* SPDX-License-Identifier: MIT */
/* Products of bfloat16 numbers with sums in float (AVX512_BF16): twice the multiply-adds an
 * instruction. Activations, gradients and weights stay in float everywhere else and are rounded on
 * the way into a product, a chunk of pixels at a time. The rest of the table is that of AVX-512. */
#include "backend/cpu/kernels/isa.h"

#include <immintrin.h>
#include <string.h>

extern const struct nas_kernels nas_bf16_kernels;

enum {
    BLOCK = 16,    /* pairs of input channels that are converted together */
    ROOM = 1 << 14 /* pairs of the converted chunk: 64 KB of stack */
};

static const ptrdiff_t least_chunk = 64;

/* ---- conversion --------------------------------------------------------------------------- */

/* The nearest, of two the even one; what is no number stays none. */
static uint32_t rounded(mn_real x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) {
        return (bits >> 16) | 0x40;
    }
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}

static __m512i widened(__m256bh x) {
    return _mm512_cvtepu16_epi32((__m256i)x);
}

/* Two channels as one array of pairs, the first in the low half; no second one = 0. */
static void make_pairs(const mn_real *first, const mn_real *second, ptrdiff_t len, uint32_t *out) {
    for (ptrdiff_t p = 0; p < len; p += NAS_V) {
        __m512i pair = widened(_mm512_cvtneps_pbh(_mm512_loadu_ps(first + p)));
        if (second != NULL) {
            const __m512i high = widened(_mm512_cvtneps_pbh(_mm512_loadu_ps(second + p)));
            pair = _mm512_or_si512(pair, _mm512_slli_epi32(high, 16));
        }
        _mm512_storeu_si512(out + p, pair);
    }
}

static void make_halves(const mn_real *x, ptrdiff_t len, uint16_t *out) {
    for (ptrdiff_t p = 0; p < len; p += NAS_V) {
        const __m256bh half = _mm512_cvtneps_pbh(_mm512_loadu_ps(x + p));
        _mm256_storeu_si256((__m256i *)(void *)(out + p), (__m256i)half);
    }
}

/* ---- where the taps read ------------------------------------------------------------------ */

/* Taps of a stride-2 convolution lie in four tensors far from each other. What is read for a chunk
 * of pixels is a run for each group of taps that are near to each other. */
enum { MOST_TAPS = 64, NEAR = 512 };

struct runs {
    int n;
    ptrdiff_t low[MOST_TAPS], high[MOST_TAPS]; /* taps of each */
    int run[MOST_TAPS];                        /* which one a tap is in */
    ptrdiff_t reach;                           /* of all: reals more than one a pixel and run */
};

static void find_runs(int n_tap, const ptrdiff_t *tap, struct runs *r) {
    r->n = 0;
    r->reach = 0;
    for (int t = 0; t < n_tap; t++) {
        int i = 0;
        while (i < r->n && (tap[t] > r->low[i] + NEAR || tap[t] < r->high[i] - NEAR)) {
            i++;
        }
        if (i == r->n) {
            r->low[i] = r->high[i] = tap[t];
            r->n++;
        }
        r->low[i] = tap[t] < r->low[i] ? tap[t] : r->low[i];
        r->high[i] = tap[t] > r->high[i] ? tap[t] : r->high[i];
        r->run[t] = i;
    }
    for (int i = 0; i < r->n; i++) {
        r->reach += r->high[i] - r->low[i] + NAS_V;
    }
}

/* Length of run i for `len` pixels. Reads up to a vector further, as all kernels may. */
static ptrdiff_t run_length(const struct runs *r, int i, ptrdiff_t len) {
    return (len + r->high[i] - r->low[i] + NAS_V - 1) / NAS_V * NAS_V;
}

/* Where each tap finds its pixel when the runs follow each other, `gap` apart; returns their
 * length together. */
static ptrdiff_t place_taps(const struct runs *r, int n_tap, const ptrdiff_t *tap, ptrdiff_t len,
                            ptrdiff_t gap, ptrdiff_t *at) {
    ptrdiff_t first[MOST_TAPS], total = 0;
    for (int i = 0; i < r->n; i++) {
        first[i] = total - r->low[i];
        total += run_length(r, i, len) + gap;
    }
    for (int t = 0; t < n_tap; t++) {
        at[t] = first[r->run[t]] + tap[t];
    }
    return total;
}

/* Channels to convert together, so that a chunk of some pixels finds room. */
static int channels_of(int n, int most, ptrdiff_t room, const struct runs *r, ptrdiff_t gap) {
    n = n < most ? n : most;
    while (n > 1 && room / n - r->reach - r->n * gap < r->n * least_chunk) {
        n /= 2;
    }
    return n;
}

/* Pixels of a chunk, a multiple of `unit`. */
static ptrdiff_t pixels_of(ptrdiff_t room, const struct runs *r, ptrdiff_t gap, ptrdiff_t unit) {
    return (room - r->reach - r->n * gap) / r->n / unit * unit;
}

/* ---- convolution -------------------------------------------------------------------------- */

/* Pairs in place of reals: [block of outputs][tap][pair of inputs][row of the block]. */
static size_t packed(int n_out, int n_in, int n_tap) {
    return (size_t)n_out * (size_t)((n_in + 1) / 2) * (size_t)n_tap;
}

static void pack(int n_out, int n_in, int n_tap, const mn_real *w, ptrdiff_t so, ptrdiff_t si,
                 ptrdiff_t st, mn_real *out) {
    for (int o = 0; o < n_out;) {
        const int rows = nas_part(n_out - o, NAS_BLOCK_ROWS);
        for (int t = 0; t < n_tap; t++) {
            for (int i = 0; i < n_in; i += 2) {
                for (int r = 0; r < rows; r++, out++) {
                    const mn_real *at = w + (o + r) * so + i * si + t * st;
                    const uint32_t pair =
                        rounded(at[0]) | (i + 1 < n_in ? rounded(at[si]) << 16 : 0);
                    memcpy(out, &pair, sizeof pair);
                }
            }
        }
        o += rows;
    }
}

/* A chunk of pixels, its inputs converted. */
struct job {
    int n_tap, n_pairs, accumulate;
    int all_taps, all_pairs; /* of the convolution */
    ptrdiff_t xs, ys;
    const ptrdiff_t *at; /* from y's pixel to x's, for each tap */
    const uint32_t *x;
    const mn_real *w; /* of the first tap and pair of a block of outputs is w + rows * offset */
    ptrdiff_t offset;
    mn_real *y;
    const mn_real *mask;
};

/* `rows` and `wide` are constant where this is called, so that its sums become registers. */
static inline __attribute__((always_inline)) void tile(int rows, int wide, const struct job *j,
                                                       ptrdiff_t p) {
    __m512 acc[NAS_BLOCK_ROWS][2];
    __m512bh in[2];
    NAS_UNROLL
    for (int r = 0; r < rows; r++) {
        acc[r][0] = acc[r][1] = _mm512_setzero_ps();
    }
    for (int t = 0; t < j->n_tap; t++) {
        const uint32_t *x = j->x + p + j->at[t];
        const mn_real *w = j->w + (j->offset + (ptrdiff_t)t * j->all_pairs) * rows;
        for (int i = 0; i < j->n_pairs; i++) {
            NAS_UNROLL
            for (int v = 0; v < wide; v++) {
                in[v] = (__m512bh)_mm512_loadu_si512(x + v * NAS_V);
            }
            NAS_UNROLL
            for (int r = 0; r < rows; r++) {
                const __m512bh pair = (__m512bh)_mm512_set1_ps(w[r]);
                NAS_UNROLL
                for (int v = 0; v < wide; v++) {
                    acc[r][v] = _mm512_dpbf16_ps(acc[r][v], in[v], pair);
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
            nas_put(j->y + r * j->ys + p + v * NAS_V, (nas_vec)acc[r][v], j->mask, p + v * NAS_V,
                    j->accumulate);
        }
    }
}

#define ROWS_OF(R)                                                                                 \
    static void rows_##R(const struct job *j, ptrdiff_t len) {                                     \
        ptrdiff_t p = 0;                                                                           \
        for (; p + 2 * NAS_V <= len; p += 2 * NAS_V) {                                             \
            tile(R, 2, j, p);                                                                      \
        }                                                                                          \
        if (p < len) {                                                                             \
            tile(R, 1, j, p);                                                                      \
        }                                                                                          \
    }

NAS_EACH_ROWS(ROWS_OF)

#define ROWS_NAME(R) rows_##R,
static void (*const rows_of[])(const struct job *j, ptrdiff_t len) = {NAS_EACH_ROWS(ROWS_NAME)};

/* What a convolution reads and in which parts. */
struct input {
    int n, most; /* channels; pairs converted together */
    const mn_real *x;
    ptrdiff_t xs;
    struct runs runs;
    const ptrdiff_t *tap;
};

/* One chunk, the inputs a block at a time; what the first writes, the others add to. */
static void chunk(const struct job *whole, int n_out, const struct input *in, ptrdiff_t p,
                  ptrdiff_t len) {
    uint32_t pairs[ROOM];
    ptrdiff_t at[MOST_TAPS];
    struct job j = *whole;
    j.x = pairs;
    j.at = at;
    j.xs = place_taps(&in->runs, j.n_tap, in->tap, len, 0, at);
    for (int first = 0; first < j.all_pairs; first += in->most) {
        j.n_pairs = j.all_pairs - first < in->most ? j.all_pairs - first : in->most;
        for (int c = 0; c < j.n_pairs; c++) {
            const int channel = 2 * (first + c);
            uint32_t *to = pairs + c * j.xs;
            for (int i = 0; i < in->runs.n; i++) {
                const mn_real *from = in->x + p + channel * in->xs + in->runs.low[i];
                const ptrdiff_t read = run_length(&in->runs, i, len);
                make_pairs(from, channel + 1 < in->n ? from + in->xs : NULL, read, to);
                to += read;
            }
        }
        struct job block = j; /* of outputs */
        for (int o = 0; o < n_out;) {
            const int rows = nas_part(n_out - o, NAS_BLOCK_ROWS);
            rows_of[rows - 1](&block, len);
            block.w += (ptrdiff_t)rows * j.all_pairs * j.all_taps;
            block.y += rows * j.ys;
            o += rows;
        }
        j.offset += j.n_pairs;
        j.accumulate = 1;
    }
}

static void conv(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *packed_w,
                 const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                 const mn_real *mask, ptrdiff_t image, int accumulate) {
    struct job j = {.all_taps = n_tap,
                    .all_pairs = (n_in + 1) / 2,
                    .accumulate = accumulate,
                    .w = packed_w,
                    .ys = ys};
    struct input in = {.n = n_in, .x = x, .xs = xs};
    const ptrdiff_t step = mask == NULL ? len : image;
    for (int t = 0; t < n_tap; t += MOST_TAPS) {
        j.n_tap = n_tap - t < MOST_TAPS ? n_tap - t : MOST_TAPS;
        in.tap = tap + t;
        find_runs(j.n_tap, in.tap, &in.runs);
        in.most = channels_of(j.all_pairs, BLOCK, ROOM, &in.runs, 0);
        const ptrdiff_t most = pixels_of(ROOM / in.most, &in.runs, 0, NAS_V);
        j.offset = (ptrdiff_t)t * j.all_pairs;
        for (ptrdiff_t p0 = 0; p0 < len; p0 += step) {
            const ptrdiff_t end = len - p0 < step ? len : p0 + step;
            for (ptrdiff_t p = p0; p < end; p += most) {
                j.y = y + p;
                j.mask = mask == NULL ? NULL : mask + (p - p0);
                chunk(&j, n_out, &in, p, end - p < most ? end - p : most);
            }
        }
        j.accumulate = 1;
    }
}

/* ---- weight gradients --------------------------------------------------------------------- */

/* Pairs of neighbouring pixels: both operands are arrays of pixels, and a tap is an offset in one
 * of them. */
enum { CHANNELS = 30, PIXELS = 1024, HALVES = 2 * NAS_V };

struct patch {
    const uint16_t *g, *x;
    ptrdiff_t gs, xs, len;
    mn_real *dw;
    ptrdiff_t so, si;
};

static inline __attribute__((always_inline)) void sums(int outs, int ins, const struct patch *j) {
    __m512 acc[NAS_BLOCK_OUTS * NAS_BLOCK_INS];
    __m512bh x[NAS_BLOCK_INS];
    NAS_UNROLL
    for (int k = 0; k < outs * ins; k++) {
        acc[k] = _mm512_setzero_ps();
    }
    for (ptrdiff_t p = 0; p < j->len; p += HALVES) {
        NAS_UNROLL
        for (int i = 0; i < ins; i++) {
            x[i] = (__m512bh)_mm512_loadu_si512(j->x + i * j->xs + p);
        }
        NAS_UNROLL
        for (int o = 0; o < outs; o++) {
            const __m512bh g = (__m512bh)_mm512_loadu_si512(j->g + o * j->gs + p);
            NAS_UNROLL
            for (int i = 0; i < ins; i++) {
                acc[o * ins + i] = _mm512_dpbf16_ps(acc[o * ins + i], g, x[i]);
            }
        }
    }
    NAS_UNROLL
    for (int o = 0; o < outs; o++) {
        NAS_UNROLL
        for (int i = 0; i < ins; i++) {
            j->dw[o * j->so + i * j->si] += (mn_real)nas_sum((nas_vec)acc[o * ins + i]);
        }
    }
}

#define SUMS(O, I)                                                                                 \
    static void sums_##O##_##I(const struct patch *j) {                                            \
        sums(O, I, j);                                                                             \
    }
NAS_EACH_BLOCK(SUMS)

#define SUMS_NAME(O, I) sums_##O##_##I,
static void (*const sums_of[])(const struct patch *j) = {NAS_EACH_BLOCK(SUMS_NAME)};

/* Outputs by inputs that are converted, one tap. */
static void all_sums(const struct patch *whole, int n_out, int n_in) {
    for (int o = 0; o < n_out;) {
        const int outs = nas_part(n_out - o, NAS_BLOCK_OUTS);
        for (int i = 0; i < n_in;) {
            const int ins = nas_part(n_in - i, NAS_BLOCK_INS);
            struct patch j = *whole;
            j.g += o * j.gs;
            j.x += i * j.xs;
            j.dw += o * j.so + i * j.si;
            sums_of[(outs - 1) * NAS_BLOCK_INS + ins - 1](&j);
            i += ins;
        }
        o += outs;
    }
}

enum { HALF_ROOM = CHANNELS * (PIXELS + NEAR) };

/* `len` of a channel as halves, and zeros up to `row`. */
static void padded_halves(const mn_real *x, ptrdiff_t len, ptrdiff_t row, uint16_t *out) {
    make_halves(x, len, out);
    memset(out + len, 0, (size_t)(row - len) * sizeof *out);
}

/* Every pair of channels of one chunk of pixels, inputs and outputs a block at a time. */
static void chunk_dw(const struct patch *whole, int n_out, int n_tap, const mn_real *g,
                     ptrdiff_t gs, const struct input *in, ptrdiff_t p, ptrdiff_t st) {
    uint16_t g_halves[CHANNELS * PIXELS], x_halves[HALF_ROOM];
    ptrdiff_t at[MOST_TAPS];
    struct patch j = *whole;
    j.len = j.gs = (whole->len + HALVES - 1) / HALVES * HALVES;
    j.xs = place_taps(&in->runs, n_tap, in->tap, whole->len, HALVES, at);
    for (int i = 0; i < in->n; i += in->most) {
        const int ins = in->n - i < in->most ? in->n - i : in->most;
        uint16_t *to = x_halves;
        for (int c = 0; c < ins; c++) {
            for (int run = 0; run < in->runs.n; run++) {
                /* Each ends with zeros, for vectors of pairs may reach beyond it. */
                const ptrdiff_t read = run_length(&in->runs, run, whole->len);
                padded_halves(in->x + p + (i + c) * in->xs + in->runs.low[run], read, read + HALVES,
                              to);
                to += read + HALVES;
            }
        }
        for (int o = 0; o < n_out; o += CHANNELS) {
            const int outs = n_out - o < CHANNELS ? n_out - o : CHANNELS;
            for (int c = 0; c < outs; c++) {
                padded_halves(g + p + (o + c) * gs, whole->len, j.gs, g_halves + c * j.gs);
            }
            j.g = g_halves;
            for (int t = 0; t < n_tap; t++) {
                j.x = x_halves + at[t];
                j.dw = whole->dw + o * j.so + i * j.si + t * st;
                all_sums(&j, outs, ins);
            }
        }
    }
}

static void conv_dw(int n_out, int n_in, int n_tap, const ptrdiff_t *tap, const mn_real *g,
                    ptrdiff_t gs, const mn_real *x, ptrdiff_t xs, ptrdiff_t len, mn_real *dw,
                    ptrdiff_t so, ptrdiff_t si, ptrdiff_t st) {
    struct input in = {.n = n_in, .x = x, .xs = xs};
    for (int t = 0; t < n_tap; t += MOST_TAPS) {
        const int taps = n_tap - t < MOST_TAPS ? n_tap - t : MOST_TAPS;
        in.tap = tap + t;
        find_runs(taps, in.tap, &in.runs);
        in.most = channels_of(n_in, CHANNELS, HALF_ROOM, &in.runs, HALVES);
        const ptrdiff_t fit = pixels_of(HALF_ROOM / in.most, &in.runs, HALVES, HALVES);
        const ptrdiff_t most = fit < PIXELS ? fit : PIXELS;
        for (ptrdiff_t p = 0; p < len; p += most) {
            const struct patch whole = {
                .len = len - p < most ? len - p : most, .dw = dw + t * st, .so = so, .si = si};
            chunk_dw(&whole, n_out, taps, g, gs, &in, p, st);
        }
    }
}

const struct nas_kernels nas_bf16_kernels = {
    .name = "bf16",
#define PRODUCT(f) .f = f,
#define KERNEL(f) .f = NAS_NAME(f),
#include "backend/cpu/kernels/kernels.def"
};
