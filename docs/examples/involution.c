/* SPDX-License-Identifier: MIT */
/* Involution (Li et al., CVPR 2021): every pixel makes the kernel that is laid on it, and the
 * channels of a group share it. With h = ReLU(A x_p) of the channels x_p of pixel p,
 *   y_c(p) = sum over taps t of (B h)_(group of c, t) x_c(p + t),
 * then a 1x1 convolution, which is the host's. With stride 2 every second pixel has a kernel. */
#include <metanas/plugin.h>

struct operation {
    int64_t kernel, groups, ratio;
};

/* Of one site. */
struct sizes {
    int64_t kernel, taps, groups, channels, hidden, in, out; /* in, out: pixels */
};

static struct sizes sizes_of(const struct operation *s, const struct mn_op_site *site) {
    const int64_t hidden = site->channels / s->ratio;
    return (struct sizes){s->kernel,
                          s->kernel * s->kernel,
                          s->groups,
                          site->channels,
                          hidden > 0 ? hidden : 1,
                          (int64_t)site->height * site->width,
                          (int64_t)site->out_height * site->out_width};
}

static int check(const void *self, struct mn_ctx *ctx) {
    const struct operation *s = self;
    return s->kernel % 2 == 1 ? MN_OK : mn_bad_option(ctx, "kernel", "expected an odd number");
}

static int shape(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                 struct mn_op_shape *out) {
    const struct sizes z = sizes_of(self, site);
    if (z.channels % z.groups != 0) {
        return mn_fail(ctx, MN_UNSUPPORTED, "%lld channels are no whole number of %lld groups",
                       (long long)z.channels, (long long)z.groups);
    }
    out->flags = MN_OP_RELU_BEFORE;
    out->tail = site->channels;
    out->n_weights = 2;
    out->n_saved = z.out * (z.hidden + z.groups * z.taps); /* h and kernel of every pixel */
    out->n_work = z.hidden + z.groups * z.taps;
    out->work =
        (double)(z.out * (z.channels + z.groups * z.taps) * z.hidden + z.out * z.channels * z.taps);
    return MN_OK;
}

static int weight(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                  int32_t index, struct mn_op_weight *out) {
    const struct sizes z = sizes_of(self, site);
    out->name = index == 0 ? "reduce.weight" : "span.weight";
    out->n_dims = 2;
    out->dims[0] = index == 0 ? z.hidden : z.groups * z.taps;
    out->dims[1] = out->fan_in = index == 0 ? z.channels : z.hidden;
    return MN_OK;
}

/* The input pixel under the middle of output pixel p, and under tap t; -1: off the image. */
static int64_t under(const struct mn_op_site *site, int64_t p, int64_t dy, int64_t dx) {
    const int64_t y = p / site->out_width * site->stride + dy;
    const int64_t x = p % site->out_width * site->stride + dx;
    return y >= 0 && y < site->height && x >= 0 && x < site->width ? y * site->width + x : -1;
}

static int64_t tap(const struct sizes *z, const struct mn_op_site *site, int64_t p, int64_t t) {
    return under(site, p, t / z->kernel - z->kernel / 2, t % z->kernel - z->kernel / 2);
}

/* h and the kernels of output pixel p, which is all that a pixel saves. */
static void make_kernels(const struct sizes *z, const mn_real *w, const mn_real *x, int64_t middle,
                         mn_real *h) {
    mn_real *kernel = h + z->hidden;
    const mn_real *span = w + z->hidden * z->channels;
    for (int64_t k = 0; k < z->hidden; k++) {
        double sum = 0;
        for (int64_t c = 0; c < z->channels; c++) {
            sum += (double)w[k * z->channels + c] * (double)x[c * z->in + middle];
        }
        h[k] = (mn_real)(sum > 0 ? sum : 0);
    }
    for (int64_t i = 0; i < z->groups * z->taps; i++) {
        kernel[i] = (mn_real)mn_vec_dot(z->hidden, span + i * z->hidden, h);
    }
}

static int forward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                   const mn_real *w, const mn_real *x, mn_real *y, mn_real *saved, mn_real *work) {
    const struct sizes z = sizes_of(self, site);
    for (int64_t i = 0; i < n; i++, x += z.channels * z.in, y += z.channels * z.out) {
        mn_vec_fill(z.channels * z.out, 0, y);
        for (int64_t p = 0; p < z.out; p++, saved += z.hidden + z.groups * z.taps) {
            make_kernels(&z, w, x, under(site, p, 0, 0), saved);
            for (int64_t k = 0; k < z.channels * z.taps; k++) {
                const int64_t c = k / z.taps, t = k % z.taps, from = tap(&z, site, p, t);
                const int64_t group = c * z.groups / z.channels;
                if (from >= 0) {
                    y[c * z.out + p] += saved[z.hidden + group * z.taps + t] * x[c * z.in + from];
                }
            }
        }
    }
    return MN_OK;
}

/* What a pixel's kernels give back, d_kernel, goes on to the weights and to the pixel's x. */
static void kernels_back(const struct sizes *z, const mn_real *w, const mn_real *x, int64_t middle,
                         const mn_real *h, const mn_real *d_kernel, mn_real *d_h, mn_real *dx,
                         mn_real *d_w) {
    const mn_real *span = w + z->hidden * z->channels;
    mn_vec_fill(z->hidden, 0, d_h);
    for (int64_t i = 0; i < z->groups * z->taps; i++) {
        mn_vec_axpy(z->hidden, d_kernel[i], span + i * z->hidden, d_h);
        if (d_w != NULL) {
            mn_vec_axpy(z->hidden, d_kernel[i], h, d_w + (z->channels + i) * z->hidden);
        }
    }
    for (int64_t k = 0; k < z->hidden * z->channels; k++) {
        const int64_t c = k % z->channels;
        const mn_real d = h[k / z->channels] > 0 ? d_h[k / z->channels] : 0;
        if (dx != NULL) {
            dx[c * z->in + middle] += d * w[k];
        }
        if (d_w != NULL) {
            d_w[k] += d * x[c * z->in + middle];
        }
    }
}

static int backward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                    const mn_real *w, const mn_real *x, const mn_real *saved, const mn_real *g,
                    mn_real *dx, mn_real *d_w, mn_real *work) {
    const struct sizes z = sizes_of(self, site);
    mn_real *d_kernel = work + z.hidden;
    mn_vec_fill(dx != NULL ? n * z.channels * z.in : 0, 0, dx);
    for (int64_t i = 0; i < n; i++, x += z.channels * z.in, g += z.channels * z.out) {
        mn_real *to = dx != NULL ? dx + i * z.channels * z.in : NULL;
        for (int64_t p = 0; p < z.out; p++, saved += z.hidden + z.groups * z.taps) {
            mn_vec_fill(z.groups * z.taps, 0, d_kernel);
            for (int64_t k = 0; k < z.channels * z.taps; k++) {
                const int64_t c = k / z.taps, t = k % z.taps, from = tap(&z, site, p, t);
                const int64_t at = c * z.groups / z.channels * z.taps + t;
                if (from >= 0) {
                    d_kernel[at] += g[c * z.out + p] * x[c * z.in + from];
                }
                if (from >= 0 && to != NULL) {
                    to[c * z.in + from] += g[c * z.out + p] * saved[z.hidden + at];
                }
            }
            kernels_back(&z, w, x, under(site, p, 0, 0), saved, d_kernel, work, to, d_w);
        }
    }
    return MN_OK;
}

static const struct mn_operation table = {.size = sizeof table,
                                          .check = check,
                                          .shape = shape,
                                          .weight = weight,
                                          .forward = forward,
                                          .backward = backward};

static const struct mn_opt options[] = {
    MN_INT(struct operation, kernel, 3, 1, 15, "rows and columns of the kernels, odd"),
    MN_INT(struct operation, groups, 1, 1, 1024, "of channels that share a kernel"),
    MN_INT(struct operation, ratio, 4, 1, 1024, "channels for one of h"),
};

MN_PLUGIN("involution", "0.1.0",
          MN_UNIT(MN_OPERATION, "involution", "kernels made by each pixel, then a 1x1 convolution",
                  struct operation, options, &table))
