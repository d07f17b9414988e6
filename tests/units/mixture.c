/* SPDX-License-Identifier: MIT */
#include "mixture.h"

#ifdef MN_REAL_DOUBLE
#define STEP 1e-5
#define GRADIENT_ROUNDING 1e-8
#else
#define STEP 2e-2
#define GRADIENT_ROUNDING 3e-2
#endif

void mixture_open(struct mixture *mixture, const char *plugin, int kind) {
    memset(mixture, 0, sizeof *mixture);
    mock_init(&mixture->mock);
    mixture->unit = unit_open(plugin, kind);
    mixture->table = mixture->unit.about->vtable;
    assert_int_equal(mixture->table->size, sizeof *mixture->table);
    mixture->when.size = sizeof mixture->when;
    mixture->when.mixture = &mixture->about;
}

void mixture_close(struct mixture *mixture) {
    unit_close(&mixture->unit);
    mock_fini(&mixture->mock);
}

struct mn_rng mixture_rng(uint32_t stream) {
    return mn_rng_make(1, MN_RNG_MIXER, 0, 2, 3, stream);
}

static void forward(struct mixture *x, int64_t n, const mn_real *logits, double progress,
                    uint32_t stream) {
    struct mn_rng rng = mixture_rng(stream);
    const int64_t n_saved = x->table->n_saved != NULL ? x->table->n_saved(x->unit.self, n) : 0;
    assert_true(n_saved <= MIXTURE_MOST);
    x->when.progress = progress;
    x->about.n_choices = n;
    assert_int_equal(x->table->forward(x->unit.self, &x->mock.ctx, n, logits, &x->when, &rng,
                                       x->weights, n_saved > 0 ? x->saved : NULL),
                     MN_OK);
}

void mixture_forward(struct mixture *x, int64_t n, const mn_real *logits, double progress,
                     uint32_t stream) {
    forward(x, n, logits, progress, stream);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        assert_true(x->weights[i] >= 0);
        sum += (double)x->weights[i];
    }
    assert_close(sum, 1, 4 * ROUNDING);
}

void mixture_backward(struct mixture *x, int64_t n, const mn_real *logits, const mn_real *d_weights,
                      mn_real *d_logits) {
    for (int64_t i = 0; i < n; i++) {
        d_logits[i] = (mn_real)(0.25 * (double)i); /* backward adds */
    }
    assert_int_equal(x->table->backward(x->unit.self, &x->mock.ctx, n, logits, &x->when, x->weights,
                                        x->saved, d_weights, d_logits),
                     MN_OK);
    for (int64_t i = 0; i < n; i++) {
        d_logits[i] = (mn_real)((double)d_logits[i] - 0.25 * (double)i);
    }
}

static double objective(struct mixture *x, int64_t n, const mn_real *logits, double progress,
                        const mn_real *c) {
    double sum = 0;
    forward(x, n, logits, progress, 5);
    for (int64_t i = 0; i < n; i++) {
        sum += (double)c[i] * (double)x->weights[i];
    }
    return sum;
}

static void check_gradient(struct mixture *x, int64_t n, const mn_real *logits, double progress) {
    mn_real c[MIXTURE_MOST] = {0}, at[MIXTURE_MOST] = {0}, d[MIXTURE_MOST] = {0};
    for (int64_t i = 0; i < n; i++) {
        c[i] = (mn_real)cos(1.7 * (double)i + 0.3);
        at[i] = logits[i];
    }
    forward(x, n, at, progress, 5);
    mixture_backward(x, n, at, c, d);
    for (int64_t i = 0; i < n; i++) {
        at[i] = (mn_real)((double)logits[i] + STEP);
        const double high = objective(x, n, at, progress, c), right = (double)at[i];
        at[i] = (mn_real)((double)logits[i] - STEP);
        const double low = objective(x, n, at, progress, c), left = (double)at[i];
        at[i] = logits[i];
        assert_close(d[i], (high - low) / (right - left), GRADIENT_ROUNDING);
    }
}

void mixture_gradient(struct mixture *x, int64_t n, const mn_real *logits) {
    check_gradient(x, n, logits, 0);
    check_gradient(x, n, logits, 0.3);
    check_gradient(x, n, logits, 1);
}

unsigned mixture_select(struct mixture *x, int64_t n, const mn_real *weights,
                        const mn_real *strength) {
    uint8_t keep[MIXTURE_MOST];
    unsigned bits = 0;
    memset(keep, 7, sizeof keep);
    assert_int_equal(
        x->table->select(x->unit.self, &x->mock.ctx, n, &x->when, weights, strength, keep), MN_OK);
    for (int64_t i = 0; i < n; i++) {
        assert_true(keep[i] <= 1);
        bits |= (unsigned)keep[i] << i;
    }
    assert_int_equal(keep[n], 7);
    return bits;
}

void naive_softmax(int64_t n, const mn_real *logits, double tau, double *out) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        out[i] = exp((double)logits[i] / tau);
        sum += out[i];
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] /= sum;
    }
}
