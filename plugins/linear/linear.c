/* SPDX-License-Identifier: MIT */
/* A linear layer with bias: one weight vector a way, so that the number of ways is that of the
 * training. A task starts from the meta-learned layer, or from the classifier by squared distances
 * to the class means c of its support set, weights 2c and bias -|c|^2 (Proto-MAML, Triantafillou et
 * al. 2020). */
#include <metanas/plugin.h>

enum { META, PROTOTYPES };

struct linear {
    int32_t start;
};

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

/* ---- prototypes --------------------------------------------------------------------------- */

static int starts(const void *self) {
    return ((const struct linear *)self)->start == PROTOTYPES;
}

/* Images of each class, and room for a real of each feature of each class. */
struct classes {
    int32_t *count;
    double *at; /* [ways][n_features], zeroed */
};

static int begin(struct mn_ctx *ctx, const struct mn_head_site *site,
                 const struct mn_head_start *of, struct classes *out) {
    const int64_t n = site->ways * site->n_features;
    out->count = mn_scratch(ctx, (size_t)site->ways * sizeof *out->count);
    out->at = mn_scratch(ctx, (size_t)n * sizeof *out->at);
    if (out->count == NULL || out->at == NULL) {
        return MN_NOMEM;
    }
    for (int64_t i = 0; i < n; i++) {
        out->at[i] = 0;
    }
    for (int32_t c = 0; c < site->ways; c++) {
        out->count[c] = 0;
        for (int32_t i = 0; i < of->n; i++) {
            out->count[c] += of->labels[i] == c;
        }
        if (out->count[c] == 0) {
            return mn_fail(ctx, MN_CONFIG,
                           "no image of class %d of %d among the %d of the support set: a start "
                           "from prototypes needs all classes",
                           (int)c, (int)site->ways, (int)of->n);
        }
    }
    return MN_OK;
}

static int start(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                 const struct mn_head_start *of) {
    const int64_t f = site->n_features, ways = site->ways;
    struct classes mean;
    const int status = begin(ctx, site, of, &mean);
    if (status != MN_OK) {
        return status;
    }
    for (int64_t i = 0; i < of->n * f; i++) {
        const int32_t c = of->labels[i / f];
        mean.at[c * f + i % f] += (double)of->features[i] / mean.count[c];
    }
    for (int64_t c = 0; c < ways; c++) {
        double square = 0;
        for (int64_t i = c * f; i < (c + 1) * f; i++) {
            of->start[i] = (mn_real)(2 * mean.at[i]);
            square += mean.at[i] * mean.at[i];
        }
        of->start[ways * f + c] = (mn_real)-square;
    }
    return MN_OK;
}

/* Of weights 2c and bias -|c|^2 by c: 2 dW - 2 db c, shared by the images of the class. */
static int start_back(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                      const struct mn_head_start *of) {
    const int64_t f = site->n_features, ways = site->ways;
    struct classes d;
    const int status = begin(ctx, site, of, &d);
    if (status != MN_OK) {
        return status;
    }
    for (int64_t i = 0; i < ways * f; i++) {
        d.at[i] = 2 * (double)of->d_start[i];
    }
    for (int64_t i = 0; i < of->n * f; i++) {
        const int32_t c = of->labels[i / f];
        const double d_bias = (double)of->d_start[ways * f + c];
        d.at[c * f + i % f] -= 2 * d_bias * (double)of->features[i] / d.count[c];
    }
    for (int64_t i = 0; i < of->n * f; i++) {
        const int32_t c = of->labels[i / f];
        of->d_features[i] = (mn_real)(d.at[c * f + i % f] / d.count[c]);
    }
    mn_vec_fill(ways * (f + 1), 0, of->d_w); /* it takes nothing of them */
    return MN_OK;
}

static const struct mn_head head = {.size = sizeof head,
                                    .n_weights = n_weights,
                                    .weight = weight,
                                    .forward = forward,
                                    .backward = backward,
                                    .starts = starts,
                                    .start = start,
                                    .start_back = start_back};

static const char *const start_choices[] = {"meta", "prototypes", NULL};

static const struct mn_opt options[] = {
    MN_CHOICE(struct linear, start, META, start_choices,
              "what a task starts from: the meta-learned layer, or the class means of its support "
              "set (Proto-MAML)"),
};

MN_PLUGIN("linear", "0.1.0",
          MN_UNIT(MN_HEAD, "linear", "a linear layer with bias, one weight vector a way",
                  struct linear, options, &head))
