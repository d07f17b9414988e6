/* SPDX-License-Identifier: MIT */
/* Squeeze and excitation (Hu et al., CVPR 2018) of an image, before a 1x1 convolution: channel c is
 * multiplied by a gate that hangs on the means of all channels,
 *   m_c = mean of x_c,  h = ReLU(A m + b),  q_c = 1 / (1 + exp(-(B h + d)_c)),  y_c = q_c x_c.
 * With stride 2 every second pixel of y is kept. */
#include <metanas/plugin.h>

struct operation {
    int64_t ratio;
};

/* Of one site. */
struct sizes {
    int64_t channels, hidden, in, out; /* in, out: pixels */
};

static struct sizes sizes_of(const struct operation *s, const struct mn_op_site *site) {
    const int64_t hidden = site->channels / s->ratio;
    return (struct sizes){site->channels, hidden > 0 ? hidden : 1,
                          (int64_t)site->height * site->width,
                          (int64_t)site->out_height * site->out_width};
}

static int shape(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                 struct mn_op_shape *out) {
    const struct sizes z = sizes_of(self, site);
    out->flags = MN_OP_RELU_BEFORE;
    out->tail = site->channels;
    out->n_weights = 4;
    out->n_saved = 2 * z.channels + z.hidden; /* m, h, q */
    out->n_work = z.channels + z.hidden;      /* gradients of m and h */
    out->work = (double)(z.channels * (z.in + z.out + 2 * z.hidden));
    return MN_OK;
}

static int weight(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                  int32_t index, struct mn_op_weight *out) {
    static const char *const names[] = {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"};
    const struct sizes z = sizes_of(self, site);
    const int second = index >= 2;
    out->name = names[index];
    out->n_dims = index % 2 == 0 ? 2 : 1;
    out->dims[0] = second ? z.channels : z.hidden;
    out->dims[1] = second ? z.hidden : z.channels;
    out->fan_in = second ? z.hidden : z.channels;
    return MN_OK;
}

/* Where the arrays of weights begin; those of their gradients are the same. */
static int64_t bias1(const struct sizes *z) {
    return z->hidden * z->channels;
}

static int64_t weight2(const struct sizes *z) {
    return bias1(z) + z->hidden;
}

static int64_t bias2(const struct sizes *z) {
    return weight2(z) + z->channels * z->hidden;
}

/* The pixel of x that pixel p of y is. */
static int64_t pixel(const struct mn_op_site *site, int64_t p) {
    return p / site->out_width * site->stride * site->width + p % site->out_width * site->stride;
}

/* m, h and q of one image. */
static void gates(const struct sizes *z, const mn_real *w, const mn_real *x, mn_real *m) {
    mn_real *h = m + z->channels, *q = h + z->hidden;
    for (int64_t c = 0; c < z->channels; c++) {
        double sum = 0;
        for (int64_t p = 0; p < z->in; p++) {
            sum += (double)x[c * z->in + p];
        }
        m[c] = (mn_real)(sum / (double)z->in);
    }
    for (int64_t k = 0; k < z->hidden; k++) {
        const double a = mn_vec_dot(z->channels, w + k * z->channels, m) + (double)w[bias1(z) + k];
        h[k] = (mn_real)(a > 0 ? a : 0);
    }
    for (int64_t c = 0; c < z->channels; c++) {
        const mn_real *row = w + weight2(z) + c * z->hidden;
        q[c] = (mn_real)(1 / (1 + exp(-mn_vec_dot(z->hidden, row, h) - (double)w[bias2(z) + c])));
    }
}

static int forward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                   const mn_real *w, const mn_real *x, mn_real *y, mn_real *saved, mn_real *work) {
    const struct sizes z = sizes_of(self, site);
    for (int32_t i = 0; i < n; i++, saved += 2 * z.channels + z.hidden) {
        const mn_real *q = saved + z.channels + z.hidden;
        gates(&z, w, x, saved);
        for (int64_t c = 0; c < z.channels; c++, x += z.in, y += z.out) {
            for (int64_t p = 0; p < z.out; p++) {
                y[p] = q[c] * x[pixel(site, p)];
            }
        }
    }
    return MN_OK;
}

/* d_m and d_h, from dL/dq in d_m; adds to d_w unless it is NULL. */
static void gates_back(const struct sizes *z, const mn_real *w, const mn_real *m, mn_real *d_m,
                       mn_real *d_h, mn_real *d_w) {
    const mn_real *h = m + z->channels, *q = h + z->hidden;
    mn_vec_fill(z->hidden, 0, d_h);
    for (int64_t c = 0; c < z->channels; c++) {
        const mn_real d = d_m[c] * q[c] * (1 - q[c]); /* before the sigmoid */
        mn_vec_axpy(z->hidden, d, w + weight2(z) + c * z->hidden, d_h);
        if (d_w != NULL) {
            mn_vec_axpy(z->hidden, d, h, d_w + weight2(z) + c * z->hidden);
            d_w[bias2(z) + c] += d;
        }
    }
    mn_vec_fill(z->channels, 0, d_m);
    for (int64_t k = 0; k < z->hidden; k++) {
        d_h[k] = h[k] > 0 ? d_h[k] : 0;
        mn_vec_axpy(z->channels, d_h[k], w + k * z->channels, d_m);
        if (d_w != NULL) {
            mn_vec_axpy(z->channels, d_h[k], m, d_w + k * z->channels);
            d_w[bias1(z) + k] += d_h[k];
        }
    }
}

static int backward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                    const mn_real *w, const mn_real *x, const mn_real *saved, const mn_real *g,
                    mn_real *dx, mn_real *d_w, mn_real *work) {
    const struct sizes z = sizes_of(self, site);
    const int64_t image = z.channels * z.in;
    mn_real *d_m = work, *d_h = work + z.channels;
    for (int32_t i = 0; i < n; i++, x += image, saved += 2 * z.channels + z.hidden) {
        const mn_real *q = saved + z.channels + z.hidden, *gc = g + i * z.channels * z.out;
        for (int64_t c = 0; c < z.channels; c++) {
            double sum = 0;
            for (int64_t p = 0; p < z.out; p++) {
                sum += (double)gc[c * z.out + p] * (double)x[c * z.in + pixel(site, p)];
            }
            d_m[c] = (mn_real)sum;
        }
        gates_back(&z, w, saved, d_m, d_h, d_w);
        for (int64_t c = 0; dx != NULL && c < z.channels; c++) {
            mn_real *to = dx + i * image + c * z.in;
            mn_vec_fill(z.in, d_m[c] / (mn_real)z.in, to);
            for (int64_t p = 0; p < z.out; p++) {
                to[pixel(site, p)] += q[c] * gc[c * z.out + p];
            }
        }
    }
    return MN_OK;
}

static const struct mn_operation table = {
    .size = sizeof table,
    .shape = shape,
    .weight = weight,
    .forward = forward,
    .backward = backward,
};

static const struct mn_opt options[] = {
    MN_INT(struct operation, ratio, 4, 1, 1024, "channels a hidden unit of the gate"),
};

MN_PLUGIN("squeeze_excitation", "0.1.0",
          MN_UNIT(MN_OPERATION, "squeeze_excitation", "channel gates, then a 1x1 convolution",
                  struct operation, options, &table))
