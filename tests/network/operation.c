/* SPDX-License-Identifier: MIT */
/* Operations for test_operations.c: a separable convolution or a pool in plain loops, by default
 * the built-in conv_3x3 once more; it fails where it is told to. */
#include <metanas/plugin.h>

enum pool { NO_POOL, MAX_POOL, AVG_POOL };

struct operation {
    int64_t height, width, dilation;
    int32_t pool;
    int64_t image; /* that fails; -1 = none */
    bool back;     /* it fails in backward */
};

static int64_t taps(const struct operation *s) {
    return s->height * s->width;
}

static int shape(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                 struct mn_op_shape *out) {
    const struct operation *s = self;
    if (s->pool != NO_POOL) {
        return MN_OK;
    }
    out->flags = MN_OP_RELU_BEFORE;
    out->tail = site->channels;
    out->n_weights = 1;
    out->work = (double)taps(s) * site->channels * site->out_height * site->out_width;
    return MN_OK;
}

static int weight(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                  int32_t index, struct mn_op_weight *out) {
    const struct operation *s = self;
    out->name = "dw.weight";
    out->n_dims = 4;
    out->dims[0] = site->channels;
    out->dims[1] = 1;
    out->dims[2] = s->height;
    out->dims[3] = s->width;
    out->fan_in = taps(s);
    return MN_OK;
}

/* The input pixel of an output pixel's tap; -1: off the image. */
static int64_t source(const struct operation *s, const struct mn_op_site *site, int64_t p,
                      int64_t tap) {
    const int64_t dy = (tap / s->width - (s->height - 1) / 2) * s->dilation;
    const int64_t dx = (tap % s->width - (s->width - 1) / 2) * s->dilation;
    const int64_t y = p / site->out_width * site->stride + dy;
    const int64_t x = p % site->out_width * site->stride + dx;
    return y >= 0 && y < site->height && x >= 0 && x < site->width ? y * site->width + x : -1;
}

/* By how much tap t of output pixel p counts in channel x. */
static double factor(const struct operation *s, const struct mn_op_site *site, const mn_real *w,
                     const mn_real *x, int64_t p, int64_t t) {
    int64_t best = -1, on = 0;
    if (s->pool == NO_POOL) {
        return (double)w[t];
    }
    for (int64_t i = 0; i < taps(s); i++) {
        const int64_t from = source(s, site, p, i);
        on += from >= 0;
        if (from >= 0 && (best < 0 || x[from] > x[source(s, site, p, best)])) {
            best = i;
        }
    }
    return s->pool == AVG_POOL ? 1 / (double)on : (double)(t == best);
}

static int forward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                   const mn_real *w, const mn_real *x, mn_real *y, mn_real *saved, mn_real *work) {
    const struct operation *s = self;
    const int64_t in = (int64_t)site->height * site->width;
    const int64_t out = (int64_t)site->out_height * site->out_width;
    if (s->image >= 0 && !s->back && s->image < n) {
        return mn_fail(ctx, MN_NUMERIC, "image %d is not to my liking", (int)s->image);
    }
    for (int64_t c = 0; c < (int64_t)n * site->channels; c++) {
        const mn_real *own = w != NULL ? w + c % site->channels * taps(s) : NULL;
        for (int64_t p = 0; p < out; p++) {
            double sum = 0;
            for (int64_t t = 0; t < taps(s); t++) {
                const int64_t from = source(s, site, p, t);
                sum += from >= 0 ? factor(s, site, own, x + c * in, p, t) * (double)x[c * in + from]
                                 : 0;
            }
            y[c * out + p] = (mn_real)sum;
        }
    }
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                    const mn_real *w, const mn_real *x, const mn_real *saved, const mn_real *g,
                    mn_real *dx, mn_real *d_w, mn_real *work) {
    const struct operation *s = self;
    const int64_t in = (int64_t)site->height * site->width;
    const int64_t out = (int64_t)site->out_height * site->out_width;
    if (s->image >= 0 && s->back) {
        return mn_fail(ctx, MN_NUMERIC, "there is no way back");
    }
    mn_vec_fill(dx != NULL ? (int64_t)n * site->channels * in : 0, 0, dx);
    for (int64_t c = 0; c < (int64_t)n * site->channels; c++) {
        const int64_t at = c % site->channels * taps(s);
        for (int64_t i = 0; i < out * taps(s); i++) {
            const int64_t p = i / taps(s), t = i % taps(s), from = source(s, site, p, t);
            const double d = (double)g[c * out + p];
            if (from >= 0 && dx != NULL) {
                dx[c * in + from] +=
                    (mn_real)(d * factor(s, site, w != NULL ? w + at : NULL, x + c * in, p, t));
            }
            if (from >= 0 && d_w != NULL) {
                d_w[at + t] += (mn_real)(d * (double)x[c * in + from]);
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

static const char *const pools[] = {"none", "max", "average", NULL};

static const struct mn_opt options[] = {
    MN_INT(struct operation, height, 3, 1, 15, "of the kernel"),
    MN_INT(struct operation, width, 3, 1, 15, "of the kernel"),
    MN_INT(struct operation, dilation, 1, 1, 4, "pixels between taps"),
    MN_CHOICE(struct operation, pool, NO_POOL, pools, "instead of a convolution"),
    MN_INT(struct operation, image, -1, -1, 1000, "of a block, that fails"),
    MN_BOOL(struct operation, back, 0, "fail in backward"),
};

MN_PLUGIN("plain_conv", "1.0.0",
          MN_UNIT(MN_OPERATION, "plain_conv", "maps in plain loops", struct operation, options,
                  &table))
