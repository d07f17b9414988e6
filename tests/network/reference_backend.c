/* SPDX-License-Identifier: MIT */
/* A second backend, for tests: plain loops in double on arrays [image][channel][row][column], from
 * the description of the network alone. Slow, short, and nothing is shared in memory. */
#include "backend/backend.h"
#include "network/drop_path.h"
#include "network/mixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct map {
    int n, c, h, w;
    double *at, *d; /* value and gradient */
};

/* What a path computed. */
struct tape {
    struct map x;       /* what it reads */
    struct map u[2][2]; /* of each stage: after each map */
    struct map z[2];    /* after batch norm */
    double *inv[2];     /* [channels] 1 / standard deviation */
    mn_real *saved;     /* by an operation of a plugin */
};

struct lane {
    const struct mn_model *m;
    struct nas_arena arena; /* of a pass */
    struct map *states;
    struct tape *tapes;
    struct map features;
    struct nas_pass *pass;
    double *d_w;
    int status;
};

static struct map map_new(struct lane *lane, int c, int h, int w) {
    struct map x = {.n = lane->pass->batch->n, .c = c, .h = h, .w = w};
    const size_t bytes = (size_t)x.n * (size_t)c * (size_t)h * (size_t)w * sizeof *x.at;
    x.at = nas_arena_zeroed(&lane->arena, bytes);
    x.d = nas_arena_zeroed(&lane->arena, bytes);
    if (x.at == NULL || x.d == NULL) {
        abort();
    }
    return x;
}

static struct map map_of_size(struct lane *lane, int c, int size) {
    return map_new(lane, c, lane->m->sizes[size].height, lane->m->sizes[size].width);
}

static ptrdiff_t plane(const struct map *x) {
    return (ptrdiff_t)x->h * x->w;
}

static ptrdiff_t total(const struct map *x) {
    return (ptrdiff_t)x->n * x->c * plane(x);
}

/* Where channel c of image n begins. */
static ptrdiff_t channel_at(const struct map *x, int n, int c) {
    return ((ptrdiff_t)n * x->c + c) * plane(x);
}

/* ---- linear maps -------------------------------------------------------------------------- */

/* The pixel of the source that tap t of output pixel p of a pool reads; -1 = off the image. */
static ptrdiff_t source_of(const struct nas_linear *l, const struct map *x, const struct map *y,
                           ptrdiff_t p, int t) {
    const int dy = l->centred ? (t / l->kw - (l->kh - 1) / 2) * l->dilation : t / l->kw;
    const int dx = l->centred ? (t % l->kw - (l->kw - 1) / 2) * l->dilation : t % l->kw;
    const ptrdiff_t row = p / y->w * l->sh + dy, column = p % y->w * l->sw + dx;
    return row >= 0 && row < x->h && column >= 0 && column < x->w ? row * x->w + column : -1;
}

/* One tap of one pair of channels: y += w x, or backward dx += w dy and the sum of dy x. */
static double tap(const struct nas_linear *l, struct map *x, struct map *y, ptrdiff_t from,
                  ptrdiff_t to, int t, int shift, double w, int back) {
    const int dy = shift + (l->centred ? (t / l->kw - (l->kh - 1) / 2) * l->dilation : t / l->kw);
    const int dx = shift + (l->centred ? (t % l->kw - (l->kw - 1) / 2) * l->dilation : t % l->kw);
    double sum = 0;
    for (int v = 0; v < y->h; v++, to += y->w) {
        const int row = v * l->sh + dy;
        for (int u = 0; u < y->w && row >= 0 && row < x->h; u++) {
            const int column = u * l->sw + dx;
            const ptrdiff_t at = from + row * x->w + column;
            if (column < 0 || column >= x->w) {
                continue;
            }
            if (back) {
                x->d[at] += w * y->d[to + u];
                sum += y->d[to + u] * x->at[at];
            } else {
                y->at[to + u] += w * x->at[at];
            }
        }
    }
    return sum;
}

/* Outputs first.. of a convolution, whose weights begin at `weight`. */
static void convolve(struct lane *lane, const struct nas_linear *l, struct map *x, struct map *y,
                     int first, int n_out, int64_t weight, int shift, int back) {
    const int depthwise = l->kind == NAS_LINEAR_DEPTHWISE, n_in = depthwise ? 1 : l->n_in;
    const int taps = l->kh * l->kw;
    for (int o = 0; o < n_out; o++) {
        for (int i = 0; i < n_in; i++) {
            for (int t = 0; t < taps; t++) {
                const int64_t k = weight + ((int64_t)o * n_in + i) * taps + t;
                for (int n = 0; n < x->n; n++) {
                    lane->d_w[k] +=
                        tap(l, x, y, channel_at(x, n, depthwise ? o : i),
                            channel_at(y, n, first + o), t, shift, (double)lane->pass->w[k], back);
                }
            }
        }
    }
}

static void pool(const struct nas_linear *l, struct map *x, struct map *y, int back) {
    const int average = l->kind == NAS_LINEAR_AVG_POOL;
    for (ptrdiff_t i = 0; i < total(y); i++) {
        const ptrdiff_t base = i / plane(y) * plane(x), p = i % plane(y);
        double sum = 0;
        ptrdiff_t best = -1;
        int on = 0;
        for (int t = 0; t < l->kh * l->kw; t++) {
            const ptrdiff_t at = source_of(l, x, y, p, t);
            if (at >= 0) {
                on++;
                sum += x->at[base + at];
                best = best < 0 || x->at[base + at] > x->at[base + best] ? at : best;
            }
        }
        for (int t = 0; t < l->kh * l->kw && back && average; t++) {
            const ptrdiff_t at = source_of(l, x, y, p, t);
            x->d[at >= 0 ? base + at : 0] += at >= 0 ? y->d[i] / on : 0;
        }
        if (back && !average) {
            x->d[base + best] += y->d[i];
        }
        if (!back) {
            y->at[i] = average ? sum / on : x->at[base + best];
        }
    }
}

static mn_real *reals(struct lane *lane, ptrdiff_t n, const double *from) {
    mn_real *to = nas_arena_zeroed(&lane->arena, (size_t)n * sizeof *to);
    for (ptrdiff_t i = 0; from != NULL && to != NULL && i < n; i++) {
        to[i] = (mn_real)from[i];
    }
    if (to == NULL) {
        abort();
    }
    return to;
}

static void custom(struct lane *lane, const struct nas_linear *l, struct tape *tape, struct map *x,
                   struct map *y, int back) {
    const struct nas_custom_op *op = l->custom;
    const struct mn_operation *table = &op->unit->table.operation;
    struct mn_ctx *ctx = lane->pass->ctx;
    mn_real *in = reals(lane, total(x), x->at), *out = reals(lane, total(y), back ? y->d : NULL);
    mn_real *dx = reals(lane, total(x), NULL), *d_w = reals(lane, op->n_weights, NULL);
    mn_real *work = reals(lane, x->n * op->shape.n_work, NULL);
    const mn_real *w = op->n_weights > 0 ? lane->pass->w + l->weight : NULL;
    work = op->shape.n_work > 0 ? work : NULL;
    if (lane->status != MN_OK) {
        return;
    }
    if (!back && op->shape.n_saved > 0) {
        tape->saved = reals(lane, x->n * op->shape.n_saved, NULL);
    }
    struct nas_call call = nas_call_begin(ctx, op->unit);
    lane->status = nas_call_end(
        &call,
        back ? table->backward(op->unit->self, ctx, &op->site, x->n, w, in, tape->saved, out, dx,
                               w != NULL ? d_w : NULL, work)
             : table->forward(op->unit->self, ctx, &op->site, x->n, w, in, out, tape->saved, work));
    for (ptrdiff_t i = 0; !back && i < total(y); i++) {
        y->at[i] = (double)out[i];
    }
    for (ptrdiff_t i = 0; back && i < total(x); i++) {
        x->d[i] += (double)dx[i];
    }
    for (int64_t i = 0; back && i < op->n_weights; i++) {
        lane->d_w[l->weight + i] += (double)d_w[i];
    }
}

static void linear(struct lane *lane, const struct nas_linear *l, struct tape *tape, struct map *x,
                   struct map *y, int back) {
    const int half = l->n_out / 2;
    switch (l->kind) {
    case NAS_LINEAR_CONV:
    case NAS_LINEAR_DEPTHWISE:
        convolve(lane, l, x, y, 0, l->n_out, l->weight, 0, back);
        return;
    case NAS_LINEAR_REDUCE:
        convolve(lane, l, x, y, 0, half, l->weight, 0, back);
        convolve(lane, l, x, y, half, half, l->weight + (int64_t)half * l->n_in,
                 x->h % 2 == 0 && x->w % 2 == 0, back);
        return;
    case NAS_LINEAR_MAX_POOL:
    case NAS_LINEAR_AVG_POOL:
        pool(l, x, y, back);
        return;
    case NAS_LINEAR_CUSTOM:
        custom(lane, l, tape, x, y, back);
        return;
    }
}

/* The output of a map, before it is computed; the last one has the size of the path. */
static struct map output_of(struct lane *lane, const struct nas_path *path, int stage, int index,
                            const struct map *x) {
    const struct nas_linear *l = &path->stage[stage].linear[index];
    return index + 1 == path->stage[stage].n_linear || l->kind == NAS_LINEAR_CUSTOM
               ? map_of_size(lane, l->n_out, path->size)
               : map_new(lane, l->n_out, (x->h - 1) / l->sh + 1, (x->w - 1) / l->sw + 1);
}

/* ---- batch norm --------------------------------------------------------------------------- */

static void norm_forward(struct lane *lane, const struct nas_stage *s, const struct map *y,
                         struct map *z, double *inv) {
    const struct mn_pass *options = lane->pass->options;
    const double pixels = (double)(y->n * plane(y));
    for (int c = 0; c < y->c; c++) {
        double mean = 0, variance = 0;
        for (ptrdiff_t i = 0; i < y->n * plane(y); i++) {
            mean += y->at[channel_at(y, (int)(i / plane(y)), c) + i % plane(y)] / pixels;
        }
        for (ptrdiff_t i = 0; i < y->n * plane(y); i++) {
            const double v = y->at[channel_at(y, (int)(i / plane(y)), c) + i % plane(y)] - mean;
            variance += v * v / pixels;
        }
        if (options->stats_out != NULL) {
            options->stats_out[s->stats + c] = (mn_real)mean;
            options->stats_out[s->stats + y->c + c] = (mn_real)variance;
        }
        if (options->stats != NULL) {
            mean = (double)options->stats[s->stats + c];
            variance = (double)options->stats[s->stats + y->c + c];
        }
        inv[c] = 1 / sqrt(variance + NAS_NORM_EPS);
        const double gamma = s->gamma < 0 ? 1 : (double)lane->pass->w[s->gamma + c];
        const double beta = s->gamma < 0 ? 0 : (double)lane->pass->w[s->gamma + y->c + c];
        for (ptrdiff_t i = 0; i < y->n * plane(y); i++) {
            const ptrdiff_t at = channel_at(y, (int)(i / plane(y)), c) + i % plane(y);
            z->at[at] = gamma * (y->at[at] - mean) * inv[c] + beta;
        }
    }
}

static void norm_backward(struct lane *lane, const struct nas_stage *s, struct map *y,
                          const struct map *z, const double *inv) {
    const int batch = lane->pass->options->stats == NULL;
    const double pixels = (double)(y->n * plane(y));
    for (int c = 0; c < y->c; c++) {
        const double gamma = s->gamma < 0 ? 1 : (double)lane->pass->w[s->gamma + c];
        double g = 0, g_xhat = 0, mean = 0;
        for (ptrdiff_t i = 0; batch && i < y->n * plane(y); i++) {
            mean += y->at[channel_at(y, (int)(i / plane(y)), c) + i % plane(y)] / pixels;
        }
        mean = batch ? mean : (double)lane->pass->options->stats[s->stats + c];
        for (ptrdiff_t i = 0; i < y->n * plane(y); i++) {
            const ptrdiff_t at = channel_at(y, (int)(i / plane(y)), c) + i % plane(y);
            g += z->d[at];
            g_xhat += z->d[at] * (y->at[at] - mean) * inv[c];
        }
        for (ptrdiff_t i = 0; i < y->n * plane(y); i++) {
            const ptrdiff_t at = channel_at(y, (int)(i / plane(y)), c) + i % plane(y);
            const double xhat = (y->at[at] - mean) * inv[c];
            y->d[at] +=
                gamma * inv[c] * (z->d[at] - (batch ? g / pixels + xhat * g_xhat / pixels : 0));
        }
        if (s->gamma >= 0) {
            lane->d_w[s->gamma + c] += g_xhat;
            lane->d_w[s->gamma + y->c + c] += g;
        }
    }
}

/* ---- paths -------------------------------------------------------------------------------- */

static void relu_forward(const struct map *x, struct map *y) {
    for (ptrdiff_t i = 0; i < total(x); i++) {
        y->at[i] = x->at[i] > 0 ? x->at[i] : 0;
    }
}

/* Channel c of what a path reads, in its source. */
static void read_source(const struct lane *lane, const struct nas_path *path, struct map *x,
                        int back) {
    const struct map *from = &lane->states[path->source];
    for (int n = 0; n < x->n; n++) {
        for (int c = 0; c < x->c; c++) {
            const ptrdiff_t to = channel_at(x, n, c), at = channel_at(from, n, path->first + c);
            for (ptrdiff_t p = 0; p < plane(x); p++) {
                const int off = path->relu && !(from->at[at + p] > 0);
                if (back) {
                    from->d[at + p] += off ? 0 : x->d[to + p];
                } else {
                    x->at[to + p] = off ? 0 : from->at[at + p];
                }
            }
        }
    }
}

static struct map *path_forward(struct lane *lane, const struct nas_path *path) {
    struct tape *t = &lane->tapes[path->index];
    const struct nas_cell_state *s = &lane->m->states[path->source];
    const int n_in = path->n_stages == 0 ? path->channels : path->stage[0].linear[0].n_in;
    t->x = map_of_size(lane, n_in, s->size);
    read_source(lane, path, &t->x, 0);
    struct map *x = &t->x;
    for (int i = 0; i < path->n_stages; i++) {
        const struct nas_stage *stage = &path->stage[i];
        struct map rectified;
        if (i == 1) {
            rectified = map_of_size(lane, path->channels, path->size);
            relu_forward(&t->z[0], &rectified);
            x = &rectified;
        }
        for (int l = 0; l < stage->n_linear; l++) {
            t->u[i][l] = output_of(lane, path, i, l, x);
            linear(lane, &stage->linear[l], t, x, &t->u[i][l], 0);
            x = &t->u[i][l];
        }
        for (ptrdiff_t p = 0; stage->bias >= 0 && p < total(x); p++) {
            x->at[p] += (double)lane->pass->w[stage->bias + p / plane(x) % x->c];
        }
        if (stage->has_norm) {
            t->z[i] = map_of_size(lane, path->channels, path->size);
            t->inv[i] = nas_arena_zeroed(&lane->arena, (size_t)path->channels * sizeof(double));
            norm_forward(lane, stage, x, &t->z[i], t->inv[i]);
        } else {
            t->z[i] = *x; /* shares the gradient, too */
        }
        x = &t->z[i];
    }
    return x;
}

/* The gradient of its output is there. */
static void path_backward(struct lane *lane, const struct nas_path *path) {
    struct tape *t = &lane->tapes[path->index];
    for (int i = path->n_stages - 1; i >= 0; i--) {
        const struct nas_stage *stage = &path->stage[i];
        struct map *y = &t->u[i][stage->n_linear - 1], rectified, *x = &t->x;
        if (stage->has_norm) {
            norm_backward(lane, stage, y, &t->z[i], t->inv[i]);
        }
        for (ptrdiff_t p = 0; stage->bias >= 0 && p < total(y); p++) {
            lane->d_w[stage->bias + p / plane(y) % y->c] += y->d[p];
        }
        if (i == 1) {
            rectified = map_of_size(lane, path->channels, path->size);
            relu_forward(&t->z[0], &rectified);
            x = &rectified;
        }
        for (int l = stage->n_linear - 1; l >= 0; l--) {
            linear(lane, &stage->linear[l], t, l > 0 ? &t->u[i][l - 1] : x, &t->u[i][l], 1);
        }
        for (ptrdiff_t p = 0; i == 1 && p < total(x); p++) {
            t->z[0].d[p] += t->z[0].at[p] > 0 ? x->d[p] : 0;
        }
    }
    read_source(lane, path, &t->x, 1);
}

/* ---- layers ------------------------------------------------------------------------------- */

/* A path and its node: add its output, or take its gradient; returns the product of the node's
 * gradient and the output. */
static double mix(struct lane *lane, const struct nas_layer *layer, const struct nas_path *path,
                  struct map *y, double weight, int back) {
    const struct map *node = &lane->states[layer->state];
    const mn_real *factors = nas_drop_path_factors(lane->m, path, lane->pass->drop);
    double product = 0;
    for (int n = 0; n < y->n; n++) {
        const double factor = factors == NULL ? 1 : (double)factors[n];
        for (int c = 0; c < y->c; c++) {
            const ptrdiff_t at = channel_at(y, n, c);
            const ptrdiff_t to = channel_at(node, n, path->out_first + c * layer->groups);
            for (ptrdiff_t p = 0; p < plane(y); p++) {
                if (back) {
                    product += factor * node->d[to + p] * y->at[at + p];
                    y->d[at + p] += weight * factor * node->d[to + p];
                } else if (weight != 0) {
                    node->at[to + p] += weight * factor * y->at[at + p];
                }
            }
        }
    }
    return product;
}

static int stopped(struct lane *lane) {
    if (lane->status == MN_OK && nas_cancel_signal() != 0) {
        lane->status = mn_fail(lane->pass->ctx, MN_CANCELLED, "stopped by the user");
    }
    return lane->status != MN_OK;
}

static void node(struct lane *lane, const struct nas_layer *layer, int back) {
    struct nas_mix *weights = lane->pass->mix;
    for (int e = 0; e < layer->n_edges && !stopped(lane); e++) {
        for (int p = 0; p < layer->edges[e].n_paths; p++) {
            const struct nas_path *path = &layer->edges[e].paths[p];
            if (!nas_mix_computed(weights, layer, e, p)) {
                continue;
            }
            struct tape *t = &lane->tapes[path->index];
            struct map *y = !back                ? path_forward(lane, path)
                            : path->n_stages > 0 ? &t->z[path->n_stages - 1]
                                                 : &t->x;
            const double weight = nas_mix_weight(weights, layer, e, p);
            const double product = mix(lane, layer, path, y, weight, back);
            if (back) {
                nas_mix_gradient(weights, layer, e, p, product);
            }
            if (back && weight != 0) {
                path_backward(lane, path);
            }
        }
    }
}

static void concat(struct lane *lane, const struct nas_layer *layer, int back) {
    struct map *whole = &lane->states[layer->state];
    for (int k = 0, first = 0; k < layer->n_parts; first += lane->states[layer->parts[k++]].c) {
        struct map *part = &lane->states[layer->parts[k]];
        for (int n = 0; n < part->n; n++) {
            for (ptrdiff_t p = 0; p < part->c * plane(part); p++) {
                const ptrdiff_t to = channel_at(whole, n, first) + p;
                const ptrdiff_t at = channel_at(part, n, 0) + p;
                if (back) {
                    part->d[at] += whole->d[to];
                } else {
                    whole->at[to] = part->at[at];
                }
            }
        }
    }
}

static void layer_pass(struct lane *lane, const struct nas_layer *layer, int back) {
    if (!back) {
        const struct nas_cell_state *s = &lane->m->states[layer->state];
        lane->states[layer->state] = map_of_size(lane, s->channels, s->size);
    }
    if (layer->kind == NAS_LAYER_NODE) {
        node(lane, layer, back);
    } else {
        concat(lane, layer, back);
    }
}

/* ---- head --------------------------------------------------------------------------------- */

/* Features: the state's pixels, or their mean. */
static void features(struct lane *lane, int back) {
    const struct nas_head *h = &lane->m->head;
    struct map *x = &lane->states[h->from], *f = &lane->features;
    const ptrdiff_t share = h->kind == MN_HEAD_FLATTEN ? 1 : plane(x);
    for (ptrdiff_t i = 0; i < total(x); i++) {
        const int off = lane->m->states[h->from].relu && !(x->at[i] > 0);
        if (back) {
            x->d[i] += off ? 0 : f->d[i / share] / (double)share;
        } else {
            f->at[i / share] += off ? 0 : x->at[i] / (double)share;
        }
    }
}

/* ---- the backend -------------------------------------------------------------------------- */

static int forward(struct lane *lane) {
    const struct mn_model *m = lane->m;
    struct map *images = &lane->states[0];
    *images = map_of_size(lane, m->dims.channels, m->states[0].size);
    for (ptrdiff_t i = 0; i < total(images); i++) {
        images->at[i] = (double)lane->pass->batch->images[i];
    }
    for (int i = 0; i < m->n_layers; i++) {
        layer_pass(lane, &m->layers[i], 0);
    }
    lane->features = map_new(lane, (int)m->dims.n_features, 1, 1);
    features(lane, 0);
    for (ptrdiff_t i = 0; i < total(&lane->features); i++) {
        lane->pass->features[i] = (mn_real)lane->features.at[i];
    }
    return stopped(lane) ? lane->status : MN_OK;
}

static int pass_forward(void *of, struct nas_pass *pass) {
    struct lane *lane = of;
    nas_arena_release(&lane->arena, 0);
    lane->pass = pass;
    lane->status = MN_OK;
    lane->states = nas_arena_zeroed(&lane->arena, (size_t)lane->m->n_states * sizeof(struct map));
    lane->tapes = nas_arena_zeroed(&lane->arena, (size_t)lane->m->n_paths * sizeof(struct tape));
    lane->d_w = nas_arena_zeroed(&lane->arena, (size_t)lane->m->dims.n_w * sizeof(double));
    return lane->states != NULL && lane->tapes != NULL && lane->d_w != NULL
               ? forward(lane)
               : mn_fail(pass->ctx, MN_NOMEM, "no memory for a pass");
}

static int pass_backward(void *of, struct nas_pass *pass, const mn_real *d_features) {
    struct lane *lane = of;
    const struct mn_model *m = lane->m;
    for (ptrdiff_t i = 0; i < total(&lane->features); i++) {
        lane->features.d[i] = (double)d_features[i];
    }
    features(lane, 1);
    for (int i = m->n_layers - 1; i >= 0; i--) {
        layer_pass(lane, &m->layers[i], 1);
    }
    for (int64_t i = 0; pass->d_w != NULL && i < m->dims.n_w; i++) {
        pass->d_w[i] += (mn_real)lane->d_w[i]; /* the head's are there */
    }
    return stopped(lane) ? lane->status : MN_OK;
}

static int prepare(struct mn_ctx *ctx, const struct mn_model *network,
                   const struct nas_kernels *kernels, void **plan) {
    *plan = (void *)(uintptr_t)network;
    return MN_OK;
}

static void plan_free(void *plan) {
}

static int lane_new(struct mn_ctx *ctx, void *plan, void **out) {
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory for a worker");
    }
    lane->m = plan;
    *out = lane;
    return MN_OK;
}

static void lane_free(void *of) {
    struct lane *lane = of;
    if (lane != NULL) {
        nas_arena_fini(&lane->arena);
        free(lane);
    }
}

static size_t no_bytes(const void *plan) {
    return 0;
}

extern const struct nas_backend nas_backend_reference;
const struct nas_backend nas_backend_reference = {.name = "reference",
                                                  .prepare = prepare,
                                                  .free = plan_free,
                                                  .lane_new = lane_new,
                                                  .lane_free = lane_free,
                                                  .lane_bytes = no_bytes,
                                                  .unfilled_bytes = no_bytes,
                                                  .forward = pass_forward,
                                                  .backward = pass_backward};
