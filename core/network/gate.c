/* SPDX-License-Identifier: MIT */
/* Squeeze and excitation (Hu et al., CVPR 2018), the map MN_OP_MAP_GATE. Channel c of an image is
 * multiplied by a gate that hangs on the means of all channels:
 *   m_c = mean of x_c,  h = ReLU(A m + b),  q_c = 1 / (1 + exp(-(B h + d)_c)),  y_c = q_c x_c.
 * It is an operation that computes, as a plugin's, inside a candidate that is layers. */
#include "network/builder.h"

#include "metanas/vec.h"

#include <math.h>

struct gate {
    struct nas_instance unit;
    int64_t channels, hidden, pixels;
};

enum part { WEIGHT1, BIAS1, WEIGHT2, BIAS2, PARTS };

/* Where an array of weights begins, and its gradient. */
static int64_t part_at(const struct gate *s, enum part part) {
    const int64_t product = s->hidden * s->channels;
    const int64_t at[PARTS] = {0, product, product + s->hidden, 2 * product + s->hidden};
    return at[part];
}

static int shape(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                 struct mn_op_shape *out) {
    const struct gate *s = self;
    (void)ctx, (void)site;
    out->n_weights = PARTS;
    out->n_saved = 2 * s->channels + s->hidden; /* m, h, q */
    out->n_work = s->channels + s->hidden;      /* gradients of m and h */
    out->work = 2 * (double)s->channels * (double)(s->pixels + s->hidden);
    return MN_OK;
}

static int weight(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site,
                  int32_t index, struct mn_op_weight *out) {
    static const char *const names[] = {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"};
    const struct gate *s = self;
    const int second = index >= WEIGHT2;
    (void)ctx, (void)site;
    out->name = names[index];
    out->n_dims = index % 2 == 0 ? 2 : 1;
    out->dims[0] = second ? s->channels : s->hidden;
    out->dims[1] = second ? s->hidden : s->channels;
    out->fan_in = second ? s->hidden : s->channels;
    return MN_OK;
}

/* h and q of one image, from m before them. */
static void gates(const struct gate *s, const mn_real *w, mn_real *m) {
    mn_real *h = m + s->channels, *q = h + s->hidden;
    for (int64_t k = 0; k < s->hidden; k++) {
        const double a =
            mn_vec_dot(s->channels, w + k * s->channels, m) + (double)w[part_at(s, BIAS1) + k];
        h[k] = (mn_real)(a > 0 ? a : 0);
    }
    for (int64_t c = 0; c < s->channels; c++) {
        const double a = mn_vec_dot(s->hidden, w + part_at(s, WEIGHT2) + c * s->hidden, h) +
                         (double)w[part_at(s, BIAS2) + c];
        q[c] = (mn_real)(1 / (1 + exp(-a)));
    }
}

static int forward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                   const mn_real *w, const mn_real *x, mn_real *y, mn_real *saved, mn_real *work) {
    const struct gate *s = self;
    const int64_t pixels = s->pixels;
    (void)ctx, (void)site, (void)work;
    for (int32_t i = 0; i < n; i++, saved += 2 * s->channels + s->hidden) {
        for (int64_t c = 0; c < s->channels; c++) {
            double sum = 0;
            for (int64_t p = 0; p < pixels; p++) {
                sum += (double)x[c * pixels + p];
            }
            saved[c] = (mn_real)(sum / (double)pixels);
        }
        gates(s, w, saved);
        const mn_real *q = saved + s->channels + s->hidden;
        for (int64_t c = 0; c < s->channels; c++, x += pixels, y += pixels) {
            for (int64_t p = 0; p < pixels; p++) {
                y[p] = q[c] * x[p];
            }
        }
    }
    return MN_OK;
}

/* dL/dm in place of dL/dq; adds to d_w unless it is NULL. */
static void gates_back(const struct gate *s, const mn_real *w, const mn_real *m, mn_real *d_m,
                       mn_real *d_h, mn_real *d_w) {
    const mn_real *h = m + s->channels, *q = h + s->hidden;
    mn_vec_fill(s->hidden, 0, d_h);
    for (int64_t c = 0; c < s->channels; c++) {
        const mn_real d = d_m[c] * q[c] * (1 - q[c]); /* before the sigmoid */
        const int64_t row = part_at(s, WEIGHT2) + c * s->hidden;
        mn_vec_axpy(s->hidden, d, w + row, d_h);
        if (d_w != NULL) {
            mn_vec_axpy(s->hidden, d, h, d_w + row);
            d_w[part_at(s, BIAS2) + c] += d;
        }
    }
    mn_vec_fill(s->channels, 0, d_m);
    for (int64_t k = 0; k < s->hidden; k++) {
        d_h[k] = h[k] > 0 ? d_h[k] : 0;
        mn_vec_axpy(s->channels, d_h[k], w + k * s->channels, d_m);
        if (d_w != NULL) {
            mn_vec_axpy(s->channels, d_h[k], m, d_w + k * s->channels);
            d_w[part_at(s, BIAS1) + k] += d_h[k];
        }
    }
}

static int backward(const void *self, struct mn_ctx *ctx, const struct mn_op_site *site, int32_t n,
                    const mn_real *w, const mn_real *x, const mn_real *saved, const mn_real *g,
                    mn_real *dx, mn_real *d_w, mn_real *work) {
    const struct gate *s = self;
    const int64_t pixels = s->pixels, image = s->channels * pixels;
    mn_real *d_m = work, *d_h = work + s->channels;
    (void)ctx, (void)site;
    for (int32_t i = 0; i < n; i++, x += image, g += image, saved += 2 * s->channels + s->hidden) {
        const mn_real *q = saved + s->channels + s->hidden;
        for (int64_t c = 0; c < s->channels; c++) {
            d_m[c] = (mn_real)mn_vec_dot(pixels, g + c * pixels, x + c * pixels);
        }
        gates_back(s, w, saved, d_m, d_h, d_w);
        for (int64_t k = 0; dx != NULL && k < image; k++) {
            const int64_t c = k / pixels;
            dx[i * image + k] = d_m[c] / (mn_real)pixels + q[c] * g[k];
        }
    }
    return MN_OK;
}

int nas_gate_bind(struct mn_builder *b, struct nas_path *path, int hidden) {
    static const struct mn_operation table = {.size = sizeof table,
                                              .shape = shape,
                                              .weight = weight,
                                              .forward = forward,
                                              .backward = backward};
    const struct nas_size *size = &b->model->sizes[b->model->states[path->source].size];
    struct gate *s = nas_arena_zeroed(&b->model->arena, sizeof *s);
    if (s == NULL) {
        return nas_builder_no_memory(b);
    }
    s->unit.label = "gate";
    s->unit.self = s;
    s->unit.table.operation = table;
    s->channels = path->channels;
    s->hidden = hidden;
    s->pixels = (int64_t)size->height * size->width;
    return nas_custom_op_bind(b, path, &s->unit, 0);
}
