/* SPDX-License-Identifier: MIT */
/* alpha-entmax (Peters, Niculae and Martins, ACL 2019): a normaliser between softmax (alpha = 1)
 * and sparsemax (alpha = 2) that gives small logits a weight of exactly 0, so that a pass skips
 * them: p_i = max(0, (alpha - 1) z_i - tau)^(1 / (alpha - 1)) with tau such that sum p = 1, z = a /
 * t. */
#include <metanas/plugin.h>

struct entmax {
    double alpha, temperature;
};

static int64_t n_choices(const void *self, int64_t n_items) {
    return n_items;
}

static int holds(const void *self, int64_t n_items, int64_t choice, int64_t item) {
    return choice == item;
}

/* p_i before the sum is divided out; x is the scaled logit less that of the largest. */
static double part(const struct entmax *s, double x, double tau) {
    return x > tau ? pow(x - tau, 1 / (s->alpha - 1)) : 0;
}

static double scaled(const struct entmax *s, const mn_real *logits, double top, int64_t i) {
    return (s->alpha - 1) * ((double)logits[i] - top) / s->temperature;
}

static double sum_at(const struct entmax *s, int64_t n, const mn_real *logits, double top,
                     double tau) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += part(s, scaled(s, logits, top, i), tau);
    }
    return sum;
}

/* The sum falls from at least 1 at tau = -1, where the largest logit has part 1, to 0 at tau = 0:
 * halving the interval until doubles end finds tau. */
static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    const struct entmax *s = self;
    double top = -INFINITY, low = -1, high = 0;
    for (int64_t i = 0; i < n; i++) {
        top = (double)logits[i] > top ? (double)logits[i] : top;
    }
    for (int step = 0; step < 60; step++) {
        const double middle = 0.5 * (low + high);
        if (sum_at(s, n, logits, top, middle) >= 1) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const double sum = sum_at(s, n, logits, top, low);
    for (int64_t i = 0; i < n; i++) {
        weights[i] = (mn_real)(part(s, scaled(s, logits, top, i), low) / sum);
    }
    return MN_OK;
}

/* dp/dz = diag(q) - q q^T / sum q with q_i = p_i^(2 - alpha) where p_i > 0, else 0. */
static double slope(const struct entmax *s, mn_real p) {
    return p > 0 ? pow((double)p, 2 - s->alpha) : 0;
}

static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    const struct entmax *s = self;
    double sum = 0, mean = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += slope(s, weights[i]);
        mean += slope(s, weights[i]) * (double)d_weights[i];
    }
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)d_weights[i] - mean / sum;
        d_logits[i] += (mn_real)(slope(s, weights[i]) * d / s->temperature);
    }
    return MN_OK;
}

/* What has a weight stays. The largest weight is never 0. */
static int select_support(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *weights,
                          const mn_real *strength, uint8_t *keep) {
    for (int64_t i = 0; i < n; i++) {
        keep[i] = weights[i] > 0;
    }
    return MN_OK;
}

static const struct mn_mixer table = {
    .size = sizeof table,
    .n_choices = n_choices,
    .n_logits = n_choices,
    .holds = holds,
    .forward = forward,
    .backward = backward,
    .select = select_support,
};

static const struct mn_opt options[] = {
    MN_REAL_OPEN(struct entmax, alpha, 1.5, 1, 2, MN_OPT_OPEN_MIN,
                 "2 = sparsemax; towards 1 it becomes the softmax"),
    MN_REAL_OPEN(struct entmax, temperature, 0.3, 0, 1e6, MN_OPT_OPEN_MIN,
                 "divides the logits; lower is sparser"),
};

MN_PLUGIN("entmax", "0.1.0",
          MN_UNIT(MN_OP_MIXER, "entmax", "alpha-entmax of the logits, with weights of exactly 0",
                  struct entmax, options, &table))
