/* SPDX-License-Identifier: MIT */
#ifndef METANAS_VEC_H
#define METANAS_VEC_H

/* Vector arithmetic for plugins: plain loops, nothing to link. */

#include "abi.h"

#include <math.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Square root of a real. */
static inline mn_real mn_real_sqrt(mn_real x) {
#ifdef MN_REAL_DOUBLE
    return sqrt(x);
#else
    return sqrtf(x);
#endif
}

/* y[n] += s * x[n] */
static inline void mn_vec_axpy(int64_t n, mn_real s, const mn_real *x, mn_real *y) {
    for (int64_t i = 0; i < n; i++) {
        y[i] += s * x[i];
    }
}

/* y[n] = x[n] */
static inline void mn_vec_copy(int64_t n, const mn_real *x, mn_real *y) {
    if (n > 0) {
        memcpy(y, x, (size_t)n * sizeof *y);
    }
}

/* x[n] = s */
static inline void mn_vec_fill(int64_t n, mn_real s, mn_real *x) {
    for (int64_t i = 0; i < n; i++) {
        x[i] = s;
    }
}

/* out[n] = x[n] - y[n] */
static inline void mn_vec_sub(int64_t n, const mn_real *x, const mn_real *y, mn_real *out) {
    for (int64_t i = 0; i < n; i++) {
        out[i] = x[i] - y[i];
    }
}

/* x . y, accumulated in double */
static inline double mn_vec_dot(int64_t n, const mn_real *x, const mn_real *y) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)y[i];
    }
    return sum;
}

/* out[n] = softmax(x[n] / tau), tau > 0 (Eq. 5; tau = 1: Eq. 1). Safe for any finite x and for
 * minus infinity in some places. */
static inline void mn_vec_softmax(int64_t n, const mn_real *x, double tau, mn_real *out) {
    double top = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        top = (double)x[i] > top ? (double)x[i] : top;
    }
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += exp(((double)x[i] - top) / tau);
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] = (mn_real)(exp(((double)x[i] - top) / tau) / sum);
    }
}

/* d_x[n] += J^T d_out for out = softmax(x / tau): out_i (d_i - sum_j out_j d_j) / tau. */
static inline void mn_vec_softmax_backward(int64_t n, const mn_real *out, double tau,
                                           const mn_real *d_out, mn_real *d_x) {
    const double mean = mn_vec_dot(n, out, d_out);
    for (int64_t i = 0; i < n; i++) {
        d_x[i] += (mn_real)((double)out[i] * ((double)d_out[i] - mean) / tau);
    }
}

/* w[n] -= lr * g[n] */
static inline void mn_vec_sgd(int64_t n, double lr, const mn_real *g, mn_real *w) {
    mn_vec_axpy(n, (mn_real)-lr, g, w);
}

/* Constants of an Adam step. */
struct mn_adam {
    double lr, beta1, beta2, eps, weight_decay;
};

/* One Adam step (Kingma and Ba) with L2 weight decay added to the gradient. m[n] may be NULL where
 * beta1 is 0. t is the number of this step, from 1. */
static inline void mn_vec_adam(int64_t n, const struct mn_adam *o, double t, const mn_real *g,
                               mn_real *m, mn_real *v, mn_real *w) {
    const mn_real b1 = (mn_real)o->beta1, c1 = (mn_real)(1 - o->beta1);
    const mn_real b2 = (mn_real)o->beta2, c2 = (mn_real)(1 - o->beta2);
    const mn_real rate = (mn_real)(o->lr / (1 - pow(o->beta1, t)));
    const mn_real scale = (mn_real)(1 / sqrt(1 - pow(o->beta2, t)));
    const mn_real decay = (mn_real)o->weight_decay, eps = (mn_real)o->eps;
    if (m == NULL) {
        for (int64_t i = 0; i < n; i++) {
            const mn_real d = g[i] + decay * w[i];
            v[i] = b2 * v[i] + c2 * d * d;
            w[i] -= rate * d / (mn_real_sqrt(v[i]) * scale + eps);
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const mn_real d = g[i] + decay * w[i];
        m[i] = b1 * m[i] + c1 * d;
        v[i] = b2 * v[i] + c2 * d * d;
        w[i] -= rate * m[i] / (mn_real_sqrt(v[i]) * scale + eps);
    }
}

#ifdef __cplusplus
}
#endif

#endif
