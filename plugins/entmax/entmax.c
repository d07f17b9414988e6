/* SPDX-License-Identifier: MIT */
/* 1.5-entmax (Peters, Niculae and Martins, ACL 2019): between softmax and sparsemax, with weights
 * of exactly 0 for small logits, which a pass then skips: p_i = max(0, z_i - tau)^2 with tau such
 * that sum p = 1, and z = a / (2 t). The temperature t falls within each task. */
#include "../common/combinations.h"
#include "../common/single_items.h"

/* What is no number stays none, and is found. */
static double part(double z, double tau) {
    return z <= tau ? 0 : (z - tau) * (z - tau);
}

/* Less that of the largest logit. */
static double scaled(const mn_real *logits, double top, double t, int64_t i) {
    return ((double)logits[i] - top) / (2 * t);
}

/* The sum of the parts falls from at least 1 at tau = -1, where the largest logit has 1, to 0 at
 * tau = 0: halving the interval until doubles end finds tau. */
static double threshold_of(int64_t n, const mn_real *logits, double top, double t) {
    double low = -1, high = 0;
    for (int step = 0; step < 54; step++) {
        const double middle = 0.5 * (low + high);
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            sum += part(scaled(logits, top, t, i), middle);
        }
        if (sum >= 1) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    double t, sum = 0;
    const int status = annealing_begin(self, ctx, when, &t);
    const double top = (double)logits[pruning_largest(n, logits)];
    const double tau = threshold_of(n, logits, top, t);
    for (int64_t i = 0; i < n; i++) {
        sum += part(scaled(logits, top, t, i), tau);
    }
    for (int64_t i = 0; i < n; i++) {
        weights[i] = (mn_real)(part(scaled(logits, top, t, i), tau) / sum);
    }
    return status;
}

/* dp/dz = 2 (diag(q) - q q^T / sum q) with q = sqrt(p). */
static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    const double t = annealing_tau(self, when);
    double sum = 0, mean = 0;
    for (int64_t i = 0; i < n; i++) {
        const double q = sqrt((double)weights[i]);
        sum += q;
        mean += q * (double)d_weights[i];
    }
    for (int64_t i = 0; i < n; i++) {
        const double q = sqrt((double)weights[i]);
        d_logits[i] += (mn_real)(q * ((double)d_weights[i] - mean / sum) / t);
    }
    return MN_OK;
}

static const struct mn_mixer op_mixer = {
    .size = sizeof op_mixer,
    .check = annealing_check,
    .n_choices = single_n_choices,
    .n_logits = single_n_choices,
    .holds = single_holds,
    .threshold = pruning_threshold,
    .forward = forward,
    .backward = backward,
    .select = pruning_select_above,
};

static const struct mn_mixer input_mixer = {
    .size = sizeof input_mixer,
    .check = annealing_check,
    .n_choices = combined_n_choices,
    .n_logits = combined_n_choices,
    .holds = combined_holds,
    .threshold = pruning_threshold,
    .forward = forward,
    .backward = backward,
    .select = pruning_select_above,
};

static const struct mn_opt op_options[] = {
    ANNEALING_OPTIONS(1.0, 0.3),
    PRUNING_OPTIONS,
};

static const struct mn_opt input_options[] = {
    COMBINED_OPTION,
    ANNEALING_OPTIONS(1.0, 0.3),
    PRUNING_OPTIONS,
};

MN_PLUGIN("entmax", "0.1.0",
          MN_UNIT(MN_OP_MIXER, "entmax",
                  "1.5-entmax of the logits, annealed: small ones get a weight of exactly 0",
                  struct annealing, op_options, &op_mixer),
          MN_UNIT(MN_INPUT_MIXER, "entmax", "annealed 1.5-entmax over the combinations of k inputs",
                  struct combined, input_options, &input_mixer))
