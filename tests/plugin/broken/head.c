/* SPDX-License-Identifier: MIT */
/* Logit c = scale * (features + mean of the support set) . weight_c; a task starts from weights of
 * a tenth of theirs and the sum of the features of class c, squared. */
#define WAYS                                                                                       \
    FINE, UNNAMED, SAME_NAME, NO_FAN_IN, TOO_MANY, WRONG_DW, WRONG_DFEATURES, FORGETS_SUPPORT,     \
        UNWRITTEN_DW, WRITES_FEATURES, OVERRUNS_LOGITS, NO_START, WRONG_START, KEEPS_DW,           \
        UNWRITTEN_START, OVERRUNS_START
#include "wrong.h"

struct head {
    double scale;
};

static int32_t n_weights(const void *self, const struct mn_head_site *site) {
    return wrong == SAME_NAME ? 2 : wrong == TOO_MANY ? MN_HEAD_WEIGHTS + 1 : 1;
}

static int weight(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                  int32_t index, struct mn_op_weight *out) {
    out->name = wrong == UNNAMED ? "" : "weight";
    out->n_dims = 2;
    out->dims[0] = site->ways;
    out->dims[1] = site->n_features;
    out->fan_in = wrong == NO_FAN_IN ? 0 : site->n_features;
    return MN_OK;
}

static int uses_support(const void *self) {
    return 1;
}

static double mean(const struct mn_head_call *call, int64_t f, int64_t k) {
    double sum = 0;
    for (int64_t i = 0; i < call->n_support; i++) {
        sum += (double)call->support[i * f + k] / call->n_support;
    }
    return sum;
}

static int forward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                   const struct mn_head_call *call) {
    const double scale = ((const struct head *)self)->scale;
    const int64_t f = site->n_features, ways = site->ways;
    for (int64_t i = 0; i < call->n * ways; i++) {
        double sum = 0;
        for (int64_t k = 0; k < f; k++) {
            sum += ((double)call->features[i / ways * f + k] + mean(call, f, k)) *
                   (double)call->w[i % ways * f + k];
        }
        call->logits[i] = (mn_real)(scale * sum);
    }
    if (wrong == OVERRUNS_LOGITS) {
        call->logits[call->n * ways] = 1;
    }
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                    const struct mn_head_call *call) {
    const double scale = ((const struct head *)self)->scale;
    const int64_t f = site->n_features, ways = site->ways;
    mn_vec_fill(ways * f, 0, call->d_w);
    mn_vec_fill(call->n_support * f, 0, call->d_support);
    for (int64_t i = 0; i < call->n; i++) {
        for (int64_t k = 0; k < f; k++) {
            double d_x = 0;
            for (int64_t c = 0; c < ways; c++) {
                const double d = scale * (double)call->d_logits[i * ways + c];
                const double x = (double)call->features[i * f + k] + mean(call, f, k);
                d_x += d * (double)call->w[c * f + k];
                call->d_w[c * f + k] += (mn_real)(wrong == WRONG_DW ? d : d * x);
            }
            call->d_features[i * f + k] = (mn_real)(wrong == WRONG_DFEATURES ? 2 * d_x : d_x);
            for (int64_t s = 0; s < call->n_support && wrong != FORGETS_SUPPORT; s++) {
                call->d_support[s * f + k] += (mn_real)(d_x / call->n_support);
            }
        }
    }
    if (wrong == UNWRITTEN_DW) {
        memset(&call->d_w[ways * f - 1], 0xFF, sizeof *call->d_w);
    }
    if (wrong == WRITES_FEATURES) {
        ((mn_real *)(uintptr_t)call->features)[0] = 1;
    }
    return MN_OK;
}

/* ---- start -------------------------------------------------------------------------------- */

static int starts(const void *self) {
    return 1;
}

static double sum_of(const struct mn_head_start *of, int64_t f, int64_t c, int64_t k) {
    double sum = 0;
    for (int64_t i = 0; i < of->n; i++) {
        sum += of->labels[i] == c ? (double)of->features[i * f + k] : 0;
    }
    return sum;
}

static int start(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                 const struct mn_head_start *of) {
    const int64_t f = site->n_features, n = site->ways * f;
    for (int64_t i = 0; i < n - (wrong == UNWRITTEN_START); i++) {
        const double sum = sum_of(of, f, i / f, i % f);
        of->start[i] = (mn_real)(0.1 * (double)of->w[i] + sum * sum);
    }
    if (wrong == OVERRUNS_START) {
        of->start[n] = 1;
    }
    return MN_OK;
}

static int start_back(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                      const struct mn_head_start *of) {
    const int64_t f = site->n_features;
    for (int64_t i = 0; i < site->ways * f; i++) {
        of->d_w[i] = (mn_real)(wrong == KEEPS_DW ? 0 : 0.1 * (double)of->d_start[i]);
    }
    for (int64_t i = 0; i < of->n * f; i++) {
        const int64_t c = of->labels[i / f], k = i % f;
        const double slope = wrong == WRONG_START ? 1 : 2 * sum_of(of, f, c, k);
        of->d_features[i] = (mn_real)(slope * (double)of->d_start[c * f + k]);
    }
    return MN_OK;
}

static struct mn_head table = {.size = sizeof table,
                               .n_weights = n_weights,
                               .weight = weight,
                               .uses_support = uses_support,
                               .forward = forward,
                               .backward = backward,
                               .starts = starts,
                               .start = start,
                               .start_back = start_back};

static const struct mn_opt options[] = {
    MN_REAL(struct head, scale, 1, 0, 10, "of the logits"),
};

MN_PLUGIN("broken_head", "1.0.0",
          MN_UNIT(MN_HEAD, "head", "a linear layer that looks at the support set", struct head,
                  options, &table))

__attribute__((constructor)) static void loaded(void) {
    choose_way();
    if (wrong == NO_START) {
        table.start = NULL;
    }
}
