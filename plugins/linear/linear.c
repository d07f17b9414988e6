/* SPDX-License-Identifier: MIT */
/* A linear layer with bias: one weight vector a way, so that the number of ways is that of the
 * training. */
#include <metanas/plugin.h>

static int32_t n_weights(const void *self, const struct mn_head_site *site) {
    return 2;
}

static int weight(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                  int32_t index, struct mn_op_weight *out) {
    out->name = index == 0 ? "weight" : "bias";
    out->n_dims = index == 0 ? 2 : 1;
    out->dims[0] = site->ways;
    out->dims[1] = index == 0 ? site->n_features : 0;
    out->fan_in = site->n_features;
    return MN_OK;
}

static int forward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                   const struct mn_head_call *call) {
    const int ways = site->ways, f = (int)site->n_features;
    const mn_real *bias = call->w + (ptrdiff_t)ways * f;
    for (int i = 0; i < call->n * ways; i++) {
        call->logits[i] = bias[i % ways];
    }
    mn_gemm(ctx, 0, 1, call->n, ways, f, 1, call->features, f, call->w, f, 1, call->logits, ways);
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                    const struct mn_head_call *call) {
    const int ways = site->ways, f = (int)site->n_features, n = call->n;
    const mn_real *d = call->d_logits;
    if (call->d_w != NULL) {
        mn_real *d_bias = call->d_w + (ptrdiff_t)ways * f;
        mn_gemm(ctx, 1, 0, ways, f, n, 1, d, ways, call->features, f, 0, call->d_w, f);
        for (int c = 0; c < ways; c++) {
            double sum = 0;
            for (int i = 0; i < n; i++) {
                sum += (double)d[i * ways + c];
            }
            d_bias[c] = (mn_real)sum;
        }
    }
    mn_gemm(ctx, 0, 0, n, f, ways, 1, d, ways, call->w, f, 0, call->d_features, f);
    return MN_OK;
}

static const struct mn_head head = {.size = sizeof head,
                                    .n_weights = n_weights,
                                    .weight = weight,
                                    .forward = forward,
                                    .backward = backward};

MN_PLUGIN("linear", "0.1.0",
          MN_UNIT_PLAIN(MN_HEAD, "linear", "a linear layer with bias, one weight vector a way",
                        &head))
