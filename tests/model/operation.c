/* SPDX-License-Identifier: MIT */
/* Operations for test_operations.c: the built-in conv_3x3 once more, in plain loops, and one that
 * fails where it is told to. */
#include <metanas/plugin.h>

enum { K = 3 };

struct operation {
    int64_t image; /* that fails; -1 = none */
    bool back;     /* it fails in backward */
};

static int shape(const void *self, struct mn_cx *cx, const struct mn_op_site *site,
                 struct mn_op_shape *out) {
    out->flags = MN_OP_RELU_BEFORE;
    out->tail = site->channels;
    out->n_weights = 1;
    out->work = (double)K * K * site->channels * site->out_height * site->out_width;
    return MN_OK;
}

static int weight(const void *self, struct mn_cx *cx, const struct mn_op_site *site, int32_t index,
                  struct mn_op_weight *out) {
    out->name = "dw.weight";
    out->n_dims = 4;
    out->dims[0] = site->channels;
    out->dims[1] = 1;
    out->dims[2] = out->dims[3] = K;
    out->fan_in = K * K;
    return MN_OK;
}

/* For every product of a channel: output pixel, tap and input pixel. */
static int64_t source(const struct mn_op_site *site, int64_t p, int64_t tap) {
    const int64_t y = p / site->out_width * site->stride + tap / K - 1;
    const int64_t x = p % site->out_width * site->stride + tap % K - 1;
    return y >= 0 && y < site->height && x >= 0 && x < site->width ? y * site->width + x : -1;
}

static int forward(const void *self, struct mn_cx *cx, const struct mn_op_site *site, int32_t n,
                   const mn_real *w, const mn_real *x, mn_real *y, mn_real *saved, mn_real *work) {
    const struct operation *s = self;
    const int64_t in = (int64_t)site->height * site->width;
    const int64_t out = (int64_t)site->out_height * site->out_width;
    if (s->image >= 0 && !s->back && s->image < n) {
        return mn_fail(cx, MN_NUMERIC, "image %d is not to my liking", (int)s->image);
    }
    for (int64_t c = 0; c < (int64_t)n * site->channels; c++) {
        const mn_real *own = w + c % site->channels * K * K;
        for (int64_t p = 0; p < out; p++) {
            double sum = 0;
            for (int64_t t = 0; t < (int64_t)K * K; t++) {
                const int64_t from = source(site, p, t);
                sum += from >= 0 ? (double)own[t] * (double)x[c * in + from] : 0;
            }
            y[c * out + p] = (mn_real)sum;
        }
    }
    return MN_OK;
}

static int backward(const void *self, struct mn_cx *cx, const struct mn_op_site *site, int32_t n,
                    const mn_real *w, const mn_real *x, const mn_real *saved, const mn_real *g,
                    mn_real *dx, mn_real *d_w, mn_real *work) {
    const struct operation *s = self;
    const int64_t in = (int64_t)site->height * site->width;
    const int64_t out = (int64_t)site->out_height * site->out_width;
    if (s->image >= 0 && s->back) {
        return mn_fail(cx, MN_NUMERIC, "there is no way back");
    }
    mn_vec_fill(dx != NULL ? (int64_t)n * site->channels * in : 0, 0, dx);
    for (int64_t c = 0; c < (int64_t)n * site->channels; c++) {
        const int64_t at = c % site->channels * K * K;
        for (int64_t i = 0; i < out * K * K; i++) {
            const int64_t from = source(site, i / (K * K), i % (K * K));
            const mn_real d = g[c * out + i / (K * K)];
            if (from >= 0 && dx != NULL) {
                dx[c * in + from] += d * w[at + i % (K * K)];
            }
            if (from >= 0 && d_w != NULL) {
                d_w[at + i % (K * K)] += d * x[c * in + from];
            }
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
    MN_INT(struct operation, image, -1, -1, 1000, "of a block, that fails"),
    MN_BOOL(struct operation, back, 0, "fail in backward"),
};

MN_PLUGIN("plain_conv", "1.0.0",
          MN_UNIT(MN_OPERATION, "plain_conv", "conv_3x3 in plain loops", struct operation, options,
                  &table))
