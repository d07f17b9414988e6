/* SPDX-License-Identifier: MIT */
#include "reference.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

/* An activation; freed by its last user. */
struct map {
    int n, c, h, w;
    double *at;
};

static struct map map_new(int n, int c, int h, int w) {
    struct map m = {n, c, h, w, calloc((size_t)(n * c * h * w), sizeof(double))};
    assert_non_null(m.at);
    return m;
}

static int count(const struct map *m) {
    return m->n * m->c * m->h * m->w;
}

static double *pixel(const struct map *m, int n, int c, int y, int x) {
    return &m->at[((n * m->c + c) * m->h + y) * m->w + x];
}

static struct map map_copy(const struct map *m) {
    const struct map out = map_new(m->n, m->c, m->h, m->w);
    memcpy(out.at, m->at, (size_t)count(m) * sizeof *m->at);
    return out;
}

__attribute__((format(printf, 2, 3))) static const mn_real *weight(const struct net *net,
                                                                   const char *format, ...) {
    char name[256];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    for (int a = 0; a < 2; a++) {
        const int n = a ? net->dims.n_a_segments : net->dims.n_w_segments;
        for (int i = 0; i < n; i++) {
            const struct mn_segment *s = nas_model_segment(net->model, a, i);
            if (strcmp(s->name, name) == 0) {
                return (a ? net->at.a : net->at.w) + s->offset;
            }
        }
    }
    return NULL;
}

/* ---- layers ------------------------------------------------------------------------------- */

static struct map relu(const struct map *x) {
    const struct map y = map_copy(x);
    for (int i = 0; i < count(&y); i++) {
        y.at[i] = y.at[i] > 0 ? y.at[i] : 0;
    }
    return y;
}

struct conv {
    int out, kh, kw, sh, sw, dilation, depthwise;
    int shift; /* the input begins `shift` pixels further down and right, without padding */
};

static struct map convolve(const struct map *x, const mn_real *w, struct conv o) {
    assert_non_null(w);
    const int ph = (o.kh - 1) / 2 * o.dilation, pw = (o.kw - 1) / 2 * o.dilation;
    const int in = o.depthwise ? 1 : x->c;
    struct map y =
        map_new(x->n, o.out, (x->h - o.shift - 1) / o.sh + 1, (x->w - o.shift - 1) / o.sw + 1);
    for (int n = 0; n < y.n; n++) {
        for (int c = 0; c < y.c; c++) {
            for (int i = 0; i < in; i++) {
                for (int p = 0; p < y.h * y.w; p++) {
                    for (int t = 0; t < o.kh * o.kw; t++) {
                        const int v = p / y.w * o.sh + o.shift + t / o.kw * o.dilation - ph;
                        const int u = p % y.w * o.sw + o.shift + t % o.kw * o.dilation - pw;
                        if (v >= 0 && v < x->h && u >= 0 && u < x->w) {
                            *pixel(&y, n, c, p / y.w, p % y.w) +=
                                (double)w[(c * in + i) * o.kh * o.kw + t] *
                                *pixel(x, n, o.depthwise ? c : i, v, u);
                        }
                    }
                }
            }
        }
    }
    return y;
}

/* In place, with the batch's statistics; gamma and beta may be NULL. */
static void normalise(struct map *x, const mn_real *gamma, const mn_real *beta) {
    const double pixels = (double)x->n * x->h * x->w;
    for (int c = 0; c < x->c; c++) {
        double mean = 0, variance = 0;
        for (int pass = 0; pass < 3; pass++) {
            for (int n = 0; n < x->n; n++) {
                for (int p = 0; p < x->h * x->w; p++) {
                    double *at = pixel(x, n, c, p / x->w, p % x->w);
                    if (pass == 0) {
                        mean += *at / pixels;
                    } else if (pass == 1) {
                        variance += (*at - mean) * (*at - mean) / pixels;
                    } else {
                        *at = (*at - mean) / sqrt(variance + 1e-5);
                        *at = gamma != NULL ? *at * (double)gamma[c] + (double)beta[c] : *at;
                    }
                }
            }
        }
    }
}

static struct map pool(const struct map *x, int k, int pad, int stride, int average) {
    struct map y =
        map_new(x->n, x->c, (x->h + 2 * pad - k) / stride + 1, (x->w + 2 * pad - k) / stride + 1);
    for (int n = 0; n < y.n; n++) {
        for (int c = 0; c < y.c; c++) {
            for (int p = 0; p < y.h * y.w; p++) {
                double best = -1e300, sum = 0;
                int inside = 0;
                for (int t = 0; t < k * k; t++) {
                    const int v = p / y.w * stride + t / k - pad,
                              u = p % y.w * stride + t % k - pad;
                    if (v >= 0 && v < x->h && u >= 0 && u < x->w) {
                        const double value = *pixel(x, n, c, v, u);
                        best = value > best ? value : best;
                        sum += value;
                        inside++;
                    }
                }
                *pixel(&y, n, c, p / y.w, p % y.w) = average ? sum / inside : best;
            }
        }
    }
    return y;
}

/* Factorized reduce (method: the second convolution is not shifted where a size is odd). */
static struct map reduce(const struct net *net, const struct map *x, int channels,
                         const char *name) {
    struct map r = relu(x);
    const struct conv half = {
        .out = channels / 2, .kh = 1, .kw = 1, .sh = 2, .sw = 2, .dilation = 1};
    struct conv shifted = half;
    shifted.shift = x->h % 2 == 0 && x->w % 2 == 0;
    struct map a = convolve(&r, weight(net, "%s.conv1.weight", name), half);
    struct map b = convolve(&r, weight(net, "%s.conv2.weight", name), shifted);
    struct map y = map_new(a.n, channels, a.h, a.w);
    for (int n = 0; n < y.n; n++) {
        memcpy(pixel(&y, n, 0, 0, 0), pixel(&a, n, 0, 0, 0),
               (size_t)(a.c * a.h * a.w) * sizeof *a.at);
        memcpy(pixel(&y, n, a.c, 0, 0), pixel(&b, n, 0, 0, 0),
               (size_t)(b.c * b.h * b.w) * sizeof *b.at);
    }
    normalise(&y, NULL, NULL);
    free(r.at);
    free(a.at);
    free(b.at);
    return y;
}

/* ---- candidates --------------------------------------------------------------------------- */

static struct map separable(const struct net *net, const struct map *x, int k, int dilation,
                            int stride, const char *name, const char *suffix) {
    struct map r = relu(x);
    struct map u = convolve(&r, weight(net, "%s.dw%s.weight", name, suffix),
                            (struct conv){x->c, k, k, stride, stride, dilation, 1, 0});
    struct map y = convolve(&u, weight(net, "%s.pw%s.weight", name, suffix),
                            (struct conv){x->c, 1, 1, 1, 1, 1, 0, 0});
    normalise(&y, NULL, NULL);
    free(r.at);
    free(u.at);
    return y;
}

static struct map twice_separable(const struct net *net, const struct map *x, int k, int stride,
                                  const char *name) {
    struct map middle = separable(net, x, k, 1, stride, name, "1");
    struct map y = separable(net, &middle, k, 1, 1, name, "2");
    free(middle.at);
    return y;
}

static struct map two_convs(const struct net *net, const struct map *x, struct conv first,
                            struct conv second, const char *name) {
    struct map r = relu(x);
    struct map u = convolve(&r, weight(net, "%s.conv1.weight", name), first);
    struct map y = convolve(&u, weight(net, "%s.conv2.weight", name), second);
    normalise(&y, NULL, NULL);
    free(r.at);
    free(u.at);
    return y;
}

static struct map dense(const struct net *net, const struct map *x, int stride, const char *name) {
    struct map r = relu(x);
    struct map y = convolve(&r, weight(net, "%s.conv.weight", name),
                            (struct conv){x->c, 3, 3, stride, stride, 1, 0, 0});
    normalise(&y, NULL, NULL);
    free(r.at);
    return y;
}

static struct map normed_pool(const struct map *x, int stride, int average) {
    struct map y = pool(x, 3, 1, stride, average);
    normalise(&y, NULL, NULL);
    return y;
}

static struct map candidate(const struct net *net, const struct map *x, const char *op, int s,
                            const char *name) {
    const int c = x->c;
    if (strcmp(op, "max_pool_3x3") == 0 || strcmp(op, "avg_pool_3x3") == 0) {
        return normed_pool(x, s, op[0] == 'a');
    }
    if (strcmp(op, "skip_connect") == 0) {
        return s == 1 ? map_copy(x) : reduce(net, x, c, name);
    }
    if (strcmp(op, "conv_1x5_5x1") == 0) {
        return two_convs(net, x, (struct conv){c, 1, 5, s, s, 1, 0, 0},
                         (struct conv){c, 5, 1, 1, 1, 1, 0, 0}, name);
    }
    if (strcmp(op, "conv_7x1_1x7") == 0) {
        return two_convs(net, x, (struct conv){c, 1, 7, 1, s, 1, 0, 0},
                         (struct conv){c, 7, 1, s, 1, 1, 0, 0}, name);
    }
    if (strcmp(op, "dense_conv_3x3") == 0) {
        return dense(net, x, s, name);
    }
    if (strcmp(op, "none") == 0) {
        return map_new(x->n, c, (x->h - 1) / s + 1, (x->w - 1) / s + 1);
    }
    const int k = op[strlen(op) - 1] - '0';
    if (strncmp(op, "sep", 3) == 0) {
        return twice_separable(net, x, k, s, name);
    }
    return separable(net, x, k, strncmp(op, "dil", 3) == 0 ? 2 : 1, s, name, "");
}

/* ---- mixtures ----------------------------------------------------------------------------- */

/* Softmax at temperature tau; at or under the threshold zero, but the largest stays. */
static void mixture(int n, const mn_real *logits, double tau, double threshold, double *out) {
    double sum = 0;
    int top = 0;
    for (int i = 0; i < n; i++) {
        sum += exp((double)logits[i] / tau);
        top = logits[i] > logits[top] ? i : top;
    }
    for (int i = 0; i < n; i++) {
        const double m = exp((double)logits[i] / tau) / sum;
        out[i] = m <= threshold && i != top ? 0 : m;
    }
}

static int bits(unsigned v) {
    int n = 0;
    for (; v != 0; v >>= 1) {
        n += (int)(v & 1);
    }
    return n;
}

/* Is combination a before b in lexicographic order of their sorted members? */
static int before(unsigned a, unsigned b) {
    const unsigned differs = a ^ b;
    return (a & (differs & (0u - differs))) != 0;
}

/* Eq. 7: each input's weight is the sum over the combinations of k inputs that hold it. */
static void input_weights(const struct reference_space *space, int inputs, const mn_real *logits,
                          double *out) {
    const int k = space->k < inputs ? space->k : inputs;
    unsigned sets[64];
    double q[64];
    int n = 0;
    for (unsigned v = 0; v < 1u << inputs; v++) {
        if (bits(v) == k) {
            int at = n++;
            for (; at > 0 && before(v, sets[at - 1]); at--) {
                sets[at] = sets[at - 1];
            }
            sets[at] = v;
        }
    }
    mixture(n, logits, space->tau_in, space->threshold, q);
    for (int i = 0; i < inputs; i++) {
        out[i] = 0;
        for (int c = 0; c < n; c++) {
            out[i] += (sets[c] >> i & 1) != 0 ? q[c] : 0;
        }
    }
}

/* ---- network ------------------------------------------------------------------------------ */

static void add(struct map *sum, struct map y, double scale) {
    if (sum->at == NULL) {
        *sum = map_new(y.n, y.c, y.h, y.w);
    }
    for (int i = 0; i < count(&y); i++) {
        sum->at[i] += scale * y.at[i];
    }
    free(y.at);
}

static struct map slice(const struct map *x, int first, int channels) {
    struct map y = map_new(x->n, channels, x->h, x->w);
    for (int n = 0; n < y.n; n++) {
        memcpy(pixel(&y, n, 0, 0, 0), pixel(x, n, first, 0, 0),
               (size_t)(channels * x->h * x->w) * sizeof *y.at);
    }
    return y;
}

/* 2x2 max pool of stride 2; windows at the border hold what is there. */
static struct map halve(const struct map *x) {
    struct map y = map_new(x->n, x->c, (x->h + 1) / 2, (x->w + 1) / 2);
    for (int i = 0; i < count(&y); i++) {
        y.at[i] = -1e300;
    }
    for (int i = 0; i < count(x); i++) {
        const int u = i % x->w, v = i / x->w % x->h, plane = i / (x->w * x->h);
        double *to = &y.at[(plane * y.h + v / 2) * y.w + u / 2];
        *to = x->at[i] > *to ? x->at[i] : *to;
    }
    return y;
}

/* PC-DARTS: mixed and passed channels, one part after the other, shuffled. */
static struct map shuffle(const struct map *mixed, const struct map *passed) {
    struct map y = map_new(mixed->n, mixed->c + passed->c, mixed->h, mixed->w);
    const int groups = y.c / mixed->c;
    for (int n = 0; n < y.n; n++) {
        for (int c = 0; c < y.c; c++) {
            const struct map *from = c < mixed->c ? mixed : passed;
            const int to = c % mixed->c * groups + c / mixed->c;
            memcpy(pixel(&y, n, to, 0, 0), pixel(from, n, c < mixed->c ? c : c - mixed->c, 0, 0),
                   (size_t)(y.h * y.w) * sizeof *y.at);
        }
    }
    return y;
}

/* The mixture over the candidates of an edge. */
static struct map edge(const struct net *net, const struct reference_space *space,
                       const struct map *x, const double *weights, int stride, const char *prefix) {
    const int groups = space->partial > 1 ? space->partial : 1, channels = x->c / groups;
    struct map sum = {0}, in = slice(x, 0, channels), rest = slice(x, channels, x->c - channels);
    for (int o = 0; o < space->n_ops; o++) {
        char name[128];
        snprintf(name, sizeof name, "%s.%s", prefix, space->ops[o]);
        add(&sum, candidate(net, &in, space->ops[o], stride, name), weights[o]);
    }
    struct map passed = stride == 2 ? halve(&rest) : map_copy(&rest);
    struct map y = shuffle(&sum, &passed);
    free(in.at);
    free(rest.at);
    free(sum.at);
    free(passed.at);
    return y;
}

static struct map node(const struct net *net, const struct reference_space *space, int cell, int j,
                       const struct map *states) {
    const char *type = space->reduction[cell] ? "reduction" : "normal";
    const mn_real *ops = weight(net, "alpha.%s.%d.op", type, j);
    double in[16], op[64];
    struct map sum = {0};
    input_weights(space, 2 + j, weight(net, "alpha.%s.%d.in", type, j), in);
    for (int e = 0; e < 2 + j; e++) {
        char prefix[96];
        if (space->op_weights != NULL) {
            memcpy(op, space->op_weights[space->reduction[cell]][j][e],
                   (size_t)space->n_ops * sizeof *op);
        } else {
            mixture(space->n_ops, ops + e * space->n_ops, space->tau_op, space->threshold, op);
        }
        snprintf(prefix, sizeof prefix, "cells.%d.nodes.%d.edges.%d", cell, j, e);
        add(&sum, edge(net, space, &states[e], op, space->reduction[cell] && e < 2 ? 2 : 1, prefix),
            in[e]);
    }
    return sum;
}

static struct map preprocess(const struct net *net, const struct map *x, int channels, int halve,
                             int cell, int input) {
    char name[64];
    snprintf(name, sizeof name, "cells.%d.preproc%d", cell, input);
    if (halve) {
        return reduce(net, x, channels, name);
    }
    struct map r = relu(x);
    struct map y = convolve(&r, weight(net, "%s.conv.weight", name),
                            (struct conv){channels, 1, 1, 1, 1, 1, 0, 0});
    normalise(&y, NULL, NULL);
    free(r.at);
    return y;
}

static struct map run_cell(const struct net *net, const struct reference_space *space, int i,
                           const struct map *older, const struct map *newer) {
    struct map states[16];
    const int halve = i > 0 && space->reduction[i - 1];
    states[0] = preprocess(net, older, space->channels, halve, i, 0);
    states[1] = preprocess(net, newer, space->channels, 0, i, 1);
    for (int j = 0; j < space->nodes; j++) {
        states[2 + j] = node(net, space, i, j, states);
    }
    const struct map *one = &states[2];
    struct map out = map_new(one->n, space->nodes * one->c, one->h, one->w);
    for (int n = 0; n < out.n; n++) {
        for (int j = 0; j < space->nodes; j++) {
            memcpy(pixel(&out, n, j * one->c, 0, 0), pixel(&states[2 + j], n, 0, 0, 0),
                   (size_t)(one->c * one->h * one->w) * sizeof *out.at);
        }
    }
    for (int s = 0; s < 2 + space->nodes; s++) {
        free(states[s].at);
    }
    return out;
}

static struct map images(const struct net *net) {
    const struct mn_dims *d = &net->dims;
    struct map x = map_new(net->n, d->channels, d->height, d->width);
    for (int i = 0; i < count(&x); i++) {
        x.at[i] = (double)net->images[i];
    }
    return x;
}

/* Linear layer on features [n][f] and mean cross entropy. */
static void classify(const struct net *net, int f, const double *features, double *logits,
                     double *loss) {
    const mn_real *w = weight(net, "head.weight"), *b = weight(net, "head.bias");
    const int ways = net->dims.ways;
    *loss = 0;
    for (int n = 0; n < net->n; n++) {
        double sum = 0;
        for (int c = 0; c < ways; c++) {
            double z = (double)b[c];
            for (int i = 0; i < f; i++) {
                z += (double)w[c * f + i] * features[n * f + i];
            }
            logits[n * ways + c] = z;
            sum += exp(z);
        }
        *loss += (log(sum) - logits[n * ways + net->labels[n]]) / net->n;
    }
}

void reference_one_shot(const struct net *net, const struct reference_space *space, double *logits,
                        double *loss) {
    struct map x = images(net);
    struct map newer = convolve(&x, weight(net, "stem.conv.weight"),
                                (struct conv){3 * space->channels, 3, 3, 1, 1, 1, 0, 0});
    normalise(&newer, weight(net, "stem.bn.weight"), weight(net, "stem.bn.bias"));
    struct map older = map_copy(&newer);
    for (int i = 0; i < space->cells; i++) {
        struct map out = run_cell(net, space, i, &older, &newer);
        free(older.at);
        older = newer;
        newer = out;
    }
    double *features = calloc((size_t)(newer.n * newer.c), sizeof *features);
    for (int i = 0; i < newer.n * newer.c; i++) {
        for (int p = 0; p < newer.h * newer.w; p++) {
            features[i] += newer.at[i * newer.h * newer.w + p] / (newer.h * newer.w);
        }
    }
    classify(net, newer.c, features, logits, loss);
    free(features);
    free(x.at);
    free(older.at);
    free(newer.at);
}

void reference_conv4(const struct net *net, int channels, int blocks, double *logits,
                     double *loss) {
    struct map x = images(net);
    for (int i = 0; i < blocks; i++) {
        struct map y = convolve(&x, weight(net, "blocks.%d.conv.weight", i),
                                (struct conv){channels, 3, 3, 1, 1, 1, 0, 0});
        const mn_real *bias = weight(net, "blocks.%d.conv.bias", i);
        for (int p = 0; p < count(&y); p++) {
            y.at[p] += (double)bias[p / (y.h * y.w) % y.c];
        }
        normalise(&y, weight(net, "blocks.%d.bn.weight", i), weight(net, "blocks.%d.bn.bias", i));
        struct map r = relu(&y);
        free(x.at);
        x = pool(&r, 2, 0, 2, 0);
        free(y.at);
        free(r.at);
    }
    classify(net, x.c * x.h * x.w, x.at, logits, loss);
    free(x.at);
}

void reference_check(const struct net *net, const double *logits, double loss, const char *what) {
    for (int i = 0; i < net->n * net->dims.ways; i++) {
        const double tolerance = REFERENCE_TOLERANCE * (1 + fabs(logits[i]));
        if (!(fabs((double)net->logits[i] - logits[i]) <= tolerance)) {
            print_error("%s: logit %d is %.12g, the reference gives %.12g\n", what, i,
                        (double)net->logits[i], logits[i]);
            fail();
        }
    }
    assert_true(fabs(net->out.loss - loss) <= REFERENCE_TOLERANCE * (1 + fabs(loss)));
}
