/* SPDX-License-Identifier: MIT */
/* A parabola for each channel, y = x + scale w x^2, then a 1x1 convolution, which the host computes
 * (`tail` of the shape). With stride 2 every second pixel is taken. A candidate of convolutions and
 * pools alone needs one function, `maps`, in the place of those here: <metanas/operation.h>. */
#include <metanas/plugin.h>

struct operation {
    double scale;
};

static int shape(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                 struct mn_op_shape *out) {
    out->flags = MN_OP_RELU_BEFORE;
    out->tail = site->channels;
    out->n_weights = 1;
    out->work = 3.0 * site->channels * site->out_height * site->out_width;
    return MN_OK;
}

static int weight(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                  int32_t index, struct mn_op_weight *out) {
    out->name = "square.weight";
    out->n_dims = 1;
    out->dims[0] = site->channels;
    out->fan_in = site->channels;
    return MN_OK;
}

/* Where pixel p of all output images lies in the input images, and its channel. */
static int64_t source(const struct mn_op_site *site, int64_t p, int64_t *channel) {
    const int64_t image = p / ((int64_t)site->out_height * site->out_width);
    const int64_t row = p / site->out_width % site->out_height * site->stride;
    *channel = image % site->channels;
    return (image * site->height + row) * site->width + p % site->out_width * site->stride;
}

static int forward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                   const mn_real *w, const mn_real *x, mn_real *y, mn_real *saved, mn_real *work) {
    const mn_real scale = (mn_real)((const struct operation *)self)->scale;
    const int64_t all = (int64_t)n * site->channels * site->out_height * site->out_width;
    for (int64_t p = 0, c; p < all; p++) {
        const mn_real v = x[source(site, p, &c)];
        y[p] = v + scale * w[c] * v * v;
    }
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                    const mn_real *w, const mn_real *x, const mn_real *saved, const mn_real *g,
                    mn_real *dx, mn_real *d_w, mn_real *work) {
    const mn_real scale = (mn_real)((const struct operation *)self)->scale;
    const int64_t all = (int64_t)n * site->channels * site->out_height * site->out_width;
    const int64_t in = (int64_t)n * site->channels * site->height * site->width;
    mn_vec_fill(dx != NULL ? in : 0, 0, dx);
    for (int64_t p = 0, c; p < all; p++) {
        const int64_t from = source(site, p, &c);
        if (dx != NULL) {
            dx[from] = g[p] * (1 + 2 * scale * w[c] * x[from]);
        }
        if (d_w != NULL) {
            d_w[c] += g[p] * scale * x[from] * x[from];
        }
    }
    return MN_OK;
}

static const struct mn_operation table = {.size = sizeof table,
                                          .shape = shape,
                                          .weight = weight,
                                          .forward = forward,
                                          .backward = backward};

static const struct mn_opt options[] = {
    MN_REAL(struct operation, scale, 1, 0, 1000, "factor of the squares"),
};

MN_PLUGIN("@NAME@", "0.1.0",
          MN_UNIT(MN_OPERATION, "@NAME@", "a parabola for each channel, then a 1x1 convolution",
                  struct operation, options, &table))
