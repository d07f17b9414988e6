/* SPDX-License-Identifier: MIT */
/* y = w tanh(x), a weight for each channel; with stride 2 every second pixel. */
#define WAYS                                                                                       \
    FINE, UNWRITTEN_PIXEL, LATE_NAN, OVERRUNS_SAVED, OVERRUNS_DX, WRITES_X, WRITES_WEIGHTS,        \
        UNNAMED, HOST_NAME, SAME_NAME, NO_FAN_IN, NEGATIVE_TAIL, NO_WEIGHT, OTHER_SHAPE, NOWHERE,  \
        WRONG_DX, WRONG_DW, OVERWRITES_DW, NEEDS_DX, NEEDS_DW, BY_POSITION, KEEPS_WORK, KEEPS_LAST
#include "wrong.h"

struct operation {
    double scale;
};

static int shape(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                 struct mn_op_shape *out) {
    static int calls;
    if (wrong == NOWHERE) {
        return mn_fail(ctx, MN_UNSUPPORTED, "not here");
    }
    out->tail = wrong == NEGATIVE_TAIL ? -1 : 0;
    out->n_weights = wrong == SAME_NAME ? 2 : 1;
    out->n_saved = (int64_t)site->channels * site->out_height * site->out_width;
    out->n_work = out->n_saved;
    out->work = wrong == OTHER_SHAPE ? (double)++calls : (double)out->n_saved;
    return MN_OK;
}

static int weight(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                  int32_t index, struct mn_op_weight *out) {
    out->name = wrong == UNNAMED ? "" : wrong == HOST_NAME ? "pw.weight" : "gain";
    out->n_dims = 1;
    out->dims[0] = site->channels;
    out->fan_in = wrong == NO_FAN_IN ? 0 : 1;
    return MN_OK;
}

static int64_t pixel(const struct mn_op_site *site, int64_t p) {
    return p / site->out_width * site->stride * site->width + p % site->out_width * site->stride;
}

static double position(const struct operation *s, int64_t image) {
    return s->scale * (wrong == BY_POSITION ? 1 + (double)image : 1);
}

static _Thread_local mn_real last; /* of x, for KEEPS_LAST: no race, which would be another fault */

static int forward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                   const mn_real *w, const mn_real *x, mn_real *y, mn_real *saved, mn_real *work) {
    const int64_t in = (int64_t)site->height * site->width;
    const int64_t out = (int64_t)site->out_height * site->out_width;
    const int64_t all = (int64_t)n * site->channels * out;
    for (int64_t i = 0; i < all; i++) {
        const int64_t c = i / out;
        const double scale = position(self, c / site->channels);
        saved[i] = (mn_real)tanh((double)x[c * in + pixel(site, i % out)]);
        work[i] = saved[i];
        y[i] = (mn_real)(scale * (double)w[c % site->channels] * (double)saved[i]);
    }
    last = x[0];
    if (wrong == UNWRITTEN_PIXEL) {
        memset(&y[all - 1], 0xFF, sizeof *y);
    }
    if (wrong == LATE_NAN) {
        y[all - 1] = (mn_real)NAN;
    }
    if (wrong == OVERRUNS_SAVED) {
        saved[all] = 1;
    }
    if (wrong == WRITES_X) {
        ((mn_real *)(uintptr_t)x)[0] = 1;
    }
    return MN_OK;
}

/* Of channel c of all images. */
static void channel_back(const void *self, const struct mn_op_site *site, int64_t c,
                         const mn_real *w, const mn_real *kept, const mn_real *g, mn_real *dx,
                         mn_real *d_w) {
    const int64_t in = (int64_t)site->height * site->width;
    const int64_t out = (int64_t)site->out_height * site->out_width;
    const double scale = position(self, c / site->channels), gain = (double)w[c % site->channels];
    double sum = 0;
    mn_vec_fill(dx != NULL ? in : 0, 0, dx + (dx != NULL ? c * in : 0));
    for (int64_t p = 0; p < out; p++) {
        const double t = (double)kept[c * out + p], d = scale * (double)g[c * out + p];
        sum += d * t;
        if (dx != NULL || wrong == NEEDS_DX) {
            const double slope = wrong == WRONG_DX ? 1 - t : 1 - t * t;
            /* volatile: or a compiler sees that dx cannot be NULL here, and drops what is wrong. */
            mn_real *volatile to = dx;
            to[c * in + pixel(site, p)] += (mn_real)(d * gain * slope);
        }
    }
    if (wrong == OVERWRITES_DW && c < site->channels && d_w != NULL) {
        d_w[c] = 0;
    }
    if (d_w != NULL || wrong == NEEDS_DW) {
        mn_real *volatile to = d_w;
        to[c % site->channels] += (mn_real)(wrong == WRONG_DW ? -sum : sum);
    }
}

static int backward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                    const mn_real *w, const mn_real *x, const mn_real *saved, const mn_real *g,
                    mn_real *dx, mn_real *d_w, mn_real *work) {
    for (int64_t c = 0; c < (int64_t)n * site->channels; c++) {
        channel_back(self, site, c, w, wrong == KEEPS_WORK ? work : saved, g, dx, d_w);
    }
    if (wrong == KEEPS_LAST && dx != NULL && (last < x[0] || last > x[0])) {
        dx[0] += 1;
    }
    if (wrong == OVERRUNS_DX && dx != NULL) {
        dx[(int64_t)n * site->channels * site->height * site->width] = 0;
    }
    if (wrong == WRITES_WEIGHTS) {
        ((mn_real *)(uintptr_t)w)[0] = 1;
    }
    return MN_OK;
}

static struct mn_operation table = {.size = sizeof table,
                                    .shape = shape,
                                    .weight = weight,
                                    .forward = forward,
                                    .backward = backward};

static const struct mn_opt options[] = {
    MN_REAL(struct operation, scale, 1, 0, 10, "of the output"),
};

MN_PLUGIN("broken_operation", "1.0.0",
          MN_UNIT(MN_OPERATION, "operation", "a gain times tanh", struct operation, options,
                  &table))

__attribute__((constructor)) static void loaded(void) {
    choose_way();
    if (wrong == NO_WEIGHT) {
        table.weight = NULL;
    }
}
