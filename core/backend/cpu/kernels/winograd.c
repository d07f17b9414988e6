/* SPDX-License-Identifier: MIT */
#include "backend/cpu/kernels/winograd.h"

#include <string.h>

/* Five equidistant taps by the Toom-Cook scheme F(4, 5) (Winograd, Arithmetic Complexity of
 * Computations, 1980): four outputs a tap's step apart take eight products instead of twenty, at
 * the points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity. A lane is one such tile; a slot is a vector
 * of them. The inputs of two slots are transformed into a panel, which the direct kernel multiplies
 * point by point with transformed weights, and the products become outputs on their way to memory.
 *
 * A tile's operations and their order do not depend on which slot it is in: so neither does the
 * result on how many images are computed at once. */

enum {
    TAPS = 5,
    OUTS = 4,
    POINTS = 8,
    MOST_IN = 32,                                             /* channels of a panel */
    MOST_OUT = (NAS_BLOCK_ROWS > 6 ? 1 : 5) * NAS_BLOCK_ROWS, /* and of its products */
    LEAST = NAS_VECTOR_BYTES == 64 ? 12 : 20, /* channels that pay for the transforms */
    WIDE = 2 * NAS_V
};

/* ---- weights ------------------------------------------------------------------------------- */

/* A polynomial with these coefficients at the points, times what makes the inputs' transform short.
 */
static void evaluate(const mn_real *w, ptrdiff_t st, double *u) {
    const double w0 = (double)w[0], w1 = (double)w[st], w2 = (double)w[2 * st],
                 w3 = (double)w[3 * st], w4 = (double)w[4 * st];
    const double even1 = (w0 + w2 + w4) * (-2. / 9), odd1 = (w1 + w3) * (-2. / 9);
    const double even2 = (w0 + 4 * w2 + 16 * w4) / 90, odd2 = (2 * w1 + 8 * w3) / 90;
    const double even3 = (16 * w0 + 4 * w2 + w4) * (2. / 45), odd3 = (8 * w1 + 2 * w3) * (2. / 45);
    u[0] = -w0;
    u[1] = even1 + odd1;
    u[2] = even1 - odd1;
    u[3] = even2 + odd2;
    u[4] = even2 - odd2;
    u[5] = even3 + odd3;
    u[6] = even3 - odd3;
    u[7] = w4;
}

size_t NAS_NAME(winograd_packed)(int n_out, int n_in) {
    return (size_t)n_out * (size_t)n_in * POINTS;
}

static void pack_part(int n_out, int n_in, const mn_real *w, ptrdiff_t so, ptrdiff_t si,
                      ptrdiff_t st, mn_real *packed) {
    mn_real points[POINTS][MOST_OUT * MOST_IN];
    for (int o = 0; o < n_out; o++) {
        for (int i = 0; i < n_in; i++) {
            double u[POINTS];
            evaluate(w + o * so + i * si, st, u);
            for (int k = 0; k < POINTS; k++) {
                points[k][o * n_in + i] = (mn_real)u[k];
            }
        }
    }
    for (int k = 0; k < POINTS; k++) {
        NAS_NAME(direct_pack)(n_out, n_in, 1, points[k], n_in, 1, 1, packed);
        packed += n_out * n_in;
    }
}

void NAS_NAME(winograd_pack)(int n_out, int n_in, const mn_real *w, ptrdiff_t so, ptrdiff_t si,
                             ptrdiff_t st, mn_real *packed) {
    for (int i = 0; i < n_in;) {
        const int ins = nas_part(n_in - i, MOST_IN);
        for (int o = 0; o < n_out;) {
            const int outs = nas_part(n_out - o, MOST_OUT);
            pack_part(outs, ins, w + o * so + i * si, so, si, st, packed);
            packed += POINTS * outs * ins;
            o += outs;
        }
        i += ins;
    }
}

/* ---- tiles --------------------------------------------------------------------------------- */

/* How tiles cover an image: along rows, four adjacent pixels each; or across rows, one pixel of
 * four rows. */
struct layout {
    ptrdiff_t step, first; /* between taps, > 0; the least of them */
    ptrdiff_t image, used; /* used: reals up to the last pixel */
    int rows;              /* across: rows of pixels */
    int in_row;            /* across: slots side by side */
    int slots;             /* of an image */
};

/* A vector of tiles. */
struct slot {
    ptrdiff_t at;        /* of the first tile's first output, from the range's start */
    ptrdiff_t p;         /* the same from its image's start */
    int outs;            /* along: vectors of outputs that exist; across: rows of them */
    int whole;           /* all lanes are tiles of the image */
    nas_lane_mask lanes; /* which are, otherwise */
};

static nas_lane_mask lanes_from(ptrdiff_t from, ptrdiff_t to) {
    nas_vec which;
    for (int i = 0; i < NAS_V; i++) {
        which[i] = i >= from && i < to ? 1 : 0;
    }
    return nas_not_zero(which);
}

static struct slot slot_at(const struct layout *l, int index) {
    const int of_image = index % l->slots;
    struct slot s = {.whole = 1};
    if (l->step == 1) {
        s.p = (ptrdiff_t)of_image * OUTS * NAS_V;
        const ptrdiff_t left = (l->used - s.p + NAS_V - 1) / NAS_V;
        s.outs = left < OUTS ? (int)left : OUTS;
    } else {
        const int row = of_image / l->in_row * OUTS;
        const ptrdiff_t x = (ptrdiff_t)(of_image % l->in_row) * NAS_V, room = l->step - x;
        s.p = row * l->step + x;
        s.whole = room >= NAS_V;
        s.outs = l->rows - row < OUTS ? l->rows - row : OUTS;
        if (!s.whole && x > 0) { /* moved back to end with the row */
            s.lanes = lanes_from(NAS_V - room, NAS_V);
            s.p -= NAS_V - room;
        } else if (!s.whole) {
            s.lanes = lanes_from(0, room);
        }
    }
    s.at = index / l->slots * l->image + s.p;
    return s;
}

/* ---- inputs -------------------------------------------------------------------------------- */

/* Elements 0, 4, 8, ... of four vectors' length to the first vector, 1, 5, ... to the second. */
static inline void deinterleave(const mn_real *x, nas_vec *to) {
    const nas_vec a = nas_load(x), b = nas_load(x + NAS_V), c = nas_load(x + 2 * NAS_V),
                  d = nas_load(x + 3 * NAS_V);
    const nas_vec even0 = nas_evens(a, b), even1 = nas_evens(c, d), odd0 = nas_odds(a, b),
                  odd1 = nas_odds(c, d);
    to[0] = nas_evens(even0, even1);
    to[1] = nas_evens(odd0, odd1);
    to[2] = nas_odds(even0, even1);
    to[3] = nas_odds(odd0, odd1);
}

static inline void transform(const nas_vec *d, mn_real *to, ptrdiff_t stride) {
    const mn_real c = (mn_real)5.25, e = (mn_real)4.25, f = (mn_real)2.5, g = (mn_real)0.25,
                  h = (mn_real)1.25, two = 2, four = 4, five = 5, half = (mn_real)0.5;
    const nas_vec even1 = (d[2] + d[6]) - d[4] * e, odd1 = (d[1] + d[5]) - d[3] * e;
    const nas_vec even2 = (d[6] + d[2] * g) - d[4] * h;
    const nas_vec even3 = (d[6] + d[2] * four) - d[4] * five;
    const nas_vec third = d[3] * f;
    const nas_vec odd2 = (d[1] * half - third) + d[5] * two;
    const nas_vec odd3 = (d[5] * half - third) + d[1] * two;
    nas_store(to, (d[6] - d[0]) + (d[2] - d[4]) * c);
    nas_store(to + stride, even1 + odd1);
    nas_store(to + 2 * stride, even1 - odd1);
    nas_store(to + 3 * stride, even2 + odd2);
    nas_store(to + 4 * stride, even2 - odd2);
    nas_store(to + 5 * stride, even3 + odd3);
    nas_store(to + 6 * stride, even3 - odd3);
    nas_store(to + 7 * stride, (d[7] - d[1]) + (d[3] - d[5]) * c);
}

/* Where point k of channel i of a slot is: at + k * points + i * stride. */
struct panel {
    mn_real *at;
    ptrdiff_t points, stride;
};

/* Inputs that only outputs beyond the last row would need count as zero: they may be of another
 * image, and must not leave rounding errors in this one. */
static inline __attribute__((always_inline)) void
across(int outs, ptrdiff_t step, int n, const mn_real *x, ptrdiff_t xs, struct panel to) {
    for (int i = 0; i < n; i++, x += xs, to.at += to.stride) {
        nas_vec d[POINTS];
        NAS_UNROLL
        for (int j = 0; j < POINTS; j++) {
            d[j] = j < outs + TAPS - 1 ? nas_load(x + j * step) : (nas_vec){0};
        }
        transform(d, to.at, to.points);
    }
}

static void load_slot(const struct layout *l, const struct slot *s, int n, const mn_real *x,
                      ptrdiff_t xs, struct panel to) {
    x += s->at + l->first;
    if (l->step != 1 && s->outs == OUTS) {
        across(OUTS, l->step, n, x, xs, to);
    } else if (l->step != 1) {
        across(s->outs, l->step, n, x, xs, to);
    }
    for (int i = 0; i < n && l->step == 1; i++, x += xs, to.at += to.stride) {
        nas_vec d[POINTS];
        deinterleave(x, d);
        deinterleave(x + OUTS, d + OUTS);
        transform(d, to.at, to.points);
    }
}

/* ---- outputs ------------------------------------------------------------------------------- */

static inline void inverse_transform(struct panel m, nas_vec *y) {
    const mn_real two = 2, four = 4, eight = 8, half = (mn_real)0.5, quarter = (mn_real)0.25,
                  eighth = (mn_real)0.125;
    nas_vec p[POINTS];
    NAS_UNROLL
    for (int k = 0; k < POINTS; k++) {
        p[k] = nas_load(m.at + k * m.points);
    }
    const nas_vec sum1 = p[1] + p[2], sum2 = p[3] + p[4], sum3 = p[5] + p[6];
    const nas_vec diff1 = p[1] - p[2], diff2 = p[3] - p[4], diff3 = p[5] - p[6];
    y[0] = (p[0] + sum1) + (sum2 + sum3);
    y[1] = (diff1 + diff2 * two) + diff3 * half;
    y[2] = (sum1 + sum2 * four) + sum3 * quarter;
    y[3] = ((p[7] + diff1) + diff2 * eight) + diff3 * eighth;
}

/* The reverse of deinterleave. */
static inline void interleave(nas_vec *y) {
    const nas_vec even0 = nas_zip_low(y[0], y[2]), even1 = nas_zip_high(y[0], y[2]),
                  odd0 = nas_zip_low(y[1], y[3]), odd1 = nas_zip_high(y[1], y[3]);
    y[0] = nas_zip_low(even0, odd0);
    y[1] = nas_zip_high(even0, odd0);
    y[2] = nas_zip_low(even1, odd1);
    y[3] = nas_zip_high(even1, odd1);
}

struct target {
    mn_real *y;
    ptrdiff_t ys;
    const mn_real *mask;
    int accumulate;
};

/* `outs` vectors of each of n channels, `step` apart. Constant where this is called: `along`,
 * `whole` and, as a rule, `outs`. */
static inline __attribute__((always_inline)) void store_tiles(int along, int whole, int outs,
                                                              ptrdiff_t step, const struct slot *s,
                                                              int n, struct panel m,
                                                              const struct target *t) {
    mn_real *to = t->y + s->at;
    const mn_real *mask = t->mask + s->p;
    for (int o = 0; o < n; o++, to += t->ys, m.at += m.stride) {
        nas_vec y[OUTS];
        inverse_transform(m, y);
        if (along) {
            interleave(y);
        }
        NAS_UNROLL
        for (int j = 0; j < OUTS; j++) {
            if (j < outs) {
                mn_real *at = to + j * step;
                nas_vec v = y[j] * nas_load(mask + j * step);
                if (t->accumulate) {
                    v += nas_load(at);
                }
                nas_store(at, whole ? v : nas_select(s->lanes, v, nas_load(at)));
            }
        }
    }
}

static void store_slot(const struct layout *l, const struct slot *s, int n, struct panel m,
                       const struct target *t) {
    const int along = l->step == 1, all = s->outs == OUTS;
    if (!s->whole) {
        store_tiles(0, 0, s->outs, l->step, s, n, m, t);
    } else if (along && all) {
        store_tiles(1, 1, OUTS, NAS_V, s, n, m, t);
    } else if (along) {
        store_tiles(1, 1, s->outs, NAS_V, s, n, m, t);
    } else if (all) {
        store_tiles(0, 1, OUTS, l->step, s, n, m, t);
    } else {
        store_tiles(0, 1, s->outs, l->step, s, n, m, t);
    }
}

/* ---- convolution --------------------------------------------------------------------------- */

static struct layout layout_of(const ptrdiff_t *tap, const mn_real *mask, ptrdiff_t image) {
    struct layout l = {
        .step = tap[1] - tap[0], .first = tap[0], .image = image, .used = nas_used(mask, image)};
    if (l.step == 1) {
        l.slots = (int)((l.used + OUTS * NAS_V - 1) / (OUTS * NAS_V));
    } else {
        l.rows = (int)((l.used + l.step - 1) / l.step);
        l.in_row = (int)((l.step + NAS_V - 1) / NAS_V);
        l.slots = (l.rows + OUTS - 1) / OUTS * l.in_row;
    }
    return l;
}

/* Whether taps are equidistant, and whether enough lanes of the slots are tiles of the image. */
int NAS_NAME(winograd_fits)(int n_out, int n_in, int n_tap, const ptrdiff_t *tap,
                            const mn_real *mask, ptrdiff_t image) {
    if (n_tap != TAPS || mask == NULL || n_out < LEAST || n_in < LEAST || tap[1] <= tap[0]) {
        return 0;
    }
    const struct layout l = layout_of(tap, mask, image);
    for (int t = 2; t < TAPS; t++) {
        if (tap[t] - tap[t - 1] != l.step) {
            return 0;
        }
    }
    return l.step == 1 || (l.rows * l.step <= image &&
                           4 * l.rows * l.step >= (ptrdiff_t)3 * l.slots * OUTS * NAS_V);
}

/* One panel: two slots, or one. */
static void compute(const struct layout *l, const struct slot *s, int n_slots, int n_out, int n_in,
                    const mn_real *packed, const mn_real *x, ptrdiff_t xs, struct target t) {
    mn_real panel[POINTS * MOST_IN * WIDE] __attribute__((aligned(64)));
    mn_real products[POINTS * MOST_OUT * WIDE] __attribute__((aligned(64)));
    const ptrdiff_t wide = (ptrdiff_t)n_slots * NAS_V, here = 0;
    for (int i = 0; i < n_in;) {
        const int ins = nas_part(n_in - i, MOST_IN);
        for (int v = 0; v < n_slots; v++) {
            load_slot(l, &s[v], ins, x + i * xs, xs,
                      (struct panel){panel + v * NAS_V, ins * wide, wide});
        }
        struct target part = t;
        for (int o = 0; o < n_out;) {
            const int outs = nas_part(n_out - o, MOST_OUT);
            for (int k = 0; k < POINTS; k++) {
                NAS_NAME(direct)
                (outs, ins, 1, &here, packed, panel + k * ins * wide, wide,
                 products + k * outs * wide, wide, wide, NULL, wide, 0);
                packed += outs * ins;
            }
            for (int v = 0; v < n_slots; v++) {
                store_slot(l, &s[v], outs, (struct panel){products + v * NAS_V, outs * wide, wide},
                           &part);
            }
            part.y += outs * t.ys;
            o += outs;
        }
        t.accumulate = 1;
        i += ins;
    }
}

void NAS_NAME(winograd)(int n_out, int n_in, const ptrdiff_t *tap, const mn_real *packed,
                        const mn_real *x, ptrdiff_t xs, mn_real *y, ptrdiff_t ys, ptrdiff_t len,
                        const mn_real *mask, ptrdiff_t image, int accumulate) {
    const struct layout l = layout_of(tap, mask, image);
    const struct target t = {y, ys, mask, accumulate};
    const int slots = (int)((len + image - 1) / image) * l.slots;
    for (int i = 0; i < slots; i += 2) {
        const int n = slots - i < 2 ? 1 : 2;
        const struct slot s[2] = {slot_at(&l, i), slot_at(&l, i + n - 1)};
        compute(&l, s, n, n_out, n_in, packed, x, xs, t);
    }
    const ptrdiff_t unit = l.step == 1 ? NAS_V : l.step, done = (l.used + unit - 1) / unit * unit;
    for (ptrdiff_t p = 0; p < len && !accumulate; p += image) {
        const ptrdiff_t part = len - p < image ? len - p : image;
        for (int o = 0; o < n_out && done < part; o++) {
            memset(y + o * ys + p + done, 0, (size_t)(part - done) * sizeof *y);
        }
    }
}
