/* SPDX-License-Identifier: MIT */
/* y = w (|h - 0.1| + max(0, h + 0.2) + h clipped to -0.6..0.5), h = x + shift: kinks between which
 * wide differences agree with each other by chance. At stride 2 every second pixel. */
#define WAYS FINE, LEAKS, FORGETS_CLIP, NO_SIGN
#include "wrong.h"

struct kink {
    double scale;
};

static int shape(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                 struct mn_op_shape *out) {
    out->n_weights = 2;
    out->work = 3.0 * site->channels * site->out_height * site->out_width;
    return MN_OK;
}

static int weight(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                  int32_t index, struct mn_op_weight *out) {
    out->name = index == 0 ? "gain" : "shift";
    out->n_dims = 1;
    out->dims[0] = site->channels;
    out->fan_in = 1;
    return MN_OK;
}

static double value(double x) {
    return fabs(x - 0.1) + fmax(0, x + 0.2) + fmin(fmax(x, -0.6), 0.5);
}

static double slope(double x) {
    const double sign = wrong == NO_SIGN || x > 0.1 ? 1 : -1;
    const double rectified = x > -0.2 ? 1 : wrong == LEAKS ? 0.05 : 0;
    const double clipped = (x > -0.6 && x < 0.5) || wrong == FORGETS_CLIP ? 1 : 0;
    return sign + rectified + clipped;
}

static int64_t from(const struct mn_op_site *site, int64_t i) {
    const int64_t out = (int64_t)site->out_height * site->out_width, p = i % out;
    return i / out * site->height * site->width + p / site->out_width * site->stride * site->width +
           p % site->out_width * site->stride;
}

static int forward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                   const mn_real *w, const mn_real *x, mn_real *y, mn_real *saved, mn_real *work) {
    const int64_t out = (int64_t)site->out_height * site->out_width;
    for (int64_t i = 0; i < n * site->channels * out; i++) {
        const int64_t c = i / out % site->channels;
        const double at = (double)x[from(site, i)] + (double)w[site->channels + c];
        y[i] = (mn_real)((double)w[c] * value(at));
    }
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                    const mn_real *w, const mn_real *x, const mn_real *saved, const mn_real *g,
                    mn_real *dx, mn_real *d_w, mn_real *work) {
    const int64_t out = (int64_t)site->out_height * site->out_width;
    if (dx != NULL) {
        mn_vec_fill((int64_t)n * site->channels * site->height * site->width, 0, dx);
    }
    for (int64_t i = 0; i < n * site->channels * out; i++) {
        const int64_t c = i / out % site->channels;
        const double at = (double)x[from(site, i)] + (double)w[site->channels + c];
        const double through = (double)g[i] * (double)w[c] * slope(at);
        if (dx != NULL) {
            dx[from(site, i)] = (mn_real)through;
        }
        if (d_w != NULL) {
            d_w[c] += (mn_real)((double)g[i] * value(at));
            d_w[site->channels + c] += (mn_real)through;
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
    MN_REAL(struct kink, scale, 1, 0, 10, "of nothing"),
};

MN_PLUGIN("broken_kink", "1.0.0",
          MN_UNIT(MN_OPERATION, "kink", "a gain times many kinks", struct kink, options, &table))

__attribute__((constructor)) static void loaded(void) {
    choose_way();
}
