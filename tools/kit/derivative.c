/* SPDX-License-Identifier: MIT */
#include "derivative.h"

#include <math.h>

enum { LEVELS = 8 };

double kit_derivative(kit_difference difference, void *data, double step, double *error) {
    double table[LEVELS][LEVELS], best = 0;
    *error = INFINITY;
    for (int i = 0; i < LEVELS; i++, step /= 2) {
        double factor = 4;
        table[0][i] = difference(data, step);
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
