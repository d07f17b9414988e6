/* SPDX-License-Identifier: MIT */
#include "model/stage.h"

#include <math.h>
#include <string.h>

/* ---- one linear map ----------------------------------------------------------------------- */

/* Weights of the taps that lie in one phase of the source, as [out][in][tap]; returns their number
 * and fills the transposed offsets. */
static int gather(const struct mn__run *run, const struct mn__linear *l, int p, int phase,
                  ptrdiff_t phase_stride, ptrdiff_t *tap) {
    const mn_real *w = run->w + l->weight;
    const int inner = l->kind == MN__LINEAR_DEPTHWISE ? l->n_out : l->n_out * l->n_in;
    int n = 0;
    for (int t = 0; t < l->n_tap; t++) {
        n += l->phase[p][t] == phase;
    }
    for (int t = 0, j = 0; t < l->n_tap; t++) {
        if (l->phase[p][t] != phase) {
            continue;
        }
        for (int i = 0; i < inner; i++) {
            run->ws->gather[(ptrdiff_t)i * n + j] = w[(ptrdiff_t)i * l->n_tap + t];
        }
        tap[j++] = -(l->tap[p][t] - phase * phase_stride);
    }
    return n;
}

enum { MOST_TAPS = 64 };

/* What reaches a linear map backwards, and where it goes. */
struct flow {
    struct mn__view g;      /* gradient of the output; its padding is zero */
    struct mn__view x;      /* the input */
    struct mn__view dx;     /* gradient of the input, at NULL: not wanted */
    ptrdiff_t phase;        /* between the phases of x and dx */
    int accumulate;         /* add to dx */
    const mn_real *dx_mask; /* NULL: the padding of dx may be written */
};

static void conv_dx(struct mn__run *run, const struct mn__linear *l, int p, const struct flow *f,
                    const struct mn__size *size, const struct mn__block *b) {
    ptrdiff_t tap[MOST_TAPS];
    for (int q = 0; q < 4; q++) {
        const int n = gather(run, l, p, q, f->phase, tap);
        if (n == 0) {
            continue;
        }
        mn_real *to = f->dx.at + q * f->phase;
        if (l->kind == MN__LINEAR_DEPTHWISE) {
            run->k->depthwise(l->n_in, n, tap, run->ws->gather, n, 1, f->g.at, f->g.stride, to,
                              f->dx.stride, b->len, f->dx_mask, size->grid.image, f->accumulate);
            continue;
        }
        run->k->pack(l->n_in, l->n_out, n, run->ws->gather, n, (ptrdiff_t)l->n_in * n, 1,
                     run->ws->pack);
        run->k->conv(l->n_in, l->n_out, n, tap, run->ws->pack, f->g.at, f->g.stride, to,
                     f->dx.stride, b->len, f->dx_mask, size->grid.image, f->accumulate);
    }
}

static void reduce_backward(struct mn__run *run, const struct mn__linear *l, const struct flow *f,
                            const struct mn__size *size, const struct mn__block *b) {
    const int half = l->n_out / 2;
    for (int i = 0; i < 2; i++) {
        const int64_t weight = i == 0 ? l->weight : l->weight2;
        const mn_real *g = f->g.at + i * half * f->g.stride;
        if (run->d_w != NULL) {
            run->k->conv_dw(half, l->n_in, 1, l->tap[i], g, f->g.stride, f->x.at, f->x.stride,
                            b->len, run->d_w + weight, l->n_in, 1, 1);
        }
        if (f->dx.at != NULL) {
            const ptrdiff_t tap = 0;
            run->k->pack(l->n_in, half, 1, run->w + weight, 1, l->n_in, 1, run->ws->pack);
            run->k->conv(l->n_in, half, 1, &tap, run->ws->pack, g, f->g.stride,
                         f->dx.at + l->tap[i][0], f->dx.stride, b->len, NULL, size->grid.image, 1);
        }
    }
}

static void avg_pool_backward(struct mn__run *run, const struct mn__linear *l, const struct flow *f,
                              const struct mn__size *size, const struct mn__block *b) {
    const struct mn__view shared = mn__temp_view(run, size, 1);
    const ptrdiff_t here = 0;
    run->k->avg_pool(l->n_in, 1, &here, l->share, f->g.at, f->g.stride, shared.at, shared.stride,
                     b->len, size->grid.image);
    mn_real ones[MOST_TAPS];
    for (int t = 0; t < l->n_tap; t++) {
        ones[t] = 1;
    }
    for (int q = 0; q < 4; q++) {
        ptrdiff_t tap[MOST_TAPS];
        int n = 0;
        for (int t = 0; t < l->n_tap; t++) {
            if (l->phase[0][t] == q) {
                tap[n++] = -(l->tap[0][t] - q * f->phase);
            }
        }
        if (n > 0) {
            run->k->depthwise(l->n_in, n, tap, ones, 0, 1, shared.at, shared.stride,
                              f->dx.at + q * f->phase, f->dx.stride, b->len, f->dx_mask,
                              size->grid.image, 1);
        }
    }
}

/* Row phase p of a map: add to d_w, and to or into dx. */
static void linear_backward(struct mn__run *run, const struct mn__stage *stage, int index, int p,
                            const struct flow *f, const struct mn__size *size,
                            const struct mn__block *b) {
    const struct mn__linear *l = &stage->linear[index];
    switch (l->kind) {
    case MN__LINEAR_REDUCE:
        reduce_backward(run, l, f, size, b);
        return;
    case MN__LINEAR_MAX_POOL:
        if (f->dx.at != NULL) {
            run->k->max_pool_dx(l->n_in, l->n_tap, l->tap[p],
                                run->ws->bytes + stage->which + b->n0 * size->grid.image,
                                size->grid.n * size->grid.image, f->g.at, f->g.stride, f->dx.at,
                                f->dx.stride, b->len);
        }
        return;
    case MN__LINEAR_AVG_POOL:
        if (f->dx.at != NULL) {
            avg_pool_backward(run, l, f, size, b);
        }
        return;
    case MN__LINEAR_DEPTHWISE:
        if (run->d_w != NULL) {
            run->k->depthwise_dw(l->n_in, l->n_tap, l->tap[p], f->g.at, f->g.stride, f->x.at,
                                 f->x.stride, b->len, run->d_w + l->weight, l->n_tap, 1);
        }
        break;
    case MN__LINEAR_CONV:
        if (run->d_w != NULL) {
            run->k->conv_dw(l->n_out, l->n_in, l->n_tap, l->tap[p], f->g.at, f->g.stride, f->x.at,
                            f->x.stride, b->len, run->d_w + l->weight,
                            (ptrdiff_t)l->n_in * l->n_tap, l->n_tap, 1);
        }
        break;
    }
    if (f->dx.at != NULL) {
        conv_dx(run, l, p, f, size, b);
    }
}

/* ---- a stage ------------------------------------------------------------------------------ */

/* The stage's maps backwards on one block: gy is the gradient of y (temporary 0); x the source. */
static void maps_backward(struct mn__run *run, const struct mn__stage *stage,
                          const struct mn__size *size, const struct mn__block *b,
                          struct mn__view gy, const struct flow *source) {
    struct flow f = *source;
    f.g = gy;
    if (stage->n_linear == 1) {
        linear_backward(run, stage, 0, 0, &f, size, b);
        return;
    }
    const struct mn__linear *first = &stage->linear[0];
    const struct mn__view du = mn__temp_view(run, size, 1);
    const struct flow second = {.g = gy,
                                .x = mn__tensor_view(run, size, stage->u, b),
                                .dx = du,
                                .phase = 0,
                                .dx_mask = size->grid.mask};
    if (stage->n_phase == 1) {
        linear_backward(run, stage, 1, 0, &second, size, b);
    } else {
        /* u and du hold row phases at different distances: one phase at a time. */
        struct flow g = second;
        g.phase = (ptrdiff_t)first->n_out * du.stride;
        const struct mn__linear *l = &stage->linear[1];
        if (run->d_w != NULL) {
            run->k->conv_dw(l->n_out, l->n_in, l->n_tap, l->tap[0], gy.at, gy.stride, g.x.at,
                            g.x.stride, b->len, run->d_w + l->weight, (ptrdiff_t)l->n_in * l->n_tap,
                            l->n_tap, 1);
        }
        struct mn__linear near = *l;
        ptrdiff_t tap[MOST_TAPS];
        for (int t = 0; t < l->n_tap; t++) {
            tap[t] =
                l->tap[0][t] + l->phase[0][t] * (g.phase - (ptrdiff_t)first->n_out * g.x.stride);
        }
        near.tap[0] = tap;
        conv_dx(run, &near, 0, &g, size, b);
    }
    for (int p = 0; p < stage->n_phase; p++) {
        f.g = (struct mn__view){du.at + p * first->n_out * du.stride, du.stride};
        linear_backward(run, stage, 0, p, &f, size, b);
    }
}

/* Batch norm backwards. With s = gamma / sigma, xhat = (y - mean) / sigma and M pixels:
 * dy = s (g - mean(g) - xhat mean(g xhat)) for batch statistics, s g for given ones; as
 * dy = a g + b y + c. */
struct norm_back {
    double *sum_g, *sum_gx; /* over all images, of g and g (y - mean) */
    mn_real *a, *b, *c;
};

static struct norm_back norm_room(const struct mn__run *run) {
    const int most = run->model->most_channels;
    return (struct norm_back){.sum_g = run->ws->sums,
                              .sum_gx = run->ws->sums + most,
                              .a = run->ws->coef,
                              .b = run->ws->coef + most,
                              .c = run->ws->coef + 2 * most};
}

static void add_sums(struct mn__run *run, const struct mn__path *path,
                     const struct mn__stage *stage, struct mn__view g, ptrdiff_t at, ptrdiff_t len,
                     double *sum_g, double *sum_gx) {
    const struct mn__grid *grid = &run->model->sizes[path->grid].grid;
    run->k->norm_sums(path->channels, g.at + at, g.stride, run->ws->reals + stage->y + at,
                      grid->channel, run->ws->norm + stage->stats, len, sum_g, sum_gx);
}

/* The same where drop path weighs images apart. */
static void dropped_sums(struct mn__run *run, const struct mn__path *path,
                         const struct mn__stage *stage, struct mn__view g, struct norm_back *back) {
    const struct mn__grid *grid = &run->model->sizes[path->grid].grid;
    const int n = path->channels, most = run->model->most_channels;
    double *one_g = run->ws->sums + 2 * most, *one_gx = run->ws->sums + 3 * most;
    for (int i = 0; i < run->n; i++) {
        const double factor = mn__drop_factor(run, path, i);
        memset(one_g, 0, (size_t)n * sizeof *one_g);
        memset(one_gx, 0, (size_t)n * sizeof *one_gx);
        add_sums(run, path, stage, g, i * grid->image, grid->span, one_g, one_gx);
        for (int c = 0; c < n; c++) {
            back->sum_g[c] += factor * one_g[c];
            back->sum_gx[c] += factor * one_gx[c];
        }
    }
}

/* Sums of g and g (y - mean) over the batch; g is a whole tensor. */
static void norm_sums(struct mn__run *run, const struct mn__path *path,
                      const struct mn__stage *stage, struct mn__view g, int dropping,
                      struct norm_back *back) {
    const struct mn__size *size = &run->model->sizes[path->grid];
    const size_t bytes = (size_t)path->channels * sizeof *back->sum_g;
    struct mn__block b;
    memset(back->sum_g, 0, bytes);
    memset(back->sum_gx, 0, bytes);
    if (dropping) {
        dropped_sums(run, path, stage, g, back);
        return;
    }
    for (int i = 0; mn__block_at(run, size, i, &b); i++) {
        add_sums(run, path, stage, g, b.n0 * size->grid.image, b.len, back->sum_g, back->sum_gx);
    }
}

/* Coefficients a, b, c; gradients of the affine part and of the bias; returns <g, output>. */
static double norm_settle(struct mn__run *run, const struct mn__path *path,
                          const struct mn__stage *stage, double weight, struct norm_back *back) {
    const int n = path->channels;
    const struct mn__grid *grid = &run->model->sizes[path->grid].grid;
    const double pixels = (double)run->n * grid->h * grid->w;
    const mn_real *mean = run->ws->norm + stage->stats, *variance = mean + n;
    const mn_real *gamma = stage->gamma < 0 ? NULL : run->w + stage->gamma;
    const int batch = run->pass->stats == NULL;
    double product = 0;
    for (int c = 0; c < n; c++) {
        const double inv = 1 / sqrt((double)variance[c] + MN__NORM_EPS);
        const double scale = gamma == NULL ? 1 : (double)gamma[c];
        const double g_xhat = back->sum_gx[c] * inv;
        const double s = weight * scale * inv;
        const double b = batch ? -s * inv * g_xhat / pixels : 0;
        back->a[c] = (mn_real)s;
        back->b[c] = (mn_real)b;
        back->c[c] = (mn_real)(batch ? -s * back->sum_g[c] / pixels - b * (double)mean[c] : 0);
        product += scale * g_xhat + (gamma == NULL ? 0 : (double)gamma[n + c] * back->sum_g[c]);
        if (run->d_w != NULL && stage->gamma >= 0) {
            run->d_w[stage->gamma + c] = (mn_real)(weight * g_xhat);
            run->d_w[stage->gamma + n + c] = (mn_real)(weight * back->sum_g[c]);
        }
        if (run->d_w != NULL && stage->bias >= 0) {
            run->d_w[stage->bias + c] = batch ? 0 : (mn_real)(s * back->sum_g[c]);
        }
    }
    return product;
}

/* dy = a g + b y + c on one block, into temporary 0. */
static struct mn__view norm_apply(struct mn__run *run, const struct mn__path *path,
                                  const struct mn__stage *stage, const struct mn__block *b,
                                  struct mn__view g, int dropping, const struct norm_back *back) {
    const struct mn__size *size = &run->model->sizes[path->grid];
    const struct mn__grid *grid = &size->grid;
    const struct mn__view y = mn__tensor_view(run, size, stage->y, b);
    const struct mn__view dy = mn__temp_view(run, size, 0);
    if (!dropping) {
        run->k->combine(path->channels, back->a, g.at, g.stride, back->b, y.at, y.stride, back->c,
                        dy.at, dy.stride, b->len, grid->mask, grid->image);
        return dy;
    }
    mn_real *scaled = run->ws->coef + 3 * run->model->most_channels;
    for (int i = 0; i < b->n; i++) {
        const ptrdiff_t at = i * grid->image;
        const double factor = mn__drop_factor(run, path, b->n0 + i);
        for (int c = 0; c < path->channels; c++) {
            scaled[c] = (mn_real)(factor * (double)back->a[c]);
        }
        run->k->combine(path->channels, scaled, g.at + at, g.stride, back->b, y.at + at, y.stride,
                        back->c, dy.at + at, dy.stride, grid->span, grid->mask, grid->image);
    }
    return dy;
}

static struct flow source_flow(const struct mn__run *run, const struct mn__path *path,
                               const struct mn__source *source, const struct mn__size *size,
                               const struct mn__block *b) {
    return (struct flow){
        .x = mn__source_view(source, b),
        .dx = {source->dx == NULL ? NULL : source->dx + b->n0 * source->image, source->channel},
        .phase = path->strided ? source->phase : 0,
        .accumulate = 1,
        .dx_mask = path->strided ? NULL : size->grid.mask};
}

/* The second stage down to the gradient of the first one's normalised output, whole batch, into the
 * size's full tensor: the first batch norm needs all of it before any of it can go on. */
static double second_stage_backward(struct mn__run *run, const struct mn__path *path, double weight,
                                    struct mn__view g) {
    const struct mn__stage *stage = &path->stage[1];
    const struct mn__size *size = &run->model->sizes[path->grid];
    const int dropping = mn__path_drops(run, path), most = run->model->most_channels;
    struct norm_back back = norm_room(run);
    mn_real *scale = run->ws->coef + 4 * most, *shift = run->ws->coef + 5 * most;
    struct mn__block b;
    norm_sums(run, path, stage, g, dropping, &back);
    const double product = norm_settle(run, path, stage, weight, &back);
    if (weight == 0) {
        return product;
    }
    mn__norm_affine(run, path, &path->stage[0], 1, scale, shift);
    for (int i = 0; mn__block_at(run, size, i, &b); i++) {
        const struct mn__view gb = {g.at + b.n0 * size->grid.image, g.stride};
        const struct mn__view dy = norm_apply(run, path, stage, &b, gb, dropping, &back);
        const struct mn__view z = mn__temp_view(run, size, 2), dz = mn__temp_view(run, size, 3);
        const struct mn__view to = mn__tensor_view(run, size, size->full, &b);
        mn__stage_hidden(run, path, &b, scale, shift);
        const struct flow source = {.x = z, .dx = dz, .dx_mask = size->grid.mask};
        maps_backward(run, stage, size, &b, dy, &source);
        run->k->relu_dx(path->channels, z.at, z.stride, dz.at, dz.stride, to.at, to.stride, b.len,
                        0);
    }
    return product;
}

static double first_stage_backward(struct mn__run *run, const struct mn__path *path, double weight,
                                   struct mn__view g, int dropping,
                                   const struct mn__source *source) {
    const struct mn__stage *stage = &path->stage[0];
    const struct mn__size *size = &run->model->sizes[path->grid];
    struct norm_back back = norm_room(run);
    struct mn__block b;
    norm_sums(run, path, stage, g, dropping, &back);
    const double product = norm_settle(run, path, stage, weight, &back);
    for (int i = 0; weight != 0 && mn__block_at(run, size, i, &b); i++) {
        const struct mn__view gb = {g.at + b.n0 * size->grid.image, g.stride};
        const struct mn__view dy = norm_apply(run, path, stage, &b, gb, dropping, &back);
        const struct flow flow = source_flow(run, path, source, size, &b);
        maps_backward(run, stage, size, &b, dy, &flow);
    }
    return product;
}

/* ---- paths without batch norm ------------------------------------------------------------- */

static double identity_backward(struct mn__run *run, const struct mn__path *path, double weight,
                                struct mn__view g, const struct mn__source *source) {
    const struct mn__grid *grid = &run->model->sizes[path->grid].grid;
    double product = 0;
    for (int i = 0; i < run->n; i++) {
        const ptrdiff_t at = i * grid->image;
        product += run->k->dot(path->channels, g.at + at, g.stride, source->x + at, source->channel,
                               grid->span);
        if (source->dx != NULL && weight != 0) {
            run->k->axpy(path->channels, (mn_real)weight, g.at + at, g.stride, source->dx + at,
                         source->channel, grid->span, 1);
        }
    }
    return product;
}

/* A max pool of its own, weight 1: nothing asks for the product. */
static double plain_backward(struct mn__run *run, const struct mn__path *path, struct mn__view g,
                             const struct mn__source *source) {
    const struct mn__size *size = &run->model->sizes[path->grid];
    struct mn__block b;
    for (int i = 0; mn__block_at(run, size, i, &b); i++) {
        const struct mn__view gb = {g.at + b.n0 * size->grid.image, g.stride};
        const struct flow flow = source_flow(run, path, source, size, &b);
        maps_backward(run, &path->stage[0], size, &b, gb, &flow);
    }
    return 0;
}

/* Channels that pass the candidates of a stride-2 edge by: a max pool with the edge's weight. */
static double passed_backward(struct mn__run *run, const struct mn__path *path, double weight,
                              struct mn__view g, const struct mn__source *source) {
    const struct mn__size *size = &run->model->sizes[path->grid];
    double product = 0;
    struct mn__block b;
    for (int i = 0; mn__block_at(run, size, i, &b); i++) {
        const struct mn__view gb = {g.at + b.n0 * size->grid.image, g.stride};
        const struct mn__view y = mn__tensor_view(run, size, path->stage[0].y, &b);
        const struct mn__view dy = mn__temp_view(run, size, 0);
        const struct flow flow = source_flow(run, path, source, size, &b);
        product += run->k->dot(path->channels, gb.at, gb.stride, y.at, y.stride, b.len);
        run->k->axpy(path->channels, (mn_real)weight, gb.at, gb.stride, dy.at, dy.stride, b.len, 0);
        maps_backward(run, &path->stage[0], size, &b, dy, &flow);
    }
    return product;
}

static double normed_backward(struct mn__run *run, const struct mn__path *path, double weight,
                              struct mn__view g, const struct mn__source *source) {
    if (path->n_stages == 1) {
        return first_stage_backward(run, path, weight, g, mn__path_drops(run, path), source);
    }
    const double product = second_stage_backward(run, path, weight, g);
    if (weight != 0) {
        const struct mn__size *size = &run->model->sizes[path->grid];
        const struct mn__view full = {run->ws->reals + size->full, size->grid.channel};
        first_stage_backward(run, path, 1, full, 0, source);
    }
    return product;
}

double mn__path_backward(struct mn__run *run, const struct mn__path *path, double weight,
                         const mn_real *dy) {
    const struct mn__source source = mn__source_of(run, path);
    const struct mn__block all = {.n = run->n};
    const struct mn__view g = mn__node_view(&run->model->sizes[path->grid], path, dy, &all);
    if (path->none) {
        return 0;
    }
    if (path->identity) {
        return identity_backward(run, path, weight, g, &source);
    }
    if (path->stage[0].has_norm) {
        return normed_backward(run, path, weight, g, &source);
    }
    return path->passed ? passed_backward(run, path, weight, g, &source)
                        : plain_backward(run, path, g, &source);
}
