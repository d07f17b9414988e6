/* SPDX-License-Identifier: MIT */
/* A blend that goes with the progress p of the task from softmax to a normaliser with exact zeros:
 * (1 - p) softmax(a) + p relu(a) / sum relu(a). Where no logit is positive the second term is not
 * defined, and softmax(a) takes its place. */
#include "../common/pruning.h"
#include "../common/single_items.h"

/* The softmax is what backward needs besides the logits. */
static int64_t n_saved(const void *self, int64_t n) {
    return n;
}

static double relu(mn_real x) {
    return x > 0 ? (double)x : 0;
}

static double relu_sum(int64_t n, const mn_real *logits) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += relu(logits[i]);
    }
    return sum;
}

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    const double p = when->progress, sum = relu_sum(n, logits);
    mn_vec_softmax(n, logits, 1, saved);
    for (int64_t i = 0; i < n; i++) {
        const double soft = (double)saved[i];
        const double hard = sum > 0 ? relu(logits[i]) / sum : soft;
        weights[i] = (mn_real)((1 - p) * soft + p * hard);
    }
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    const double sum = relu_sum(n, logits), p = sum > 0 ? when->progress : 0;
    const double mean_soft = mn_vec_dot(n, saved, d_weights);
    double mean_hard = 0;
    for (int64_t i = 0; sum > 0 && i < n; i++) {
        mean_hard += relu(logits[i]) / sum * (double)d_weights[i];
    }
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)d_weights[i];
        const double soft = (double)saved[i] * (d - mean_soft);
        const double hard = logits[i] > 0 ? (d - mean_hard) / sum : 0;
        d_logits[i] += (mn_real)((1 - p) * soft + p * hard);
    }
    return MN_OK;
}

static const struct mn_mixer mixer = {
    .size = sizeof mixer,
    .n_choices = single_n_choices,
    .n_logits = single_n_choices,
    .holds = single_holds,
    .n_saved = n_saved,
    .threshold = pruning_threshold,
    .forward = forward,
    .backward = backward,
    .select = pruning_select_above,
};

static const struct mn_opt options[] = {
    PRUNING_OPTIONS,
};

MN_PLUGIN(
    "relu_softmax", "0.1.0",
    MN_UNIT(MN_OP_MIXER, "relu_softmax",
            "blend over a task from softmax to relu(a) / sum relu(a), where any a is positive",
            struct pruning, options, &mixer))
