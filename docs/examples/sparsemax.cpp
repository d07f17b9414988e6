/* SPDX-License-Identifier: MIT */
/* sparsemax (Martins and Astudillo, ICML 2016) in C++17: the point of the simplex that is nearest
 * to z = a / temperature, w_i = max(0, z_i - theta); small logits get a weight of exactly 0. */
#include <metanas/plugin.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <new>
#include <vector>

namespace {

struct sparsemax {
    double temperature;
};

int64_t n_choices(const void *, int64_t n_items) {
    return n_items;
}

int holds(const void *, int64_t, int64_t choice, int64_t item) {
    return choice == item;
}

/* Algorithm 1 of the paper. */
double threshold_of(std::vector<double> z) {
    double sum = 0, theta = 0;
    std::sort(z.begin(), z.end(), std::greater<double>());
    for (size_t k = 0; k < z.size(); k++) {
        sum += z[k];
        const double candidate = (sum - 1) / static_cast<double>(k + 1);
        if (z[k] > candidate) {
            theta = candidate;
        }
    }
    return theta;
}

/* No exception may leave a function of the table. */
int forward(const void *self, mn_ctx *ctx, int64_t n, const mn_real *logits, const mn_when *,
            mn_rng *, mn_real *weights, mn_real *) try {
    const auto *s = static_cast<const sparsemax *>(self);
    std::vector<double> z(logits, logits + n);
    for (double &x : z) {
        x /= s->temperature;
        if (!std::isfinite(x)) {
            return mn_fail(ctx, MN_NUMERIC, "a logit is %g", x);
        }
    }
    const double theta = threshold_of(z);
    std::transform(z.begin(), z.end(), weights,
                   [=](double x) { return static_cast<mn_real>(std::max(0.0, x - theta)); });
    return MN_OK;
} catch (const std::bad_alloc &) {
    return mn_fail(ctx, MN_NOMEM, "no memory for %lld numbers", static_cast<long long>(n));
}

/* Of the weights that are not 0: the gradient less its mean. */
int backward(const void *self, mn_ctx *, int64_t n, const mn_real *, const mn_when *,
             const mn_real *weights, const mn_real *, const mn_real *d_weights, mn_real *d_logits) {
    const auto *s = static_cast<const sparsemax *>(self);
    double sum = 0, support = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += weights[i] > 0 ? static_cast<double>(d_weights[i]) : 0;
        support += weights[i] > 0 ? 1 : 0;
    }
    for (int64_t i = 0; i < n; i++) {
        const double d = static_cast<double>(d_weights[i]) - sum / support;
        d_logits[i] += static_cast<mn_real>(weights[i] > 0 ? d / s->temperature : 0);
    }
    return MN_OK;
}

/* What has a weight stays. The largest weight is never 0. */
int select_support(const void *, mn_ctx *, int64_t n, const mn_when *, const mn_real *weights,
                   const mn_real *, uint8_t *keep) {
    std::transform(weights, weights + n, keep,
                   [](mn_real w) { return static_cast<uint8_t>(w > 0); });
    return MN_OK;
}

/* C++17 has no designated initialisers; what is not set stays 0. */
mn_mixer make_table() {
    mn_mixer t = {};
    t.size = sizeof t;
    t.n_choices = t.n_logits = n_choices;
    t.holds = holds;
    t.forward = forward;
    t.backward = backward;
    t.select = select_support;
    return t;
}

const mn_mixer table = make_table();

const mn_opt options[] = {
    MN_REAL_OPEN(sparsemax, temperature, 1.0, 0, 1e6, MN_OPT_OPEN_MIN,
                 "divides the logits; lower is sparser"),
};

} // namespace

MN_PLUGIN("sparsemax", "0.1.0",
          MN_UNIT(MN_OP_MIXER, "sparsemax", "sparsemax of the logits, with weights of exactly 0",
                  sparsemax, options, &table))
