/* SPDX-License-Identifier: MIT */
#include "base/stats.h"

#include <math.h>

/* Regularised incomplete beta function by its continued fraction (Lentz's method). */
static double fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double value = d;
    for (int m = 1; m < 500; m++) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        const double terms[2] = {even, odd};
        double step = 1;
        for (int k = 0; k < 2; k++) {
            d = 1 + terms[k] * d;
            c = 1 + terms[k] / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            step = c * d;
            value *= step;
        }
        if (fabs(step - 1) < 1e-15) {
            break;
        }
    }
    return value;
}

static double incomplete_beta(double a, double b, double x) {
    if (x <= 0 || x >= 1) {
        return x <= 0 ? 0 : 1;
    }
    const double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x));
    return x < (a + 1) / (a + b + 2) ? front * fraction(a, b, x) / a
                                     : 1 - front * fraction(b, a, 1 - x) / b;
}

double nas_t_cdf(double t, double df) {
    /* P(|T| > t) = I(df / (df + t^2); df / 2, 1 / 2). */
    const double tail = incomplete_beta(df / 2, 0.5, df / (df + t * t)) / 2;
    return t < 0 ? tail : 1 - tail;
}

double nas_t_quantile95(double df) {
    double low = 0, high = 20;
    for (int i = 0; i < 100; i++) {
        const double middle = (low + high) / 2;
        if (nas_t_cdf(-middle, df) > 0.025) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (low + high) / 2;
}

double nas_ci95(int64_t n, const double *x, double *mean) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += x[i];
    }
    *mean = n > 0 ? sum / (double)n : 0;
    if (n < 2) {
        return (double)NAN;
    }
    for (int64_t i = 0; i < n; i++) {
        squares += (x[i] - *mean) * (x[i] - *mean);
    }
    const double deviation = sqrt(squares / (double)(n - 1));
    return nas_t_quantile95((double)(n - 1)) * deviation / sqrt((double)n);
}

double nas_t_test(int64_t n, const double *x) {
    double mean;
    const double half = nas_ci95(n, x, &mean);
    if (n < 2) {
        return (double)NAN;
    }
    if (half > 1e-12 * fabs(mean)) { /* more than what rounding makes of equal numbers */
        const double df = (double)(n - 1);
        return 2 * nas_t_cdf(-fabs(mean) / half * nas_t_quantile95(df), df);
    }
    return mean == 0 ? 1 : (double)NAN;
}

double nas_sign_test(int64_t more, int64_t less) {
    const int64_t few = more < less ? more : less, many = more < less ? less : more;
    /* P(X <= few) of the binomial distribution = I(1 / 2; n - few, few + 1). */
    return fmin(1, 2 * incomplete_beta((double)many, (double)few + 1, 0.5));
}

void nas_holm(int n, const double *p, double *out) {
    int tests = 0;
    for (int i = 0; i < n; i++) {
        tests += isfinite(p[i]) != 0;
    }
    for (int i = 0; i < n; i++) {
        int smaller = 0;
        for (int k = 0; k < n; k++) {
            smaller += p[k] < p[i];
        }
        out[i] = isfinite(p[i]) ? fmin(1, (tests - smaller) * p[i]) : (double)NAN;
    }
    /* None is less than one of a smaller p. */
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n; k++) {
            out[i] = p[k] < p[i] && out[k] > out[i] ? out[k] : out[i];
        }
    }
}
