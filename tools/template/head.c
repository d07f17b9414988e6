/* SPDX-License-Identifier: MIT */
/* A linear layer without bias: logit c = scale * features . weight_c. */
#include <metanas/plugin.h>

struct head {
    double scale;
};

static int32_t n_weights(const void *self, const struct mn_head_site *site) {
    return 1;
}

/* The host keeps them in w under the name that the search space gives its head: head.weight. */
static int weight(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                  int32_t index, struct mn_op_weight *out) {
    out->name = "weight";
    out->n_dims = 2;
    out->dims[0] = site->ways;
    out->dims[1] = site->n_features;
    out->fan_in = site->n_features;
    return MN_OK;
}

static int forward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                   const struct mn_head_call *call) {
    const struct head *s = self;
    const int ways = site->ways, f = (int)site->n_features;
    mn_gemm(ctx, 0, 1, call->n, ways, f, (mn_real)s->scale, call->features, f, call->w, f, 0,
            call->logits, ways);
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                    const struct mn_head_call *call) {
    const struct head *s = self;
    const int ways = site->ways, f = (int)site->n_features;
    const mn_real scale = (mn_real)s->scale;
    if (call->d_w != NULL) {
        mn_gemm(ctx, 1, 0, ways, f, call->n, scale, call->d_logits, ways, call->features, f, 0,
                call->d_w, f);
    }
    mn_gemm(ctx, 0, 0, call->n, f, ways, scale, call->d_logits, ways, call->w, f, 0,
            call->d_features, f);
    return MN_OK;
}

static const struct mn_head table = {
    .size = sizeof table,
    .n_weights = n_weights,
    .weight = weight,
    .forward = forward,
    .backward = backward,
};

static const struct mn_opt options[] = {
    MN_REAL_OPEN(struct head, scale, 1.0, 0, 1e6, MN_OPT_OPEN_MIN, "factor of the logits"),
};

MN_PLUGIN("@NAME@", "0.1.0",
          MN_UNIT(MN_HEAD, "@NAME@", "a linear layer without bias", struct head, options, &table))
