/* SPDX-License-Identifier: MIT */
/* A learned loss that adapts to the task, after MeTAL (Baik et al. 2021): in the steps of a task
 * cross entropy plus what a small network makes of each image, l = W2 tanh(W1 s + b1) + b2. Each of
 * its arrays x is first moved by the state t of the task, x' = (1 + g) x + b, where (g, b) of all
 * arrays are linear in t. s are numbers of the image that do not know how many classes there are, t
 * is their mean over the batch. It begins as cross entropy, W2 = b2 = 0, which it is for query
 * images always. Its weights are part of w: a meta learner that goes back through the steps learns
 * them. */
#include <metanas/plugin.h>

struct metal {
    int64_t hidden;
    bool adapt;
};

enum {
    STATES = 4 /* cross entropy, probability of the label, entropy, spread of the logits */
};
enum { W1, B1, W2, B2, ARRAYS }; /* then, with `adapt`: */
enum { AFFINE = ARRAYS, AFFINE_BIAS, ALL };

static int64_t size_of(const struct metal *s, int array) {
    static const int64_t fixed[ALL] = {
        [B2] = 1, [AFFINE] = 2 * ARRAYS * STATES, [AFFINE_BIAS] = 2 * ARRAYS};
    return array == W1 ? s->hidden * STATES : array < B2 ? s->hidden : fixed[array];
}

static int64_t offset_of(const struct metal *s, int array) {
    int64_t sum = 0;
    for (int i = 0; i < array; i++) {
        sum += size_of(s, i);
    }
    return sum;
}

static int32_t n_weights(const void *self, int32_t ways) {
    return ((const struct metal *)self)->adapt ? ALL : ARRAYS;
}

static int weight(const void *self, struct mn_ctx *ctx, int32_t ways, int32_t index,
                  struct mn_op_weight *out) {
    static const char *const names[] = {"hidden.weight", "hidden.bias",   "out.weight",
                                        "out.bias",      "affine.weight", "affine.bias"};
    out->name = names[index];
    out->n_dims = index == W1 || index == AFFINE ? 2 : 1;
    out->dims[0] = size_of(self, index) / (out->n_dims == 2 ? STATES : 1);
    out->dims[1] = out->n_dims == 2 ? STATES : 0;
    out->init = index > B1 ? MN_OP_INIT_ZEROS : MN_OP_INIT_UNIFORM;
    out->fan_in = STATES;
    return MN_OK;
}

/* ---- the state of an image ---------------------------------------------------------------- */

struct image {
    int ways;
    const mn_real *z;
    int32_t label;
    double *log_p; /* [ways] */
    double entropy, mean, variance;
};

static void look(struct image *x, double s[STATES]) {
    double top = (double)x->z[0], sum = 0;
    x->entropy = x->mean = x->variance = 0;
    for (int c = 0; c < x->ways; c++) {
        top = (double)x->z[c] > top ? (double)x->z[c] : top;
        x->mean += (double)x->z[c] / x->ways;
    }
    for (int c = 0; c < x->ways; c++) {
        sum += exp((double)x->z[c] - top);
    }
    for (int c = 0; c < x->ways; c++) {
        const double off = (double)x->z[c] - x->mean;
        x->log_p[c] = (double)x->z[c] - top - log(sum);
        x->entropy -= exp(x->log_p[c]) * x->log_p[c];
        x->variance += off * off / x->ways;
    }
    s[0] = -x->log_p[x->label];
    s[1] = exp(x->log_p[x->label]);
    s[2] = x->entropy / log(x->ways);
    s[3] = log(1 + x->variance);
}

/* The gradient by the logits of a number whose gradient by the state is d_s. */
static void look_back(const struct image *x, const double d_s[STATES], mn_real *d) {
    const double p_label = exp(x->log_p[x->label]);
    for (int c = 0; c < x->ways; c++) {
        const double p = exp(x->log_p[c]), is = c == x->label;
        const double off = (double)x->z[c] - x->mean;
        d[c] = (mn_real)(d_s[0] * (p - is) + d_s[1] * p_label * (is - p) -
                         d_s[2] * p * (x->log_p[c] + x->entropy) / log(x->ways) +
                         d_s[3] * 2 * off / x->ways / (1 + x->variance));
    }
}

/* ---- the network -------------------------------------------------------------------------- */

struct net {
    const struct metal *self;
    const mn_real *w;
    double t[STATES];            /* state of the task */
    double g[ARRAYS], b[ARRAYS]; /* x' = g x + b */
    double *x, *d_x;             /* arrays x' and their gradient */
};

/* (g, b) of array i: rows 2 i and 2 i + 1 of the affine map. */
static void adapt(struct net *net) {
    const mn_real *a = net->w + offset_of(net->self, AFFINE);
    const mn_real *bias = net->w + offset_of(net->self, AFFINE_BIAS);
    for (int i = 0; i < ARRAYS; i++) {
        net->g[i] = 1;
        net->b[i] = 0;
        for (int k = 0; net->self->adapt && k < STATES; k++) {
            net->g[i] += (double)a[2 * i * STATES + k] * net->t[k];
            net->b[i] += (double)a[(2 * i + 1) * STATES + k] * net->t[k];
        }
        if (net->self->adapt) {
            net->g[i] += (double)bias[2 * i];
            net->b[i] += (double)bias[2 * i + 1];
        }
        const int64_t end = offset_of(net->self, i + 1);
        for (int64_t j = offset_of(net->self, i); j < end; j++) {
            net->x[j] = net->g[i] * (double)net->w[j] + net->b[i];
            net->d_x[j] = 0;
        }
    }
}

/* From d_x to d_w, which may be NULL, and to the state of the task. */
static void adapt_back(const struct net *net, mn_real *d_w, double d_t[STATES]) {
    const int64_t affine = offset_of(net->self, AFFINE);
    const int64_t bias = offset_of(net->self, AFFINE_BIAS);
    for (int i = 0; i < ARRAYS; i++) {
        double d_g = 0, d_b = 0;
        const int64_t end = offset_of(net->self, i + 1);
        for (int64_t j = offset_of(net->self, i); j < end; j++) {
            d_g += net->d_x[j] * (double)net->w[j];
            d_b += net->d_x[j];
            if (d_w != NULL) {
                d_w[j] = (mn_real)(net->g[i] * net->d_x[j]);
            }
        }
        for (int k = 0; net->self->adapt && k < STATES; k++) {
            const int64_t at_g = affine + 2 * i * STATES + k, at_b = at_g + STATES;
            d_t[k] += d_g * (double)net->w[at_g] + d_b * (double)net->w[at_b];
            if (d_w != NULL) {
                d_w[at_g] = (mn_real)(d_g * net->t[k]);
                d_w[at_b] = (mn_real)(d_b * net->t[k]);
            }
        }
        if (net->self->adapt && d_w != NULL) {
            d_w[bias + 2 * i] = (mn_real)d_g;
            d_w[bias + 2 * i + 1] = (mn_real)d_b;
        }
    }
}

/* l of an image. The gradients of `share` times it are added to d_x and d_s. */
static double image_loss(const struct net *net, const double s[STATES], double share,
                         double d_s[STATES]) {
    const int64_t hidden = net->self->hidden;
    const int64_t b1 = offset_of(net->self, B1), w2 = offset_of(net->self, W2);
    const int64_t b2 = offset_of(net->self, B2);
    double sum = net->x[b2];
    net->d_x[b2] += share;
    for (int64_t j = 0; j < hidden; j++) {
        double a = net->x[b1 + j];
        for (int k = 0; k < STATES; k++) {
            a += net->x[j * STATES + k] * s[k];
        }
        const double h = tanh(a), d_a = share * net->x[w2 + j] * (1 - h * h);
        sum += net->x[w2 + j] * h;
        net->d_x[w2 + j] += share * h;
        net->d_x[b1 + j] += d_a;
        for (int k = 0; k < STATES; k++) {
            net->d_x[j * STATES + k] += d_a * s[k];
            d_s[k] += d_a * net->x[j * STATES + k];
        }
    }
    return sum;
}

static int value(const void *self, struct mn_ctx *ctx, const struct mn_loss_call *call,
                 double *loss) {
    const struct metal *s = self;
    const int64_t n = offset_of(s, ARRAYS);
    const int steps = (call->flags & MN_PASS_TRAINING) != 0;
    struct net net = {.self = s, .w = call->w};
    struct image image = {.ways = call->ways};
    double(*states)[STATES] = mn_scratch(ctx, 2 * (size_t)call->n * sizeof *states);
    image.log_p = mn_scratch(ctx, (size_t)call->ways * sizeof *image.log_p);
    net.x = mn_scratch(ctx, 2 * (size_t)n * sizeof *net.x);
    if (states == NULL || image.log_p == NULL || net.x == NULL) {
        return MN_NOMEM;
    }
    net.d_x = net.x + n;
    double(*d_states)[STATES] = states + call->n;
    *loss = 0;
    for (int i = 0; i < call->n; i++) {
        image.z = call->logits + (ptrdiff_t)i * call->ways;
        image.label = call->labels[i];
        look(&image, states[i]);
        *loss += states[i][0] / call->n;
        for (int k = 0; k < STATES; k++) {
            net.t[k] += states[i][k] / call->n;
            d_states[i][k] = k == 0 ? 1.0 / call->n : 0;
        }
    }
    double d_t[STATES] = {0};
    adapt(&net);
    for (int i = 0; steps && i < call->n; i++) {
        *loss += image_loss(&net, states[i], 1.0 / call->n, d_states[i]) / call->n;
    }
    adapt_back(&net, call->d_w, d_t);
    for (int i = 0; i < call->n; i++) {
        for (int k = 0; k < STATES; k++) {
            d_states[i][k] += d_t[k] / call->n;
        }
        image.z = call->logits + (ptrdiff_t)i * call->ways;
        image.label = call->labels[i];
        look(&image, states[i]);
        look_back(&image, d_states[i], call->d_logits + (ptrdiff_t)i * call->ways);
    }
    return MN_OK;
}

static const struct mn_loss metal = {
    .size = sizeof metal, .value = value, .n_weights = n_weights, .weight = weight};

static const struct mn_opt options[] = {
    MN_INT(struct metal, hidden, 16, 1, 1024, "hidden units of the network"),
    MN_BOOL(struct metal, adapt, 1, "whether the state of the task moves its weights"),
};

MN_PLUGIN("metal", "0.1.0",
          MN_UNIT(MN_LOSS, "metal",
                  "cross entropy and a meta-learned network that adapts to the task (MeTAL)",
                  struct metal, options, &metal))
