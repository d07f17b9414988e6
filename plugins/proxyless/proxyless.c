/* SPDX-License-Identifier: MIT */
/* ProxylessNAS (Cai et al., ICLR 2019, section 3.2): binary gates. With p = softmax(a), a step that
 * learns only weights draws one candidate of every edge from p; it has weight 1, the others 0. A
 * step that learns the logits draws two from p, without replacement, and the gate opens for one of
 * them: i with probability q_i = p_i / (p_i + p_j). The other is computed only for its gradient.
 * The gradient goes through the gates as if they were q: with g = dL/dgate,
 *
 *     dL/da_i = sum_m g_m q_m (delta_mi - q_i) = q_i q_j (g_i - g_j) = -dL/da_j
 *
 * and that of all other logits is 0.
 *
 * After an update the paper moves the two logits by one number, so that p_i + p_j and the p of all
 * others stay as they were. A mixer does not see updates, so this is left out:
 * docs/architecture.md, "What a mixer cannot do". */
#include "../common/drawn.h"
#include "../common/pruning.h"
#include "../common/single_items.h"

/* What forward leaves for backward; indices as reals. */
enum { OPEN, OTHER, SHARE, SAVED };

static int64_t n_saved(const void *self, int64_t n) {
    return SAVED;
}

/* One of the candidates but `without` (-1 = of all), by their probabilities; -1 where nothing is
 * left. */
static int64_t draw(struct mn_rng *rng, int64_t n, const mn_real *p, int64_t without) {
    double sum = 0;
    int64_t last = -1;
    for (int64_t i = 0; i < n; i++) {
        sum += i != without ? (double)p[i] : 0;
    }
    double left = mn_rng_uniform(rng) * sum;
    for (int64_t i = 0; i < n; i++) {
        if (i == without || p[i] <= 0) {
            continue;
        }
        last = i;
        left -= (double)p[i];
        if (left < 0) {
            break;
        }
    }
    return last;
}

static void swap(int64_t *a, int64_t *b) {
    const int64_t c = *a;
    *a = *b;
    *b = c;
}

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    drawn_mean(n, logits, weights);
    saved[OTHER] = -1;
    if (!when->training) {
        return MN_OK;
    }
    int64_t open = draw(rng, n, weights, -1);
    int64_t other = when->gradient ? draw(rng, n, weights, open) : -1;
    double share = 1;
    if (other >= 0) {
        share = (double)weights[open] / ((double)weights[open] + (double)weights[other]);
        if (mn_rng_uniform(rng) >= share) {
            swap(&open, &other);
            share = 1 - share;
        }
    }
    saved[OPEN] = (mn_real)open;
    saved[OTHER] = (mn_real)other;
    saved[SHARE] = (mn_real)share;
    return drawn_open(ctx, n, open, weights[open], weights);
}

static void measure(const void *self, int64_t n, const mn_real *weights, const mn_real *saved,
                    uint8_t *measured) {
    if (saved[OTHER] >= 0) {
        measured[(int64_t)saved[OTHER]] = 1;
    }
}

static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    if (!when->training) {
        drawn_mean_backward(n, weights, d_weights, d_logits);
        return MN_OK;
    }
    if (saved[OTHER] < 0) {
        return MN_OK;
    }
    const int64_t open = (int64_t)saved[OPEN], other = (int64_t)saved[OTHER];
    const mn_real d = saved[SHARE] * (1 - saved[SHARE]) * (d_weights[open] - d_weights[other]);
    d_logits[open] += d;
    d_logits[other] -= d;
    return MN_OK;
}

static const struct mn_mixer mixer = {
    .size = sizeof mixer,
    .n_choices = single_n_choices,
    .n_logits = single_n_choices,
    .holds = single_holds,
    .n_saved = n_saved,
    .forward = forward,
    .backward = backward,
    .select = pruning_select_largest,
    .measure = measure,
};

MN_PLUGIN("proxyless", "0.1.0",
          MN_UNIT_PLAIN_FLAGGED(
              MN_OP_MIXER, MN_UNIT_SURROGATE, "proxyless",
              "binary gates; two drawn candidates where logits learn (ProxylessNAS)", &mixer))
