/* SPDX-License-Identifier: MIT */
/* scale * cosine of the features and a learned vector a way (Chen et al. 2019, section 3.2). */
#include <metanas/plugin.h>

struct cosine {
    double scale;
};

/* Added to lengths: a zero vector has the cosine 0. */
static const double SMALL = 1e-12;

static int32_t n_weights(const void *self, const struct mn_head_site *site) {
    return 1;
}

static int weight(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                  int32_t index, struct mn_op_weight *out) {
    out->name = "weight";
    out->n_dims = 2;
    out->dims[0] = site->ways;
    out->dims[1] = site->n_features;
    out->fan_in = site->n_features;
    return MN_OK;
}

static double norm(int64_t f, const mn_real *x) {
    return sqrt(mn_vec_dot(f, x, x)) + SMALL;
}

static int forward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                   const struct mn_head_call *call) {
    const struct cosine *s = self;
    const int64_t f = site->n_features;
    for (int32_t i = 0; i < call->n; i++) {
        const mn_real *x = call->features + i * f;
        const double length = norm(f, x);
        for (int32_t c = 0; c < site->ways; c++) {
            const mn_real *w = call->w + c * f;
            call->logits[i * site->ways + c] =
                (mn_real)(s->scale * mn_vec_dot(f, x, w) / (length * norm(f, w)));
        }
    }
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                    const struct mn_head_call *call) {
    const struct cosine *s = self;
    const int64_t f = site->n_features;
    mn_vec_fill(call->n * f, 0, call->d_features);
    mn_vec_fill(call->d_w != NULL ? site->ways * f : 0, 0, call->d_w);
    for (int32_t i = 0; i < call->n; i++) {
        const mn_real *x = call->features + i * f;
        const double a = norm(f, x);
        for (int32_t c = 0; c < site->ways; c++) {
            const mn_real *w = call->w + c * f;
            const double b = norm(f, w), cosine = mn_vec_dot(f, x, w) / (a * b);
            const double d = s->scale * (double)call->d_logits[i * site->ways + c];
            mn_vec_axpy(f, (mn_real)(d / (a * b)), w, call->d_features + i * f);
            mn_vec_axpy(f, (mn_real)(-d * cosine / (a * a)), x, call->d_features + i * f);
            if (call->d_w != NULL) {
                mn_vec_axpy(f, (mn_real)(d / (a * b)), x, call->d_w + c * f);
                mn_vec_axpy(f, (mn_real)(-d * cosine / (b * b)), w, call->d_w + c * f);
            }
        }
    }
    return MN_OK;
}

static const struct mn_head head = {.size = sizeof head,
                                    .n_weights = n_weights,
                                    .weight = weight,
                                    .forward = forward,
                                    .backward = backward};

static const struct mn_opt options[] = {
    MN_REAL_OPEN(struct cosine, scale, 10, 0, 1e6, MN_OPT_OPEN_MIN, "factor of the cosine"),
};

MN_PLUGIN("cosine", "0.1.0",
          MN_UNIT(MN_HEAD, "cosine", "cosine of the features and a learned vector a way",
                  struct cosine, options, &head))
