/* SPDX-License-Identifier: MIT */
#include "derivative.h"
#include "report.h"

#include <math.h>

enum { LEVELS = 8 };

static double central(kit_function f, void *data, double by) {
    double right, left;
    const double above = f(data, by, &right), below = f(data, -by, &left);
    return (above - below) / (right - left);
}

double kit_derivative(kit_function f, void *data, double step, double *error) {
    double table[LEVELS][LEVELS], best = 0;
    *error = INFINITY;
    for (int i = 0; i < LEVELS; i++, step /= 2) {
        double factor = 4;
        table[0][i] = central(f, data, step);
        for (int j = 1; j <= i; j++, factor *= 4) {
            table[j][i] = (table[j - 1][i] * factor - table[j - 1][i - 1]) / (factor - 1);
            const double off =
                fmax(fabs(table[j][i] - table[j - 1][i]), fabs(table[j][i] - table[j - 1][i - 1]));
            if (off < *error) {
                *error = off;
                best = table[j][i];
            }
        }
    }
    return best;
}

int kit_derivative_at_kink(kit_function f, void *data, double got, double estimate,
                           double tolerance) {
    double here, right, left;
    const double now = f(data, 0, &here);
    for (double by = 1.0 / 256; by > 1.0 / 2048; by /= 2) {
        const double above = (f(data, by, &right) - now) / (right - here);
        const double below = (now - f(data, -by, &left)) / (here - left);
        if (fabs((above + below) / 2 - estimate) > tolerance &&
            got >= fmin(above, below) - tolerance && got <= fmax(above, below) + tolerance) {
            return 1;
        }
    }
    return 0;
}

enum kit_agreement kit_agrees(kit_function f, void *data, double got, double *expected) {
    double error;
    *expected = kit_derivative(f, data, 0.25, &error);
    const double tolerance = KIT_GRADIENT_TOLERANCE * (1 + fabs(*expected));
    if (error <= 0.2 * tolerance && fabs(got - *expected) <= tolerance + 5 * error) {
        return KIT_AGREES;
    }
    if (kit_derivative_at_kink(f, data, got, *expected, tolerance)) {
        return KIT_AGREES;
    }
    return error > 0.2 * tolerance ? KIT_UNSETTLED : KIT_DISAGREES;
}

struct moved {
    double (*f)(void *data);
    void *data;
    mn_real *at;
};

static double move(void *data, double by, double *at) {
    const struct moved *moved = data;
    const mn_real before = *moved->at;
    *moved->at = (mn_real)((double)before + by);
    *at = (double)*moved->at;
    const double value = moved->f(moved->data);
    *moved->at = before;
    return value;
}

void kit_compare(const char *rule, const char *what, double (*f)(void *data), void *data,
                 mn_real *at, const mn_real *got, int64_t n) {
    enum { COMPARED = 48 };
    const int64_t step = n > COMPARED ? n / COMPARED : 1;
    int compared = 0, all = 0;
    for (int64_t i = 0; i < n; i += step, all++) {
        struct moved moved = {f, data, at + i};
        double expected;
        const enum kit_agreement agreement = kit_agrees(move, &moved, (double)got[i], &expected);
        compared += agreement != KIT_UNSETTLED;
        if (agreement == KIT_DISAGREES) {
            kit_fail(rule, "%s[%lld] is %.7g, differences of forward give %.7g", what, (long long)i,
                     (double)got[i], expected);
        }
    }
    if (2 * compared < all) {
        kit_fail(rule, "forward is not smooth: differences settle for %d of %d elements of %s only",
                 compared, all, what);
    }
}
