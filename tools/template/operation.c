/* SPDX-License-Identifier: MIT */
/* Each channel convolved with a line of three weights, dilated, then mixed by a 1x1 convolution,
 * which the host computes (shape's tail): y(i, j) = sum_t w(t) x(s i, s j + (t - 1) d). */
#include <metanas/plugin.h>

enum { TAPS = 3 };

struct operation {
    int64_t dilation;
};

static int shape(const void *self, struct mn_cx *cx, const struct mn_op_site *site,
                 struct mn_op_shape *out) {
    out->flags = MN_OP_RELU_BEFORE;
    out->tail = site->channels;
    out->n_weights = 1;
    out->work = (double)TAPS * site->channels * site->out_height * site->out_width;
    return MN_OK;
}

static int weight(const void *self, struct mn_cx *cx, const struct mn_op_site *site, int32_t index,
                  struct mn_op_weight *out) {
    out->name = "line.weight";
    out->n_dims = 2;
    out->dims[0] = site->channels;
    out->dims[1] = TAPS;
    out->fan_in = TAPS;
    return MN_OK;
}

/* The place in x that tap t of output pixel p reads, -1 outside of it. */
static int64_t place(const void *self, const struct mn_op_site *site, int64_t p, int t) {
    const struct operation *s = self;
    const int64_t row = p / site->out_width * site->stride;
    const int64_t column = p % site->out_width * site->stride + (t - 1) * s->dilation;
    return column >= 0 && column < site->width ? row * site->width + column : -1;
}

static int forward(const void *self, struct mn_cx *cx, const struct mn_op_site *site, int32_t n,
                   const mn_real *w, const mn_real *x, mn_real *y, mn_real *saved, mn_real *work) {
    const int64_t in = (int64_t)site->height * site->width;
    const int64_t out = (int64_t)site->out_height * site->out_width;
    for (int64_t c = 0; c < (int64_t)n * site->channels; c++, x += in, y += out) {
        for (int64_t p = 0; p < out; p++) {
            y[p] = 0;
            for (int t = 0; t < TAPS; t++) {
                const int64_t from = place(self, site, p, t);
                y[p] += from < 0 ? 0 : w[c % site->channels * TAPS + t] * x[from];
            }
        }
    }
    return MN_OK;
}

static int backward(const void *self, struct mn_cx *cx, const struct mn_op_site *site, int32_t n,
                    const mn_real *w, const mn_real *x, const mn_real *saved, const mn_real *g,
                    mn_real *dx, mn_real *d_w, mn_real *work) {
    const int64_t in = (int64_t)site->height * site->width;
    const int64_t out = (int64_t)site->out_height * site->out_width;
    for (int64_t c = 0; c < (int64_t)n * site->channels; c++, x += in, g += out) {
        mn_vec_fill(dx != NULL ? in : 0, 0, dx);
        for (int64_t i = 0; i < out * TAPS; i++) {
            const int64_t from = place(self, site, i / TAPS, (int)(i % TAPS));
            const int64_t to = c % site->channels * TAPS + i % TAPS;
            if (from >= 0 && dx != NULL) {
                dx[from] += w[to] * g[i / TAPS];
            }
            if (from >= 0 && d_w != NULL) {
                d_w[to] += x[from] * g[i / TAPS];
            }
        }
        dx = dx != NULL ? dx + in : NULL;
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
    MN_INT(struct operation, dilation, 1, 1, 100, "pixels between the taps"),
};

MN_PLUGIN("@NAME@", "0.1.0",
          MN_UNIT(MN_OPERATION, "@NAME@",
                  "a line of three weights a channel, then a 1x1 convolution", struct operation,
                  options, &table))
